"""The moving side of a run: one node for each leaf, DAG, loop and iteration that has begun.

`decide` makes changed copies of nodes, `apply` puts them in; nothing else writes.  Invariant: a node that is in
`Run.nodes` is never mutated, so whoever holds one holds a fact; a node exists from its first change on, and what is
not there has not begun.
"""

from __future__ import annotations

from typing import Any, Protocol

from wherry.ir.reader import Document
from wherry.pipelines.engine.model import (
    FINAL,
    ROOT,
    Delta,
    Error,
    Kind,
    Outputs,
    Path,
    Phase,
    RunInfo,
    RunOptions,
    RunState,
)
from wherry.pipelines.engine.plan import ComponentPlan, Plan, TaskPlan


class Node:
    """What every node has.  `task` is None for the root only; an iteration's is its loop's."""

    __slots__ = ("attempt", "error", "generation", "kind", "outputs", "parent", "path", "phase", "reason", "task")

    def __init__(self, path: Path, parent: Path, kind: Kind, task: TaskPlan | None) -> None:
        self.path = path
        self.parent = parent
        self.kind: Kind = kind
        self.task = task
        self.phase = Phase.PENDING
        self.attempt = 1
        self.generation = 0
        self.reason: str = ""
        self.outputs: Outputs | None = None
        self.error: Error | None = None

    @property
    def final(self) -> bool:
        return self.phase in FINAL

    def _copy_to(self, other: Node) -> None:
        other.path = self.path
        other.parent = self.parent
        other.kind = self.kind
        other.task = self.task
        other.phase = self.phase
        other.attempt = self.attempt
        other.generation = self.generation
        other.reason = self.reason
        other.outputs = self.outputs
        other.error = self.error


class Leaf(Node):
    """A task with an executor.  `tries` counts its attempts under the retry policy."""

    __slots__ = ("tries",)

    def __init__(self, path: Path, parent: Path, kind: Kind, task: TaskPlan | None) -> None:
        super().__init__(path, parent, kind, task)
        self.tries = 1

    def copy(self) -> Leaf:
        other = Leaf.__new__(Leaf)
        self._copy_to(other)
        other.tries = self.tries
        return other


class Group(Node):
    """What holds others.  `parameters` and `artifacts` are the inputs of its component, resolved when it began.

    `since` is the generation in which it began anew: children with an older generation are of an earlier life.
    `active` counts the open children, `bad` and `stopped` say that one FAILED or was CANCELED.
    """

    __slots__ = ("active", "artifacts", "bad", "parameters", "since", "stopped")

    def __init__(self, path: Path, parent: Path, kind: Kind, task: TaskPlan | None) -> None:
        super().__init__(path, parent, kind, task)
        self.parameters: dict[str, Any] = {}
        self.artifacts: dict[str, Any] = {}
        self.since = 0
        self.active = 0
        self.bad = False
        self.stopped = False

    def _copy_group_to(self, other: Group) -> None:
        self._copy_to(other)
        other.parameters = self.parameters
        other.artifacts = self.artifacts
        other.since = self.since
        other.active = self.active
        other.bad = self.bad
        other.stopped = self.stopped


class Dag(Group):
    """A DAG, or an iteration of one; `settled` counts the tasks that are over, one way or another.

    An iteration has the loop's inputs and `item`, under the name `item_name`.  `tries` counts its attempts under the
    retry policy.
    """

    __slots__ = ("component", "item", "item_name", "settled", "tries")

    def __init__(self, path: Path, parent: Path, kind: Kind, task: TaskPlan | None, component: ComponentPlan) -> None:
        super().__init__(path, parent, kind, task)
        self.component = component
        self.settled = 0
        self.tries = 1
        self.item_name = ""
        self.item: Any = None

    def copy(self) -> Dag:
        other = Dag.__new__(Dag)
        self._copy_group_to(other)
        other.component = self.component
        other.settled = self.settled
        other.tries = self.tries
        other.item_name = self.item_name
        other.item = self.item
        return other


