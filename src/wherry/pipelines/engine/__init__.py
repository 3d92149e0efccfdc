"""The engine: decides what a run does next.  Pure; see `model` for its nouns and `decide` for its one door."""

from __future__ import annotations

from wherry.pipelines.engine.decide import decide, open_leaves
from wherry.pipelines.engine.inputs import Unresolvable
from wherry.pipelines.engine.model import (
    ALLOWED,
    BIRTH,
    FINAL,
    NEXT,
    ROOT,
    RUN_NEXT,
    Begin,
    Cancel,
    Canceled,
    Change,
    Delta,
    Event,
    Failed,
    Path,
    Phase,
    Reason,
    Retry,
    Row,
    RunInfo,
    RunOptions,
    RunState,
    Start,
    Started,
    Succeeded,
    Trigger,
)
from wherry.pipelines.engine.resolve import Resolved, imported, resolve, resolve_value
from wherry.pipelines.engine.restore import restore
from wherry.pipelines.engine.state import Run, apply

__all__ = [
    "ALLOWED",
    "BIRTH",
    "FINAL",
    "NEXT",
    "ROOT",
    "RUN_NEXT",
    "Begin",
    "Cancel",
    "Canceled",
    "Change",
    "Delta",
    "Event",
    "Failed",
    "Path",
    "Phase",
    "Reason",
    "Resolved",
    "Retry",
    "Row",
    "Run",
    "RunInfo",
    "RunOptions",
    "RunState",
    "Start",
    "Started",
    "Succeeded",
    "Trigger",
    "Unresolvable",
    "apply",
    "decide",
    "imported",
    "open_leaves",
    "resolve",
    "resolve_value",
    "restore",
]
