"""What is known of a run while its events come: the state that the live view and the plain lines are made of.

Called by `wherry.cli.follow` and `wherry.cli.live`.  Pure: events in, state and lines out.  Invariant: work per event
is constant, and the lines of a loop do not grow with its width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.client import views

MANY = 20  # iterations of a loop that get lines of their own; beyond it only every tenth of the loop, and failures
VISIBLE_LIMIT = 1000  # more failures than this nobody reads as they come
_MARKS = {
    "SUCCEEDED": "✓",
    "CACHED": "✓",
    "FAILED": "✗",
    "SKIPPED": "-",
    "CANCELED": "✗",
    "RUNNING": "▸",
    "PENDING": "·",
}


class Step:
    """A task as far as the events have told: its phase, when it started and ended, and of a loop the iterations."""

    __slots__ = (
        "attempt",
        "cached_from",
        "done",
        "error",
        "failed",
        "finished",
        "kind",
        "path",
        "phase",
        "started",
        "total",
    )

    def __init__(self, path: str, kind: str) -> None:
        self.path, self.kind = path, kind
        self.phase = "PENDING"
        self.attempt = 0
        self.started: float | None = None
        self.finished: float | None = None
        self.cached_from: str | None = None
        self.error: Mapping[str, Any] | None = None
        self.total = self.done = self.failed = 0

    @property
    def mark(self) -> str:
        """One character for the phase."""
        return _MARKS.get(self.phase, "?")

    def seconds(self, now: float) -> float | None:
        """How long it has taken so far."""
        if self.started is None:
            return None
        return max(0.0, (now if self.finished is None else self.finished) - self.started)


class Progress:
    """The run's steps by path, folded from events.

    `visible` are those that a person is shown: what stands outside of wide loops, and some of the failures inside.
    """

    def __init__(self) -> None:
        self.run = ""
        self.pipeline = ""
        self.state = "PENDING"
        self.steps: dict[str, Step] = {}
        self.visible: dict[str, Step] = {}
        self.notices: list[str] = []
        self.finished: Mapping[str, Any] | None = None

    def apply(self, event: Mapping[str, Any]) -> Step | None:
        """Takes one event in; returns the step that changed, if it told of one."""
        kind = event["event"]
        if kind == "task":
            return self._task(event)
        if kind == "run-started":
            self.run, self.pipeline = event.get("run", self.run), event.get("pipeline", self.pipeline)
            self.state = "RUNNING"
        elif kind == "run-finished":
            self.state, self.finished = event["state"], event
        elif kind == "notice":
            self.notices.append(str(event.get("message", "")))
        elif kind == "run":
            self.state = event.get("state", self.state)
        return None

    def line(self, event: Mapping[str, Any], step: Step | None) -> str | None:
        """The plain line that tells of an event; None where it is not worth one."""
        if event["event"] == "notice":
            return f"  note: {event.get('message', '')}"
        if step is None or step.path == "root":
            return None
        if step.kind == "iteration":
            return self._loop_line(step)
        if self._in_wide_loop(step.path) and step.phase != "FAILED":
            return None
        if step.phase not in views.FINAL_PHASES or step.kind not in views.LEAVES:
            return None
        return f"  {step.mark} {step.path}{self._facts(step)}"

    def _facts(self, step: Step) -> str:
        if step.phase == "CACHED":
            return f"  cached, from run {views.short(step.cached_from or '')}"
        taken = views.duration(step.seconds(step.finished or 0.0))
        words = "" if step.phase == "SUCCEEDED" else f"  {step.phase.lower()}"
        message = (step.error or {}).get("message") if step.phase == "FAILED" else None
        return f"{words}{f'  {taken}' if taken else ''}{f'  {views.brief(message)}' if message else ''}"

    def _loop_line(self, step: Step) -> str | None:
        loop = self.steps.get(views.parent(step.path))
        if loop is None or loop.total <= MANY or step.phase not in views.FINAL_PHASES:
            return None
        if loop.done % max(1, loop.total // 10) and loop.done != loop.total:
            return None
        failed = f", {loop.failed} failed" if loop.failed else ""
        return f"  ▸ {loop.path}  {loop.done}/{loop.total}{failed}"

    def _in_wide_loop(self, path: str) -> bool:
        while path:
            path = views.parent(path)
            step = self.steps.get(path)
            if step is not None and step.total > MANY:
                return True
        return False

    def _task(self, event: Mapping[str, Any]) -> Step:
        path = event["path"]
        step = self.steps.get(path)
        fresh = step is None
        if step is None:
            step = self.steps[path] = Step(path, event.get("kind", "task"))
        before = "" if fresh else step.phase
        step.phase, step.attempt = event["phase"], event.get("attempt", 0)
        step.error, step.cached_from = event.get("error"), event.get("cached_from")
        at = event.get("at")
        final = step.phase in views.FINAL_PHASES
        if step.phase in ("PENDING", "RUNNING"):
            step.started = at if step.phase == "RUNNING" else None
            step.finished = None
        elif final:
            step.started, step.finished = event.get("started_at", step.started), event.get("finished_at", at)
        if path.endswith("]"):
            self._count(self.steps.get(views.parent(path)), step, before, fresh)
        elif path != "root":
            self._see(step, fresh)
        return step

    def _see(self, step: Step, fresh: bool) -> None:
        if "]" not in step.path or not self._in_wide_loop(step.path):
            if fresh and (step.kind in views.LEAVES or step.kind == "loop"):
                self.visible[step.path] = step
        elif step.phase == "FAILED" and len(self.visible) < VISIBLE_LIMIT:
            self.visible[step.path] = step

    def _count(self, loop: Step | None, step: Step, before: str, fresh: bool) -> None:
        """An iteration that begins again, by its retry policy, is no longer done."""
        if loop is None:
            return
        loop.total += fresh
        loop.done += (step.phase in views.FINAL_PHASES) - (before in views.FINAL_PHASES)
        loop.failed += (step.phase == "FAILED") - (before == "FAILED")
        if fresh and loop.total == MANY + 1:
            inside = f"{loop.path}["
            self.visible = {
                path: seen
                for path, seen in self.visible.items()
                if seen.phase == "FAILED" or not path.startswith(inside)
            }
