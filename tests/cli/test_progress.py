"""The fold of a run's events: counts, lines, and constant work."""

from __future__ import annotations

import time
from typing import Any

from wherry.cli.progress import MANY, VISIBLE_LIMIT, Progress


def event(path: str, phase: str, kind: str = "task", **more: Any) -> dict[str, Any]:
    return {"event": "task", "path": path, "kind": kind, "phase": phase, "attempt": 1, "at": 1.0, **more}


def loop(progress: Progress, width: int, *, failing: bool = False, path: str = "loop") -> None:
    progress.apply(event(path, "RUNNING", "loop"))
    for number in range(width):
        inside = f"{path}[{number}]"
        progress.apply(event(inside, "RUNNING", "iteration"))
        progress.apply(event(f"{inside}/work", "RUNNING"))
        progress.apply(event(f"{inside}/work", "FAILED" if failing else "SUCCEEDED"))
        progress.apply(event(inside, "FAILED" if failing else "SUCCEEDED", "iteration"))


def test_a_loop_counts_its_iterations_once() -> None:
    progress = Progress()
    loop(progress, 30, failing=True)
    progress.apply(event("loop[3]", "FAILED", "iteration"))
    step = progress.steps["loop"]
    assert (step.total, step.done, step.failed) == (30, 30, 30)


def test_an_iteration_that_begins_again_is_not_done() -> None:
    progress = Progress()
    loop(progress, 3)
    step = progress.steps["loop"]
    for phase, counts in (("FAILED", (3, 3, 1)), ("RUNNING", (3, 2, 0)), ("SUCCEEDED", (3, 3, 0))):
        progress.apply(event("loop[1]", phase, "iteration"))
        assert (step.total, step.done, step.failed) == counts


def test_what_is_visible_of_narrow_and_wide_loops() -> None:
    narrow, wide, failing = Progress(), Progress(), Progress()
    loop(narrow, 3)
    assert list(narrow.visible) == ["loop", "loop[0]/work", "loop[1]/work", "loop[2]/work"]
    loop(wide, MANY + 1)
    assert list(wide.visible) == ["loop"]
    loop(failing, MANY + 5, failing=True)
    assert len(failing.visible) == 1 + MANY + 5


def test_loops_in_loops() -> None:
    progress = Progress()
    progress.apply(event("outer", "RUNNING", "loop"))
    for number in range(3):
        progress.apply(event(f"outer[{number}]", "RUNNING", "iteration"))
        loop(progress, MANY + 2, path=f"outer[{number}]/inner")
    assert list(progress.visible) == ["outer", "outer[0]/inner", "outer[1]/inner", "outer[2]/inner"]


def test_ten_thousand_iterations_cost_what_a_thousand_cost_ten_times() -> None:
    def cpu_s(width: int) -> float:
        progress = Progress()
        begin = time.process_time()
        loop(progress, width, failing=True)
        assert len(progress.visible) <= VISIBLE_LIMIT
        return time.process_time() - begin

    cpu_s(100)
    assert min(cpu_s(10_000) for _ in range(2)) < 20 * max(min(cpu_s(1_000) for _ in range(3)), 0.001)


def test_a_task_that_is_tried_again_runs_again() -> None:
    progress = Progress()
    for phase in ("RUNNING", "FAILED", "RUNNING"):
        progress.apply(event("a", phase))
    assert (progress.steps["a"].phase, progress.steps["a"].finished) == ("RUNNING", None)
