"""How one thing leads to another: a task that is over lets others begin, ends its DAG, and so on upwards.

Used by `decide` only.  A `Flow` collects a delta: changed copies of nodes, counters, changes in order.  Invariants: the
run itself is only read; work is proportional to what changes; there is no recursion, as chains may be long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar, cast

from wherry.errors import WherryError
from wherry.pipelines.engine import inputs, outputs
from wherry.pipelines.engine.generations import goes_on, recount_dag, recount_loop
from wherry.pipelines.engine.model import (
    BIRTH,
    FINAL,
    GOOD,
    NEXT,
    ROOT,
    Change,
    Delta,
    Error,
    Kind,
    Outputs,
    Path,
    Phase,
    Reason,
    RunState,
    Start,
    Trigger,
)
from wherry.pipelines.engine.placeholders import Place
from wherry.pipelines.engine.plan import TaskPlan
from wherry.pipelines.engine.state import (
    AnyNode,
    Dag,
    Leaf,
    Loop,
    Patch,
    Run,
    child_path,
    is_within,
    iteration_path,
)

N = TypeVar("N", bound="Leaf | Dag | Loop")


class Settled(NamedTuple):
    """A child that is over and that its parent does not know of yet; `opened` if it counted as open."""

    parent: Path
    node: AnyNode
    opened: bool


class Flow:
    """One decision in the making."""

    __slots__ = (
        "_changed",
        "_changes",
        "_delays",
        "_error",
        "_known",
        "_outputs",
        "_patch",
        "_settled",
        "_starts",
        "_state",
        "canceling",
        "generation",
        "run",
        "stops",
    )

    def __init__(self, run: Run, *, generation: int | None = None) -> None:
        self.run = run
        self.generation = run.generation if generation is None else generation
        self.canceling = run.state is RunState.CANCELING
        self.stops: list[Path] = []
        self._patch = Patch()
        self._changed, self._known = self._patch.nodes, run.nodes
        self._changes: list[Change] = []
        self._starts: list[Start] = []
        self._delays: dict[Path, float] = {}  # DAGs that begin again in this decision, and how long they wait
        self._settled: deque[Settled] = deque()
        self._state: RunState | None = None
        self._outputs: Outputs | None = None
        self._error: Error | None = None

    def get(self, path: Path) -> AnyNode | None:
        """The node as it will be."""
        return self._changed.get(path) or self._known.get(path)

    def delta(self) -> Delta:
        """Follows everything to its end and gives the result."""
        while self._settled:
            self._settle(*self._settled.popleft())
        return Delta(
            self._changes,
            self._starts,
            self.stops,
            self._state,
            self._outputs,
            self._error,
            self.generation if self.generation != self.run.generation else None,
            self._patch,
        )

    def set_state(self, state: RunState) -> None:
        """The run's own state changes with this delta."""
        self._state = state

    # --- one attempt's transitions, by the table ------------------------------------------------------------------

    def _edit(self, node: N) -> N:
        """A copy of the node that may be changed, the same one throughout this decision."""
        known = self._changed.get(node.path)
        if known is None:
            known = self._changed[node.path] = node.copy()
        return cast("N", known)  # a path keeps its kind of node while it is open

    def move(self, node: N, trigger: Trigger, *, reason: str = "", **result: Any) -> N:
        """The attempt takes the table's step for the trigger; a final one tells its parent."""
        phase = NEXT[node.phase][trigger]
        node = self._edit(node)
        before, node.phase, node.reason = node.phase, phase, reason
        node.outputs, node.error = result.get("outputs"), result.get("error")
        leaf = isinstance(node, Leaf)
        self._changes.append(
            Change(
                node.path,
                node.attempt,
                node.kind,
                before,
                phase,
                reason,
                node.outputs if leaf else None,
                node.error,
                result.get("cached_from"),
                node.tries if isinstance(node, Leaf) else node.since + 1,
                node.generation,
            )
        )
        if phase in FINAL:
            if isinstance(node, Dag) and node.path == ROOT:
                self._finish_run(node)
            else:
                self._settled.append(Settled(node.parent, node, True))
        return node

    def _born(self, node: AnyNode, trigger: Trigger, reason: str = "", error: Error | None = None) -> None:
        """A new attempt's row: numbered after the last one at the same path."""
        old = self.get(node.path)
        node.attempt = old.attempt + 1 if old is not None else 1
        node.phase, node.generation, node.reason, node.error = BIRTH[trigger], self.generation, reason, error
        tries = node.tries if isinstance(node, Leaf) else node.since + 1
        self._changed[node.path] = node
        self._changes.append(
            Change(
                node.path,
                node.attempt,
                node.kind,
                None,
                node.phase,
                reason,
                None,
                error,
                None,
                tries,
                self.generation,
            )
        )

    # --- leaves -------------------------------------------------------------------------------------------------------

    def retry_leaf(self, leaf: Leaf, error: Error) -> bool:
        """Gives a failed leaf its next attempt if its policy has one left; False if not."""
        policy = leaf.task.retry if leaf.task else None
        if policy is None or leaf.tries > policy.count or self.canceling:
            return False
        failed = self._edit(leaf)
        before, failed.phase = failed.phase, NEXT[failed.phase][Trigger.BROKE]
        change = Change(
            failed.path, failed.attempt, failed.kind, before, failed.phase, Reason.RETRY, None, error, None,
            failed.tries, failed.generation,
        )  # fmt: skip
        self._changes.append(change)
        again = Leaf(leaf.path, leaf.parent, leaf.kind, leaf.task)
        again.tries = leaf.tries + 1
        self._ready_leaf(again, Reason.RETRY, policy.wait_s(leaf.tries))
        return True

    def _retry_dag(self, dag: Dag, error: Error) -> bool:
        """Gives a failed DAG its next attempt if its policy has one left; False if not.

        It keeps its inputs and what succeeded in it; the rest begins again, as a new generation of the run, so that
        rows tell what is of which attempt.
        """
        policy = dag.task.retry if dag.task else None
        if policy is None or dag.tries > policy.count or self.canceling:
            return False
        dag.phase, dag.reason, dag.error = NEXT[dag.phase][Trigger.BROKE], Reason.RETRY, error
        change = Change(
            dag.path, dag.attempt, dag.kind, Phase.RUNNING, dag.phase, Reason.RETRY, None, error, None,
            dag.since + 1, dag.generation,
        )  # fmt: skip
        self._changes.append(change)
        self.generation += 1
        self._delays[dag.path] = policy.wait_s(dag.tries)
        again = dag.copy()
        again.error = None
        again.tries = dag.tries + 1
        self._open_dag(again, goes_on=True, reason=Reason.RETRY)
        return True

    # --- beginning ----------------------------------------------------------------------------------------------------

    def open_root(self) -> None:
        """Begins the root DAG, or begins it again."""
        root = Dag(ROOT, "", "dag", None, self.run.plan.root)
        try:
            root.parameters = inputs.root_inputs(self)
        except inputs.Unresolvable as error:
            self._born(root, Trigger.BROKE, Reason.UNRESOLVABLE, _error_of(error))
            self._finish_run(root)
            return
        self._open_dag(root, goes_on=isinstance(self.get(ROOT), Dag))

    def _open_dag(self, dag: Dag, *, goes_on: bool, reason: str = "") -> None:
        """Begins a DAG with the inputs it has; one that `goes_on` keeps what stands of its earlier attempt."""
        old = self.get(dag.path)
        dag.since = old.since if goes_on and isinstance(old, Dag) else self.generation
        self._born(dag, Trigger.OPENED, reason or _again(old, goes_on))
        tasks = dag.component.tasks
        if goes_on:
            count = recount_dag(self, dag)
            self._patch.waiting.update(count.waiting)
            ready = count.ready
        else:
            ready = [tasks[index] for index in dag.component.first]
            if old is not None:
                self._patch.waiting.update({child_path(dag.path, t.name): 0 for t in tasks if len(t.needs) > 1})
        for task in ready:
            self._consider(dag, task)
        self._maybe_finish_dag(dag)

    def _consider(self, dag: Dag, task: TaskPlan) -> None:
        """All that the task waits for is over: it begins, or is passed over.  `dag` is this decision's own copy."""
        if self.canceling:
            return
        reason = self._obstacle(dag, task)
        try:
            if not reason and not inputs.condition_holds(self, dag, task):
                reason = Reason.CONDITION
            if not reason:
                self._begin(dag, task)
                return
            self._never_begins(dag, task, Trigger.PASSED_OVER, reason)
        except inputs.Unresolvable as error:
            self._never_begins(dag, task, Trigger.BROKE, Reason.UNRESOLVABLE, _error_of(error))

    def _obstacle(self, dag: Dag, task: TaskPlan) -> str:
        """Why the task may not begin, by its trigger strategy and what came before; "" if it may."""
        if task.always:
            return ""
        skipped = False
        for need in task.needs:
            node = self.get(child_path(dag.path, dag.component.tasks[need].name))
            if node is None or node.phase in GOOD:
                continue
            if node.phase is not Phase.SKIPPED or node.reason in (Reason.UPSTREAM_FAILED, Reason.DAG_FAILED):
                return Reason.UPSTREAM_FAILED
            skipped = True
        if skipped:
            return Reason.UPSTREAM_SKIPPED
        return Reason.DAG_FAILED if self._blocked(dag) else ""

    def _never_begins(
        self, dag: Dag, task: TaskPlan, trigger: Trigger, reason: str, error: Error | None = None
    ) -> None:
        node = Leaf(child_path(dag.path, task.name), dag.path, _kind(task), task)
        self._born(node, trigger, reason, error)
        self._settled.append(Settled(dag.path, node, False))

    def _begin(self, dag: Dag, task: TaskPlan) -> None:
        path = child_path(dag.path, task.name)
        if task.loop is None and not task.component.is_dag:
            self._ready_leaf(Leaf(path, dag.path, _kind(task), task))
        else:
            parameters, artifacts = inputs.parameters_of(self, dag, task), inputs.artifacts_of(self, dag, task)
            stays = goes_on(self, dag, task, self.get(path))
            if task.loop is not None:
                loop = Loop(path, dag.path, "loop", task)
                loop.items = inputs.items_of(task, Place(self.run.info, task.name, path), parameters, artifacts)
                loop.parameters, loop.artifacts = parameters, artifacts
                self._open_loop(loop, goes_on=stays)
            else:
                inner = Dag(path, dag.path, "dag", task, task.component)
                inner.parameters, inner.artifacts = parameters, artifacts
                self._open_dag(inner, goes_on=stays)
        dag.active += 1

    def _ready_leaf(self, leaf: Leaf, reason: str = "", delay_s: float = 0.0) -> None:
        if self._delays:
            delay_s = max([delay_s, *(wait for path, wait in self._delays.items() if is_within(leaf.path, path))])
        self._born(leaf, Trigger.READY, reason)
        self._starts.append(Start(leaf.path, leaf.attempt, delay_s, leaf.kind))

    def _open_loop(self, loop: Loop, *, goes_on: bool) -> None:
        old = self.get(loop.path)
        loop.since = self.generation
        if goes_on and isinstance(old, Loop):
            loop.since, loop.next = old.since, old.next
        self._born(loop, Trigger.OPENED, _again(old, goes_on))
        if goes_on:
            recount_loop(self, loop)
        self._advance(loop)

    def _advance(self, loop: Loop) -> None:
        """Begins as many iterations as may be open at once; ends the loop when there is nothing left to wait for."""
        assert loop.task is not None
        assert loop.task.loop is not None
        blocked = self.canceling or self._blocked(loop)
        limit = min(loop.task.loop.limit or self.run.options.window, self.run.options.window)
        count = len(loop.items)
        while not blocked and loop.active < limit:
            if loop.redo:
                index, loop.redo = loop.redo[0], loop.redo[1:]
            elif loop.next < count:
                index = loop.next
                loop.next += 1
            else:
                break
            loop.active += 1
            self._open_iteration(loop, loop.task, index)
        if not loop.active:
            self._finish_loop(loop, complete=not loop.redo and loop.next == count)

    def _open_iteration(self, loop: Loop, task: TaskPlan, index: int) -> None:
        path = iteration_path(loop.path, index)
        try:
            item = inputs.item_value(task, loop.items[index])
        except inputs.Unresolvable as error:
            node = Leaf(path, loop.path, "iteration" if task.component.is_dag else task.component.kind, task)
            self._born(node, Trigger.BROKE, Reason.UNRESOLVABLE, _error_of(error))
            self._settled.append(Settled(loop.path, node, True))
            return
        if not task.component.is_dag:
            self._ready_leaf(Leaf(path, loop.path, task.component.kind, task))
            return
        dag = Dag(path, loop.path, "iteration", task, task.component)
        dag.parameters, dag.artifacts = loop.parameters, loop.artifacts
        assert task.loop is not None
        dag.item_name, dag.item = task.loop.item, item
        old = self.get(path)
        self._open_dag(dag, goes_on=isinstance(old, Dag) and old.generation >= loop.since)

    # --- ending -------------------------------------------------------------------------------------------------------

    def _settle(self, path: Path, node: AnyNode, opened: bool) -> None:
        """The parent learns that a child is over: what waited for it may begin, and the parent may be over too."""
        parent = self.get(path)
        assert parent is not None
        assert not isinstance(parent, Leaf)
        parent = self._edit(parent)
        parent.active -= opened
        parent.bad = parent.bad or node.phase is Phase.FAILED
        parent.stopped = parent.stopped or node.phase is Phase.CANCELED
        if isinstance(parent, Loop):
            self._advance(parent)
            return
        assert node.task is not None
        parent.settled += 1
        tasks = parent.component.tasks
        for index in node.task.dependents:
            task = tasks[index]
            if self._waits_no_more(parent, task):
                self._consider(parent, task)
        self._maybe_finish_dag(parent)

    def _waits_no_more(self, dag: Dag, task: TaskPlan) -> bool:
        if len(task.needs) == 1:
            return True
        path = child_path(dag.path, task.name)
        left = self._patch.waiting.get(path)
        if left is None:
            left = self.run.waiting.get(path)
        left = (left or len(task.needs)) - 1
        self._patch.waiting[path] = left
        return not left

    def _blocked(self, group: Dag | Loop) -> bool:
        """After a failure nothing new starts in that DAG or loop, unless the run is to keep going."""
        return (group.bad or group.stopped) and not self.run.options.keep_going

    def _maybe_finish_dag(self, dag: Dag) -> None:
        complete = dag.settled == len(dag.component.tasks)
        if dag.active or not (complete or self.canceling):
            return
        if dag.bad:
            names = (task.name for task in dag.component.tasks)
            error = self._first_error(dag, (child_path(dag.path, name) for name in names))
            if self._retry_dag(dag, error):
                return
            self.move(dag, Trigger.BROKE, reason=Reason.TASK_FAILED, error=error)
        elif complete and not dag.stopped:
            self.move(dag, Trigger.DONE, outputs=outputs.dag_outputs(self, dag))
        else:
            self.move(dag, Trigger.STOPPED, reason=Reason.CANCELED)

    def _finish_loop(self, loop: Loop, *, complete: bool) -> None:
        if loop.bad:
            error = self._first_error(loop, (iteration_path(loop.path, index) for index in range(loop.next)))
            self.move(loop, Trigger.BROKE, reason=Reason.TASK_FAILED, error=error)
        elif complete and not loop.stopped:
            self.move(loop, Trigger.DONE, outputs=outputs.loop_outputs(self, loop))
        else:
            self.move(loop, Trigger.STOPPED, reason=Reason.CANCELED)

    def _first_error(self, group: Dag | Loop, paths: Iterable[Path]) -> Error:
        """The error of the first child, in the document's order, that failed, with the path of the leaf."""
        for path in paths:
            node = self.get(path)
            if node is not None and node.phase is Phase.FAILED and node.generation >= group.generation:
                return {"task": node.path, **(node.error or {})}
        return {}

    def _finish_run(self, root: Dag) -> None:
        self._outputs, self._error = root.outputs, root.error
        if self.canceling or root.phase is Phase.CANCELED:
            self._state = RunState.CANCELED
        else:
            self._state = RunState.SUCCEEDED if root.phase in GOOD else RunState.FAILED


def _kind(task: TaskPlan) -> Kind:
    return "loop" if task.loop is not None else task.component.kind


def _again(old: AnyNode | None, goes_on: bool) -> str:
    if old is None:
        return ""
    return Reason.RESUMED if goes_on else Reason.RERUN


def _error_of(error: WherryError) -> Error:
    return {"type": type(error).__name__, "message": error.message}
