"""The engine's nouns: phases, the one transition table, events that come in and deltas that go out.

Used by everyone who talks to the engine (the driver, the service, the database's guards, the docs).
Invariant: `NEXT` and `BIRTH` are the only statement of what a task attempt may become; a final phase has no way out,
and a new attempt is a new row.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

Path: TypeAlias = str
"""A node's place in the run: "root" is the run's DAG, its tasks "train", iterations "for-loop-1[3]", nested
"for-loop-1[3]/train".  (A task of the root DAG that is itself called "root" has the path "root/root".)"""

ROOT: Path = "root"
Kind: TypeAlias = Literal["task", "importer", "dag", "loop", "iteration"]
LEAF_KINDS: frozenset[str] = frozenset({"task", "importer"})
Outputs: TypeAlias = dict[str, dict[str, Any]]
"""`{"parameters": {name: value}, "artifacts": {name: [artifact, ...]}}`, where an artifact is KFP's RuntimeArtifact as
a mapping: name, type {schemaTitle, schemaVersion}, uri, metadata, and `digest` where it is known."""
Error: TypeAlias = dict[str, Any]
"""`{"type": ..., "message": ..., ...}`; nodes above a leaf add "task", the path of the leaf that failed first."""


class Phase(StrEnum):
    """What one attempt of a node is.  The last five are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    CACHED = "CACHED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELED = "CANCELED"


class RunState(StrEnum):
    """What a run is; the names are KFP's RuntimeState."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"


class Trigger(StrEnum):
    """What can happen to an attempt."""

    READY = "READY"  # a leaf's inputs are there: it may be launched
    OPENED = "OPENED"  # a DAG, loop or iteration begins
    PASSED_OVER = "PASSED_OVER"  # its condition is false, or what it needs did not succeed
    STARTED = "STARTED"
    DONE = "DONE"
    HIT = "HIT"  # an earlier result with the same key is taken over
    BROKE = "BROKE"
    STOPPED = "STOPPED"


BIRTH: dict[Trigger, Phase] = {
    Trigger.READY: Phase.PENDING,
    Trigger.OPENED: Phase.RUNNING,
    Trigger.PASSED_OVER: Phase.SKIPPED,
    Trigger.BROKE: Phase.FAILED,  # its condition or its inputs could not be evaluated
}
"""The phase in which an attempt's row is made."""

NEXT: dict[Phase, dict[Trigger, Phase]] = {
    Phase.PENDING: {
        Trigger.STARTED: Phase.RUNNING,
        Trigger.DONE: Phase.SUCCEEDED,  # an importer, or a commit that is seen before its start is
        Trigger.HIT: Phase.CACHED,
        Trigger.BROKE: Phase.FAILED,
        Trigger.STOPPED: Phase.CANCELED,
    },
    Phase.RUNNING: {
        Trigger.DONE: Phase.SUCCEEDED,
        Trigger.HIT: Phase.CACHED,
        Trigger.BROKE: Phase.FAILED,
        Trigger.STOPPED: Phase.CANCELED,
    },
    Phase.SUCCEEDED: {},
    Phase.CACHED: {},
    Phase.FAILED: {},
    Phase.SKIPPED: {},
    Phase.CANCELED: {},
}
"""THE table: what an attempt in a phase becomes."""

ALLOWED: frozenset[tuple[Phase, Phase]] = frozenset((old, new) for old, row in NEXT.items() for new in row.values())
"""Every (from, to) that the table allows, for the guards in SQL."""
FINAL: frozenset[Phase] = frozenset(phase for phase, row in NEXT.items() if not row)
GOOD: frozenset[Phase] = frozenset({Phase.SUCCEEDED, Phase.CACHED})

_ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED})
RUN_NEXT: dict[RunState, frozenset[RunState]] = {
    RunState.PENDING: _ENDED | {RunState.RUNNING, RunState.CANCELED},
    RunState.RUNNING: _ENDED | {RunState.CANCELING, RunState.CANCELED},
    RunState.CANCELING: frozenset({RunState.CANCELED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: _ENDED | {RunState.RUNNING},
    RunState.CANCELED: _ENDED | {RunState.RUNNING},
}
"""What a run may become; the way back from FAILED and CANCELED is retry, with the next generation number.
RUNNING is left out where a run ends with the event that begins it (all its tasks are passed over)."""


class Reason(StrEnum):
    """Why a change happened, where the phase alone does not say it."""

    NONE = ""
    CONDITION = "ConditionNotMet"
    UPSTREAM_SKIPPED = "UpstreamSkipped"
    UPSTREAM_FAILED = "UpstreamFailed"
    DAG_FAILED = "DagFailed"  # nothing new starts in a DAG once one of its tasks failed
    CANCELED = "Canceled"
    RETRY = "Retry"  # the retry policy gives a failed task another attempt
    RESUMED = "Resumed"  # `wherry retry`: goes on from what is there
    RERUN = "Rerun"  # `wherry retry`: begins again, because something before it runs again
    TASK_FAILED = "TaskFailed"  # of a DAG, loop or iteration
    UNRESOLVABLE = "Unresolvable"


class Change(NamedTuple):
    """One transition of one attempt: one row written or updated, and one row of history.

    `phase_from` None: the attempt's row is made now (with `attempt`, `kind`, `tries`, `generation`), in `phase_to`,
    one of `BIRTH`'s.  Else `(phase_from, phase_to)` is in `ALLOWED`.  `outputs` is set for leaves that succeed;
    what DAGs, loops and iterations put out follows from it.  `generation` is the run's: how often something of it was
    begun again, by the user or by the retry policy of a DAG.  `tries` counts a leaf's
    attempts under the retry policy (1, 2, ...); of a DAG, loop or iteration it says which of its lives this is:
    children with a generation below `tries - 1` are of an earlier one.  Both are kept in the row for `restore`.
    """

    path: Path
    attempt: int
    kind: Kind
    phase_from: Phase | None
    phase_to: Phase
    reason: str = ""
    outputs: Outputs | None = None
    error: Error | None = None
    cached_from: str | None = None
    tries: int = 1
    generation: int = 0


class Start(NamedTuple):
    """A leaf attempt that is to be launched, not before `delay_s` seconds have passed (a retry's backoff)."""

    path: Path
    attempt: int
    delay_s: float = 0.0
    kind: Kind = "task"


class Delta(msgspec.Struct, frozen=True):
    """All that follows from one event.

    Write `changes` and the run's state in one transaction, `apply`, then act on `starts` and `stops`.  Each path in
    `stops` is a leaf that is PENDING or RUNNING; the driver answers each with `Canceled` (or how it ended instead).
    """

    changes: list[Change] = msgspec.field(default_factory=list["Change"])
    starts: list[Start] = msgspec.field(default_factory=list["Start"])
    stops: list[Path] = msgspec.field(default_factory=list["Path"])
    run_state: RunState | None = None
    run_outputs: Outputs | None = None
    run_error: Error | None = None
    generation: int | None = None  # set where something begins again: by Retry, and by the retry policy of a DAG
    patch: Any = None  # the engine's own: the nodes as they are afterwards

    def __bool__(self) -> bool:
        return bool(self.changes or self.starts or self.stops or self.run_state)


class Begin(msgspec.Struct, frozen=True):
    """Opens the root DAG of a PENDING run."""


class Started(msgspec.Struct, frozen=True):
    """A leaf attempt is running."""

    path: Path
    attempt: int


class Succeeded(msgspec.Struct, frozen=True):
    """A leaf attempt has committed, or (with `cached_from`, a run id) its result was taken over from the cache."""

    path: Path
    attempt: int
    outputs: Outputs
    cached_from: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """A leaf attempt is over without a result; the retry policy applies only when it is `retriable`."""

    path: Path
    attempt: int
    error: Error
    retriable: bool = True


class Canceled(msgspec.Struct, frozen=True):
    """A leaf attempt was stopped."""

    path: Path
    attempt: int


class Cancel(msgspec.Struct, frozen=True):
    """The user wants the run to end: nothing starts any more, what runs is stopped."""


class Retry(msgspec.Struct, frozen=True):
    """The user wants a FAILED or CANCELED run to go on from what succeeded, as the next generation."""


Event: TypeAlias = Begin | Started | Succeeded | Failed | Canceled | Cancel | Retry


class RunInfo(msgspec.Struct, frozen=True):
    """Facts about the run that its inputs may mention (KFP's placeholders); times are RFC 3339 text in UTC."""

    run_id: str
    name: str = ""  # display name
    pipeline: str = ""
    namespace: str = "default"
    pipeline_root: str = ""
    create_time_utc: str = ""
    schedule_time_utc: str = ""
    workspace_path: str = "/kfp-workspace"

    @property
    def resource_name(self) -> str:
        """`<pipeline>-<suffix>`, KFP's pipelineJobResourceName."""
        return f"{self.pipeline}-{self.run_id.replace('-', '')[:8]}"


class RunOptions(msgspec.Struct, frozen=True):
    """How failures are taken, and how many iterations of one loop may be open at once.

    Opening iterations as others end keeps the work of one event and the memory small; the driver sets `window`
    to a multiple of what it can run at once.
    """

    keep_going: bool = False
    window: int = 512


class Row(NamedTuple):
    """A row of the task table, for `restore`: one attempt of one node, as its `Change`s left it."""

    path: Path
    attempt: int
    kind: Kind
    phase: Phase
    reason: str = ""
    outputs: Outputs | None = None
    error: Error | None = None
    tries: int = 1
    generation: int = 0
