"""Runs tasks for tests: a folder with a source or command, a descriptor, a process, and what it left behind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HEADER = "\nimport kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n\n"


def interpreters() -> list[Any]:
    """A pytest parameter for each supported Python; those that are not on this machine are skipped."""
    return [
        pytest.param(minor, marks=[] if interpreter(minor) else pytest.mark.skip(f"no Python {minor} here"))
        for minor in ("3.9", "3.11", "3.13")
    ]


def interpreter(minor: str) -> str | None:
    """The path of a Python of that minor, or None."""
    if sys.version_info[:2] == tuple(int(part) for part in minor.split(".")):
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for path in sorted(root.glob(f"versions/{minor}.*/bin/python{minor}")):
        return str(path)
    return shutil.which(f"python{minor}")


@dataclass
class Result:
    """What a finished task left: exit code, streams, commit record (None when there is none), termination message."""

    exit_code: int
    stdout: str
    stderr: str
    record: dict[str, Any] | None
    message: str

    @property
    def outputs(self) -> dict[str, Any]:
        assert self.record is not None, self.stderr
        assert self.record["state"] == "SUCCEEDED", self.record
        outputs: dict[str, Any] = self.record["outputs"]
        return outputs

    @property
    def error(self) -> dict[str, Any]:
        assert self.record is not None, self.stderr
        assert self.record["state"] == "FAILED", self.record
        error: dict[str, Any] = self.record["error"]
        return error


@dataclass
class Workshop:
    """A folder for tasks, and the program that runs them."""

    folder: Path
    pyz: Path
    python: str = sys.executable
    count: int = 0
    env: dict[str, str] = field(default_factory=dict)

    def descriptor(self, **fields: Any) -> dict[str, Any]:
        """A descriptor with a root of its own; `fields` replace or add keys."""
        self.count += 1
        root = self.folder / "artifacts" / str(self.count)
        return {
            "v": 1,
            "executor_input": {},
            "executor_input_ref": None,
            "component": {"inputs": {}, "outputs": {}},
            "root": str(root),
            "commit": str(root / "commit.json"),
            "code": None,
            **fields,
        }

    def function(
        self,
        source: str,
        name: str = "f",
        *,
        parameters: dict[str, Any] | None = None,
        artifacts: dict[str, Any] | None = None,
        types: dict[str, str] | None = None,
        makes: dict[str, str] | None = None,
        header: str = HEADER,
        **fields: Any,
    ) -> dict[str, Any]:
        """A function's descriptor: `types` are its output parameters, `makes` the schema titles of its artifacts."""
        text = header + textwrap.dedent(source)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        path = self.folder / ".source" / f"{sha256}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        base = self.descriptor(kind="python", source={"uri": str(path), "sha256": sha256}, function=name)
        return self.filled(base, parameters, artifacts, types, makes) | fields

    def command(
        self,
        *words: str,
        parameters: dict[str, Any] | None = None,
        artifacts: dict[str, Any] | None = None,
        types: dict[str, str] | None = None,
        makes: dict[str, str] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """The descriptor of a command."""
        base = self.descriptor(kind="command", command=list(words), args=[])
        return self.filled(base, parameters, artifacts, types, makes) | fields

    @staticmethod
    def filled(
        base: dict[str, Any],
        parameters: dict[str, Any] | None,
        artifacts: dict[str, Any] | None,
        types: dict[str, str] | None,
        makes: dict[str, str] | None,
    ) -> dict[str, Any]:
        made = {
            name: {"artifacts": [artifact(name, f"{base['root']}/{name}", title)]}
            for name, title in (makes or {}).items()
        }
        base["executor_input"] = {
            "inputs": {"parameterValues": parameters or {}, "artifacts": artifacts or {}},
            "outputs": {"artifacts": made},
        }
        base["component"]["outputs"] = types or {}
        return base

    def environment(self, descriptor: dict[str, Any]) -> dict[str, str]:
        """What the process of a task is started with."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **inherited,
            "WHERRY_CACHE": str(self.folder / "cache"),
            "WHERRY_TERMINATION_LOG": str(self.folder / f"message-{self.count}"),
            "WHERRY_TASK": json.dumps(descriptor),
            **self.env,
        }

    def scratch(self) -> Path:
        """The working folder of the latest task."""
        path = self.folder / "scratch" / str(self.count)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start(self, descriptor: dict[str, Any], **options: Any) -> subprocess.Popen[str]:
        """Start the task's process."""
        return subprocess.Popen(
            [self.python, str(self.pyz)],
            env=self.environment(descriptor),
            cwd=self.scratch(),
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            **options,
        )

    def run(self, descriptor: dict[str, Any], **options: Any) -> Result:
        """Run the task to its end."""
        process = self.start(descriptor, **options)
        stdout, stderr = process.communicate(timeout=60)
        return self.result(descriptor, process.returncode, stdout, stderr)

    def result(self, descriptor: dict[str, Any], exit_code: int, stdout: str, stderr: str) -> Result:
        commit = Path(descriptor["commit"])
        record = json.loads(commit.read_text()) if commit.is_file() else None
        message = self.folder / f"message-{self.count}"
        return Result(exit_code, stdout, stderr, record, message.read_text() if message.exists() else "")


def artifact(name: str, uri: str, title: str = "system.Artifact", **metadata: Any) -> dict[str, Any]:
    """A RuntimeArtifact."""
    return {"name": name, "type": {"schemaTitle": title, "schemaVersion": "0.0.1"}, "uri": uri, "metadata": metadata}


def given(*artifacts: dict[str, Any]) -> dict[str, Any]:
    """The value of an artifact input."""
    return {"artifacts": list(artifacts)}
