"""The live view: what it shows of a run, and that it stays within the screen."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console
from tests.cli.homes import RealHome

from wherry.cli.live import Live
from wherry.cli.progress import Progress


def event(path: str, phase: str, **more: Any) -> dict[str, Any]:
    return {"event": "task", "path": path, "kind": "task", "phase": phase, "attempt": 1, "at": 1.0, **more}


def shown(progress: Progress, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=100, height=height, force_terminal=False)
    live = Live(progress, console)
    live.note("a word")
    live.close()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_each_state_has_its_line() -> None:
    progress = Progress()
    for one in (
        event("root", "RUNNING", kind="dag"),
        event("done", "SUCCEEDED", started_at=1.0, finished_at=2.5),
        event("again", "CACHED", cached_from="11112222-3333"),
        event("bad", "FAILED", error={"message": "no good"}),
        {"event": "notice", "message": "image x is unmapped"},
    ):
        progress.apply(one)
    text = "\n".join(shown(progress))
    assert "root" not in text
    for words in ("done  succeeded", "1.50s", "cached, from run 11112222", "failed  no good", "image x is unmapped"):
        assert words in text
    assert "note: a word" in text


def test_a_wide_loop_is_one_bar_and_its_failures() -> None:
    progress = Progress()
    progress.apply(event("loop", "RUNNING", kind="loop"))
    for number in range(500):
        progress.apply(event(f"loop[{number}]", "RUNNING", kind="iteration"))
    for number in range(400):
        phase = "FAILED" if number == 7 else "SUCCEEDED"
        progress.apply(event(f"loop[{number}]/work", phase, error={"message": "seven"} if number == 7 else None))
        progress.apply(event(f"loop[{number}]", phase, kind="iteration"))
    lines = shown(progress)
    assert any("400/500" in line for line in lines)
    assert next(line for line in lines if "/work" in line).split()[1:] == ["loop[7]/work", "failed", "seven"]
    assert len(lines) < 8


@pytest.mark.parametrize("height", [10, 30])
def test_many_tasks_stay_within_the_screen(height: int) -> None:
    progress = Progress()
    for number in range(200):
        progress.apply(event(f"task-{number}", "SUCCEEDED" if number < 190 else "RUNNING"))
    lines = shown(progress, height)
    assert len(lines) <= height
    assert any("more" in line for line in lines)
    assert any("task-199" in line for line in lines)


def test_on_a_terminal_a_long_run_is_shown_live_and_a_short_one_in_lines(shared: RealHome) -> None:
    shared.write(
        "naps.py",
        "from wherry import dsl\n\n\n@dsl.component\ndef naps(s: float) -> int:\n"
        "    import time\n    time.sleep(s)\n    return 1\n",
    )
    assert shared.run("run", "hello.py").code == 0
    short = on_a_terminal(shared, "run", "hello.py")
    assert "✓ hello  cached" in short
    assert "\x1b[?25l" not in short
    long = on_a_terminal(shared, "run", "naps.py", "-p", "s=0.6")
    assert "\x1b[?25l" in long
    assert long.count("\x1b[?25h") == 1
    assert "SUCCEEDED" in long


def on_a_terminal(real: RealHome, *words: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environ = {"WHERRY_HOME": str(real.home), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    command = subprocess.Popen(
        [sys.executable, "-m", "wherry.cli", *words],
        cwd=real.work,
        env={**os.environ, **environ},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    parts: list[bytes] = []
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # Linux tells the end of the other side so
            break
        if not data:
            break
        parts.append(data)
    os.close(ours)
    assert command.wait() == 0
    return b"".join(parts).decode()
