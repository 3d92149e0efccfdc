"""How the figures are taken: commands timed from outside, in turns, in a home of their own; medians; targets.

Called by every figure's module.  Invariant: the two sides of a comparison run in turns within one run of the benchmark,
so that a busy machine slows both, and every number that a value was made from is kept in `raw`.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FLOWS = HERE / "flows"
BIN = Path(sys.executable).parent
BARE = [sys.executable, "-I", "-c", "pass"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One promise and what was measured.  `value` must be at most `at_most`, or at least `at_least`."""

    name: str
    value: float
    at_most: float | None = None
    at_least: float | None = None
    aim: float | None = None  # beyond the target, what the design hopes for
    unit: str = ""
    raw: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def ok(self) -> bool:
        """Whether the promise is kept."""
        below = self.at_most is None or self.value <= self.at_most
        return below and (self.at_least is None or self.value >= self.at_least)

    def view(self) -> dict[str, Any]:
        """The figure as JSON, without what it does not have."""
        shown = {key: value for key, value in asdict(self).items() if value not in (None, "", {})}
        return {"name": self.name, "ok": self.ok, **rounded(shown)}


def rounded(value: Any) -> Any:
    """`value` with every float cut to five significant digits, however deep it lies."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return value


def note(text: str) -> None:
    """Says on standard error what goes on; standard output is the JSON document's."""
    print(text, file=sys.stderr, flush=True)


class CommandFailed(Exception):
    """A measured command exited with another code than 0; the text is the end of what it said."""


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Runs `argv` to its end and returns its standard output.  Raises `CommandFailed`."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, env=env, cwd=cwd, check=False)
    if done.returncode:
        said = (done.stdout + b"\n" + done.stderr).decode(errors="replace")[-3000:]
        raise CommandFailed(f"{' '.join(map(str, argv))} exited with {done.returncode}:\n{said}")
    return done.stdout.decode()


def timed(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> float:
    """Seconds from the start of `argv` to its end, as its caller sees them."""
    begin = time.perf_counter()
    run(argv, env=env, cwd=cwd)
    return time.perf_counter() - begin


def in_turns(sides: Mapping[str, Callable[[], float]], rounds: int, *, warm: bool = True) -> dict[str, list[float]]:
    """Each side's measurements, `rounds` of them, taken in turns; with `warm`, after one that does not count."""
    if warm:
        for side in sides.values():
            side()
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            taken[name].append(side())
    return taken


def medians(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each side."""
    return {name: statistics.median(values) for name, values in taken.items()}


def bare_start() -> float:
    """Seconds for an interpreter that has nothing to do, now."""
    return timed(BARE)


def floor(loop: str) -> float:
    """What one of the loops of `floor.py` takes on this machine now."""
    (value,) = json.loads(run([sys.executable, "-I", HERE / "floor.py", loop])).values()
    return float(value)


def clean_environment() -> dict[str, str]:
    """This process's environment less what would steer Python or wherry."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "WHERRY"))}


class Home:
    """A wherry home for one measurement, and the command line that works in it."""

    def __init__(self, folder: Path, extra: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = {**clean_environment(), **extra, "WHERRY_HOME": str(folder)}

    def run(self, flow: str, *words: str, env: Mapping[str, str] | None = None) -> tuple[float, dict[str, Any]]:
        """Seconds of `wherry run` as the user sees them, and its last event, which says that the run succeeded."""
        argv = [str(BIN / "wherry"), "run", str(FLOWS / flow), "--json", *words]
        begin = time.perf_counter()
        printed = run(argv, env={**self.env, **(env or {})})
        seconds = time.perf_counter() - begin
        last = json.loads(printed.splitlines()[-1])
        if last.get("state") != "SUCCEEDED":
            raise CommandFailed(f"{' '.join(argv)} ended with {last}")
        return seconds, last

    def server_pid(self) -> int | None:
        """The pid of the home's server, or None where none runs."""
        return json.loads(run([BIN / "wherry", "status", "--json"], env=self.env)).get("pid")

    def server_peak_mb(self) -> float:
        """The most memory that the home's server has had resident, in MB (10^6 bytes)."""
        status = Path(f"/proc/{self.server_pid()}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6

    def down(self) -> None:
        """Stops the home's server."""
        run([BIN / "wherry", "down"], env=self.env)


@contextmanager
def new_home(extra: Mapping[str, str] | None = None) -> Iterator[Home]:
    """A home that nothing has run in; afterwards its server is stopped and it is removed."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    home = Home(folder / "home", extra or {})
    try:
        yield home
    finally:
        home.down()
        shutil.rmtree(folder, ignore_errors=True)


def per_item(small: tuple[int, float], large: tuple[int, float]) -> float:
    """What one more item costs, between a small and a large run, each as (items, seconds)."""
    return (large[1] - small[1]) / (large[0] - small[0])
