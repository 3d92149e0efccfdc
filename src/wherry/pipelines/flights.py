"""What the driver holds in memory: its live runs, and the leaf attempts that it has in hand.

Called by the driver and recovery.  Invariant: a leaf attempt has one `Flight` from the commit of its row to the
commit of its end; everything here can be made again from the database, the pods and the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from typing import Protocol

import msgspec

from wherry.pipelines.engine.model import Error, Event, Kind, RunInfo
from wherry.pipelines.engine.state import Run
from wherry.pipelines.pods import Identity
from wherry.pipelines.targets import Target
from wherry.pipelines.templates import ImageRule, Template
from wherry.pipelines.verdicts import Over
from wherry.storage.artifacts import attempt_root

INCARNATION_LIMIT = 3
"""How many pods of one attempt may be lost before the attempt fails."""
DEFAULT_NAMESPACE = "default"
"""Where the pods of a run go that names no namespace; it is always there."""


class Handle(Protocol):
    """A timer that can be taken back."""

    def cancel(self) -> None: ...


class SubmitOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run is to be run.

    `parallelism` caps its pods at one time, `images` says what images mean (first match), `code` is the SHA-256 of the
    archive of the project's own modules, `pipeline_root` replaces the store's root for its artifacts, `target` is the
    cluster it runs on, None the home itself, `scheduled_at` is for when it was meant (epoch seconds; its creation
    without it), `service_account` is its pods'.
    """

    cache: bool = True
    keep_going: bool = False
    parallelism: int | None = None
    images: list[ImageRule] = []
    code: str | None = None
    pipeline_root: str | None = None
    namespace: str = DEFAULT_NAMESPACE
    target: Target | None = None
    scheduled_at: float | None = None
    service_account: str = ""


class Stage(Enum):
    """Where a leaf attempt is on its way through the driver."""

    DELAYED = auto()  # a retry's backoff
    QUEUED = auto()  # waits for room in the window
    LAUNCHING = auto()  # being resolved, looked up, made
    ALOFT = auto()  # its pod exists
    LANDED = auto()  # over: its end is on its way to the engine


class Flight(msgspec.Struct, eq=False):
    """A leaf attempt in hand; `name` is that of the pod of its present incarnation."""

    live: LiveRun
    path: str
    attempt: int
    kind: Kind
    incarnation: int
    name: str
    stage: Stage = Stage.QUEUED
    delay_s: float = 0.0
    stopping: bool = False
    counted: bool = False
    """Whether it takes a place in the window."""
    has_pod: bool = False
    announced: bool = False
    """Whether the engine knows that it runs."""
    timer: Handle | None = None
    cache_key: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    waiting: Error | None = None
    """Why its pod has not started yet, as far as the pod says."""
    overdue: bool = False
    """Whether its pod has waited for too long, and is being deleted for it."""

    @property
    def identity(self) -> Identity:
        """What the pod's name and labels are made of."""
        return Identity(self.live.info.run_id, self.path, self.attempt, self.incarnation)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of the pod."""
        return self.live.info.namespace, self.name

    @property
    def root(self) -> str:
        """The folder of this incarnation."""
        return attempt_root(self.live.root, self.path, self.attempt, self.incarnation)

    def disarm(self) -> None:
        """Take back the timer, if there is one."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class LostPod(msgspec.Struct, frozen=True):
    """A pod is gone or ended without a result, and its code is not to blame."""

    flight: Flight
    over: Over


class Notice(msgspec.Struct, frozen=True):
    """Something that the user should know of and that decides nothing; told once a run."""

    message: str
    reason: str = ""
    path: str = ""
    attempt: int = 0


Item = Event | LostPod | Notice


class LiveRun(msgspec.Struct, eq=False):
    """A run that is being driven."""

    number: int
    info: RunInfo
    options: SubmitOptions
    engine: Run
    root: str
    inbox: deque[Item] = msgspec.field(default_factory=deque[Item])
    queue: deque[Flight] = msgspec.field(default_factory=deque[Flight])
    flights: dict[str, Flight] = msgspec.field(default_factory=dict[str, Flight])
    templates: dict[tuple[str, str], Template] = msgspec.field(default_factory=dict[tuple[str, str], Template])
    """By component and image."""
    uploaded: set[str] = msgspec.field(default_factory=set[str])
    """Uris of sources that are known to lie in the store."""
    identities: dict[Template, str] = msgspec.field(default_factory=dict[Template, str])
    """What the environment of each template is, by content."""
    noticed: set[str] = msgspec.field(default_factory=set[str])
    """What the user has been told already."""
    aloft: int = 0
    """How many of its flights count against the window."""
    kill: bool = False
    over: bool = False
    deadline_s: float | None = None
    """Seconds until the run is to be canceled (pipelineConfig.activeDeadlineSeconds)."""
    deadline: Handle | None = None
    changed: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    ended: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Wake everyone who follows this run."""
        self.changed.set()
        self.changed = asyncio.Event()
