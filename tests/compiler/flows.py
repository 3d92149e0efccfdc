"""Flows written against kfp, as wherry and as the released kfp have them.

Used by the tests of this folder.  kfp compiles a folder once; its answers are kept by the content of the folder.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from tests import oracles
from tests.compiler.outcomes import outcomes

from wherry.client.kfp_names import supplied

HERE = Path(__file__).parent
SOURCES = HERE / "sources"


def by_wherry(folder: Path) -> dict[str, Any]:
    """What wherry makes of the flows in a folder."""
    with supplied():
        return outcomes(folder)


def by_kfp(folder: Path) -> dict[str, Any]:
    """What the released kfp makes of them."""
    script = HERE / "outcomes.py"
    digest = hashlib.sha256(str(HERE).encode())  # some flows say in their documents where they lie
    for path in [script, *sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")]:
        digest.update(str(path.relative_to(HERE) if path.is_relative_to(HERE) else path.name).encode())
        digest.update(path.read_bytes())
    interpreter = oracles.python("kfp", oracles.KFP)
    answers = oracles.CACHE / f"kfp-answers-{digest.hexdigest()[:16]}.json"
    with open(answers.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answers.exists():
            unfinished = answers.with_suffix(".part")
            environ = {name: value for name, value in os.environ.items() if name != "_KFP_RUNTIME"}
            subprocess.run([interpreter, "-B", script, folder, unfinished], check=True, env=environ)
            unfinished.replace(answers)
    return json.loads(answers.read_text())


class Judge:
    """The released kfp in one process, which answers for one flow after another.  `components`: what the flows use."""

    def __init__(self, components: Path) -> None:
        interpreter = oracles.python("kfp", oracles.KFP)
        environ = {name: value for name, value in os.environ.items() if name != "_KFP_RUNTIME"}
        self._process = subprocess.Popen(
            [interpreter, "-B", HERE / "judge.py", components],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        )

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def outcome(self, flow: str) -> dict[str, Any]:
        """What kfp makes of a source that defines `flow`, as `outcomes` has it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(flow) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def normalised(documents: list[Any]) -> list[Any]:
    """Documents without what may differ: the version of the SDK, and how embedded files are packed."""
    pipeline, platform = documents
    return [_unpacked({key: value for key, value in pipeline.items() if key != "sdkVersion"}), platform]


def _unpacked(value: Any) -> Any:
    """The value with embedded archives as what is in them, and the program that executes a notebook as its name.

    kfp puts the time and the owner into its archives; the program is not kfp's (docs/compatibility.md).
    """
    if isinstance(value, dict):
        return {key: _unpacked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_unpacked(one) for one in value]
    if not isinstance(value, str) or "__KFP_EMBEDDED_ARCHIVE_B64" not in value:
        return value
    text = re.sub(r"(?<=__KFP_EMBEDDED_ARCHIVE_B64 = ')[^']+", lambda found: _members(found[0]), value)
    return re.sub(r"(?s)(__KFP_NOTEBOOK_REL_PATH = '[^']+'\n).*\ndsl\.run_notebook = \w+\n", r"\1<program>\n", text)


def _members(archive: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive)), mode="r:gz") as tar:
        found = sorted(tar.getmembers(), key=lambda member: member.name)
        files = {member.name: tar.extractfile(member) for member in found}
        return json.dumps({name: file.read().decode() if file else None for name, file in files.items()})


def inlined(pipeline: dict[str, Any]) -> Any:
    """A pipeline document with every component and executor in the place of its name."""
    components = pipeline.get("components", {})
    executors = pipeline["deploymentSpec"].get("executors", {})

    def component(body: dict[str, Any]) -> dict[str, Any]:
        result = dict(body)
        if "executorLabel" in result:
            result["executor"] = executors[result.pop("executorLabel")]
        if "dag" in result:
            tasks = {
                name: task | {"componentRef": component(components[task["componentRef"]["name"]])}
                for name, task in result["dag"].get("tasks", {}).items()
            }
            result["dag"] = result["dag"] | {"tasks": tasks}
        return result

    return component(pipeline["root"])
