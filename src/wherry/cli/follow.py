"""Following a run from the command line to its end: lines, live view or JSON, interrupts, and the exit code.

Called by `wherry run` and `wherry retry`.  Invariants: the first Ctrl-C (or SIGTERM) cancels the run, the second kills
it, and the run has ended when the command does; exit 0 succeeded, 1 failed, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

import click

from wherry.cli.failure import explained
from wherry.cli.interrupts import Interrupts
from wherry.cli.progress import Progress, Step
from wherry.client import views
from wherry.client.api import Client
from wherry.client.flows import Flow
from wherry.client.wire import Reply

LIVE = "wherry.cli.live"  # the lazy entry: rich, on a terminal and only for runs that take longer than a blink
LIVE_AFTER_S = 0.25
TICK_S = 0.1


class View(Protocol):
    """How events are shown."""

    def show(self, event: Mapping[str, Any], step: Step | None) -> None: ...
    def tick(self) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


def follow(
    client: Client,
    run: str,
    *,
    first: Reply | None = None,
    after: int = 0,
    as_json: bool = False,
    flow: Flow | None = None,
) -> int:
    """Shows the run to its end; returns the exit code."""
    progress = Progress()
    view = _view(progress, as_json)
    tick_s = TICK_S if isinstance(view, _Terminal) else None
    seen = 0
    with Interrupts() as interrupts:
        try:
            events = client.follow(run, first=first, after=after, timeout_s=tick_s, wake=interrupts.descriptor)
            for event in events:
                if interrupts.count > seen:
                    interrupts.drain()
                    seen = interrupts.count
                    _interrupted(client, run, seen, view)
                if event is None:
                    view.tick()
                else:
                    view.show(event, progress.apply(event))
        finally:
            view.close()
    if not as_json:
        _end(client, run, progress, flow, interrupted=seen > 0)
    if seen:
        return 130
    return 0 if progress.state == "SUCCEEDED" else 1


def _interrupted(client: Client, run: str, count: int, view: View) -> None:
    client.cancel(run, kill=count > 1)
    view.note("killing the run's tasks" if count > 1 else "canceling the run; Ctrl-C again kills its tasks")


def _end(client: Client, run: str, progress: Progress, flow: Flow | None, *, interrupted: bool) -> None:
    finished = progress.finished or {}
    seconds = views.duration(finished.get("seconds"))
    cached = sum(step.phase == "CACHED" for step in progress.steps.values() if step.kind in views.LEAVES)
    facts = [f"in {seconds}"] if seconds else []
    facts += [f"{cached} from the cache"] if cached else []
    click.echo(f"{progress.state} {views.short(run)} {', '.join(facts)}".rstrip())
    for name, value in views.redacted(views.part(finished, "outputs")).items():
        click.echo(f"  {name} = {views.brief(value)}")
    if progress.state == "FAILED" and not interrupted:
        sys.stdout.flush()
        sys.stderr.write(explained(client, run, views.part(finished, "error"), flow) + "\n")


def _view(progress: Progress, as_json: bool) -> View:
    if as_json:
        return _Json()
    lines = _Lines(progress)
    return _Terminal(progress, lines) if sys.stdout.isatty() else lines


class _Json:
    """One JSON event a line, for scripts."""

    def show(self, event: Mapping[str, Any], step: Step | None) -> None:
        sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
        sys.stdout.flush()

    def tick(self) -> None:
        """Nothing moves between events."""

    def note(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def close(self) -> None:
        """Everything is out already."""


class _Lines:
    """One line a task that has ended."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._out: Callable[[str], object] = sys.stdout.write

    def show(self, event: Mapping[str, Any], step: Step | None) -> None:
        line = self._progress.line(event, step)
        if line is not None:
            self._out(f"{line}\n")
            sys.stdout.flush()

    def tick(self) -> None:
        """Nothing moves between events."""

    def note(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def close(self) -> None:
        sys.stdout.flush()


class _Terminal:
    """Nothing for a blink, then the live view; a run that ends before that is told in plain lines."""

    def __init__(self, progress: Progress, lines: _Lines) -> None:
        self._progress, self._lines = progress, lines
        self._held: list[tuple[Mapping[str, Any], Step | None]] = []
        self._begun = time.monotonic()
        self._live: Any = None

    def show(self, event: Mapping[str, Any], step: Step | None) -> None:
        if self._live is None:
            self._held.append((event, step))
        self.tick()

    def tick(self) -> None:
        if self._live is None and time.monotonic() - self._begun > LIVE_AFTER_S:
            self._live = import_module(LIVE).Live(self._progress)
            self._held.clear()
        if self._live is not None:
            self._live.refresh()

    def note(self, text: str) -> None:
        if self._live is not None:
            self._live.note(text)
        else:
            sys.stderr.write(f"{text}\n")

    def close(self) -> None:
        if self._live is not None:
            self._live.close()
        for event, step in self._held:
            self._lines.show(event, step)
