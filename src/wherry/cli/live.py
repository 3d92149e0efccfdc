"""The live view of a run on a terminal: the tree's moving part, bars for loops, the end of what failed.

Loaded by `wherry.cli.follow` when a run takes longer than a blink (rich costs 60 ms).  Invariant: the view is at most a
screen high whatever the width of a loop; what it showed last stays on the screen.
"""

from __future__ import annotations

import time

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from wherry.cli.progress import Progress, Step
from wherry.client import views

_STYLES = {"SUCCEEDED": "green", "CACHED": "cyan", "FAILED": "red", "SKIPPED": "dim", "CANCELED": "yellow"}


class Live:
    """Shows a `Progress`; `refresh` when it may have changed, `close` at the end."""

    def __init__(self, progress: Progress, console: Console | None = None) -> None:
        self._progress = progress
        self._notes: list[str] = []
        self._console = console or Console(highlight=False)
        self._spinner = Spinner("dots")
        self._live = RichLive(console=self._console, auto_refresh=False, transient=False)
        self._live.start()
        self._drawn = 0.0
        self.refresh()

    def refresh(self) -> None:
        """Draws the present state, at most ten times a second."""
        now = time.monotonic()
        if now - self._drawn >= 0.1:
            self._drawn = now
            self._live.update(self._picture(), refresh=True)

    def note(self, text: str) -> None:
        """Adds a sentence under the tasks."""
        self._notes.append(text)
        self._drawn = 0.0
        self.refresh()

    def close(self) -> None:
        """Draws the last state and leaves it on the screen."""
        self._live.update(self._picture(), refresh=True)
        self._live.stop()

    def _picture(self) -> Group:
        table = Table.grid(padding=(0, 1))
        now = time.time()
        room = max(5, self._console.height - 6 - len(self._notes))
        steps = list(self._progress.visible.values())
        hidden = len(steps) - room
        if hidden > 0:  # what ended well long ago makes room for what moves
            ended = [step for step in steps if step.phase in ("SUCCEEDED", "CACHED", "SKIPPED")][:hidden]
            gone = {step.path for step in ended}
            steps = [step for step in steps if step.path not in gone][-room:]
            table.add_row("", Text(f"… {hidden} more", style="dim"))
        for step in steps:
            table.add_row(*self._row(step, now))
        notes = [Text(f"note: {note}", style="yellow") for note in [*self._progress.notices[-3:], *self._notes]]
        return Group(table, *notes)

    def _row(self, step: Step, now: float) -> tuple[Text | Spinner, Text, Text | ProgressBar, Text]:
        style = _STYLES.get(step.phase, "")
        mark = self._spinner if step.phase == "RUNNING" else Text(step.mark, style=style)
        state: Text | ProgressBar = Text(step.phase.lower(), style=style)
        if step.phase == "CACHED":
            state = Text(f"cached, from run {views.short(step.cached_from or '')}", style=style)
        elif step.kind == "loop" and step.total:
            state = ProgressBar(total=step.total, completed=step.done, width=24)
        elif step.phase == "FAILED" and step.error:
            state = Text(f"failed  {views.brief(step.error.get('message') or '')}", style=style)
        count = f"{step.done}/{step.total} " if step.kind == "loop" else ""
        return mark, Text(step.path), state, Text(f"{count}{views.duration(step.seconds(now))}", style="dim")