class Loop(Group):
    """A loop over `items`; iterations before `next` have begun, those in `redo` are to be begun again."""

    __slots__ = ("items", "next", "redo")

    def __init__(self, path: Path, parent: Path, kind: Kind, task: TaskPlan | None) -> None:
        super().__init__(path, parent, kind, task)
        self.items: list[Any] = []
        self.next = 0
        self.redo: tuple[int, ...] = ()

    def copy(self) -> Loop:
        other = Loop.__new__(Loop)
        self._copy_group_to(other)
        other.items = self.items
        other.next = self.next
        other.redo = self.redo
        return other


AnyNode = Leaf | Dag | Loop


class View(Protocol):
    """Read access to a run, or to what it will be when a decision is applied."""

    @property
    def run(self) -> Run: ...

    def get(self, path: Path) -> AnyNode | None: ...


class Run:
    """A run's state.  Only `apply` changes it; `decide` and `resolve` read."""

    __slots__ = ("arguments", "error", "generation", "info", "nodes", "options", "outputs", "plan", "state", "waiting")

    def __init__(
        self,
        document: Document,
        *,
        info: RunInfo,
        arguments: dict[str, Any],
        options: RunOptions | None = None,
        generation: int = 0,
    ) -> None:
        self.plan = Plan(document)
        self.info = info
        self.arguments = arguments
        self.options = options or RunOptions()
        self.generation = generation
        self.state = RunState.PENDING
        self.outputs: Outputs | None = None
        self.error: Error | None = None
        self.nodes: dict[Path, AnyNode] = {}
        self.waiting: dict[Path, int] = {}
        """How many dependencies a task still waits for, where some of several are over already."""

    @property
    def run(self) -> Run:
        return self

    def get(self, path: Path) -> AnyNode | None:
        """The node at a path, None when it has not begun."""
        return self.nodes.get(path)


class Patch:
    """A delta's inside: the nodes as they are afterwards, and the counters in `Run.waiting` (0: forgotten)."""

    __slots__ = ("nodes", "waiting")

    def __init__(self) -> None:
        self.nodes: dict[Path, AnyNode] = {}
        self.waiting: dict[Path, int] = {}


def apply(run: Run, delta: Delta) -> None:
    """Makes the run what the delta says, in time proportional to the delta.  Apply a delta once, in order."""
    patch: Patch | None = delta.patch
    if patch is not None:
        run.nodes.update(patch.nodes)
        for path, count in patch.waiting.items():
            if count:
                run.waiting[path] = count
            else:
                run.waiting.pop(path, None)
    if delta.generation is not None:
        run.generation = delta.generation
        run.outputs = run.error = None
    if delta.run_state is not None:
        run.state = delta.run_state
    if delta.run_outputs is not None:
        run.outputs = delta.run_outputs
    if delta.run_error is not None:
        run.error = delta.run_error


def child_path(parent: Path, name: str) -> Path:
    """The path of the task `name` of the DAG at `parent`."""
    if parent != ROOT:
        return f"{parent}/{name}"
    return name if name != ROOT else f"{ROOT}/{ROOT}"


def is_within(path: Path, group: Path) -> bool:
    """Whether `path` leads into the DAG or loop at `group`, which is not the root."""
    return path.startswith(group) and path[len(group) : len(group) + 1] in ("/", "[")


def iteration_path(loop: Path, index: int) -> Path:
    return f"{loop}[{index}]"


def parent_path(path: Path) -> Path:
    """The path of the DAG or loop that a node belongs to."""
    if path.endswith("]"):
        return path[: path.rindex("[")]
    head, slash, _ = path.rpartition("/")
    return head if slash else ROOT


def last_name(path: Path) -> str:
    """The task name, or the iteration's index, that a path ends with."""
    if path.endswith("]"):
        return path[path.rindex("[") + 1 : -1]
    return path.rpartition("/")[2]
