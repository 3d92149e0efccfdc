"""Real homes for end-to-end tests: `wherry` as processes, a server that starts by itself, nothing left at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")
LIMIT_S = 30.0
UP = ("up", "--port", "0")


@dataclass
class Done:
    """What a command answered."""

    code: int
    out: str
    err: str


def run_wherry(*words: str, cwd: Path, home: Path, environ: Mapping[str, str] | None = None) -> Done:
    """Runs one command line to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "wherry.cli", *words],
        cwd=cwd,
        env={**os.environ, "WHERRY_HOME": str(home), "NO_COLOR": "1", **(environ or {})},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=150,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def until(condition: Callable[[], T], what: str, limit_s: float = LIMIT_S) -> T:
    """Waits for a condition of another process, which can tell us nothing; returns what it gave."""
    end = time.monotonic() + limit_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {limit_s:g} s for {what}"
        time.sleep(0.01)


class RealHome:
    """A home with its server, and a folder of flows beside it."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.work = folder / "work"
        self.home = home or folder / "home"
        self.work.mkdir(parents=True, exist_ok=True)
        self.environ: dict[str, str] = {}

    def write(self, name: str, text: str) -> Path:
        """Puts a file into the folder of flows."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *words: str) -> Done:
        """One `wherry` command to its end."""
        return run_wherry(*words, cwd=self.work, home=self.home, environ=self.environ)

    def json(self, *words: str) -> Any:
        """What a command with `--json` says, of a single object."""
        done = self.run(*words)
        assert done.code == 0, done.err
        return json.loads(done.out)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """A `wherry` command that goes on."""
        return subprocess.Popen(
            [sys.executable, "-m", "wherry.cli", *words],
            cwd=self.work,
            env=self._environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            **more,
        )

    def server(self) -> int:
        """The pid of the home's server."""
        return json.loads((self.home / "server.json").read_text())["pid"]

    def processes(self) -> list[psutil.Process]:
        """All processes that belong to this home: they name it on their command line or in their environment."""
        mark = str(self.home.resolve())
        return [process for process in psutil.process_iter() if process.pid != os.getpid() and _names(process, mark)]

    def end(self) -> None:
        """Stops the server and asserts that nothing is left running."""
        done = self.run("down")
        assert done.code == 0, done.err
        until(lambda: not self.processes(), f"the end of {[str(process) for process in self.processes()]}")

    def _environ(self) -> Mapping[str, str]:
        return {**os.environ, "WHERRY_HOME": str(self.home), "NO_COLOR": "1", **self.environ}


@contextmanager
def up(home: RealHome, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`wherry up` on a free port, and its address."""
    process = home.start(*UP, *more)
    try:
        lines = [process.stdout.readline() for _ in range(5)]
        assert [line.split()[0] for line in lines] == ["serving", "address", "address", "trust", "kubectl"], lines
        yield process, lines[2].split()[1]
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "Traceback" not in err


def _names(process: psutil.Process, mark: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = [*process.cmdline(), *process.environ().values(), process.cwd()]
    except psutil.Error:
        return False
    return any(mark in word for word in words)
