"""The command line as a process, in a home of its own whose server is a thread of the test with scripted runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.homes import Done, RealHome, run_wherry
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


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealHome]:
    """A home of its own, with a real server; the test ends with the server stopped and nothing left running."""
    found = RealHome(tmp_path)
    found.write("hello.py", HELLO)
    yield found
    found.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHome]:
    """One home for the tests of a module that do nothing to its server."""
    found = RealHome(tmp_path_factory.mktemp("shared"))
    found.write("hello.py", HELLO)
    yield found
    found.end()
