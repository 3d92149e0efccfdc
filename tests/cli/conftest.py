"""The command line as a process, in a home of its own whose server is a thread of the test with scripted runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.server.scripted import Script

from wherry.testing.server import ServerThread

HELLO = """
from wherry import dsl


@dsl.component
def hello(name: str = "world", n: int = 1) -> str:
    return f"hello {name}"


@dsl.pipeline(name="greeting")
def greet(name: str = "world", n: int = 1) -> str:
    return hello(name=name, n=n).output
"""


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
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    """Scripted runs behind the home's server."""
    found = Script()
    with ServerThread(tmp_path / "home", compose=found.compose):
        yield found


@pytest.fixture
def wherry(tmp_path: Path) -> Callable[..., Done]:
    """Runs `wherry` in a folder that holds the flow `hello.py`."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "hello.py").write_text(HELLO)
    return lambda *words: run_wherry(*words, cwd=work, home=tmp_path / "home")
