"""What of a group still stands: counting its children anew, after a restart of the server or `wherry retry`.

Used by `flow` when a group goes on, and by `restore`.  A generation is the run's count of beginnings-again, so it grows
with time.  A child stands when it began with the group's attempt or later, or when it is older, succeeded, and nothing
before it ran again since.  Invariant: the same nodes give the same counts as the deltas that made them.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.pipelines.engine.model import GOOD, Path, Phase, Reason
from wherry.pipelines.engine.plan import TaskPlan
from wherry.pipelines.engine.state import AnyNode, Dag, Leaf, Loop, View, child_path, iteration_path

_AHEAD, _OPEN, _OVER = range(3)


class Count(NamedTuple):
    """What is left of a DAG: `waiting` as in `Patch`, and the tasks that wait for nothing any more."""

    waiting: dict[Path, int]
    ready: list[TaskPlan]


def recount_dag(view: View, dag: Dag) -> Count:
    """Sets `dag`'s counters from its children.  Work is proportional to the DAG."""
    tasks = dag.component.tasks
    states = [_AHEAD] * len(tasks)
    nodes: list[AnyNode | None] = [None] * len(tasks)
    dag.settled = dag.active = 0
    dag.bad = dag.stopped = False
    for index in dag.component.order:
        task = tasks[index]
        node = nodes[index] = view.get(child_path(dag.path, task.name))
        if node is None or node.generation < dag.since:
            continue
        if node.generation >= dag.generation:
            states[index] = _OVER if node.final else _OPEN
        elif _kept(node) and all(states[need] == _OVER and _older(nodes[need], node) for need in task.needs):
            states[index] = _OVER
        if states[index] == _OPEN:
            dag.active += 1
        elif states[index] == _OVER:
            dag.settled += 1
            dag.bad = dag.bad or node.phase is Phase.FAILED
            dag.stopped = dag.stopped or node.phase is Phase.CANCELED
    waiting: dict[Path, int] = {}
    ready: list[TaskPlan] = []
    for task in tasks:
        if states[task.index] != _AHEAD:
            continue
        left = sum(states[need] != _OVER for need in task.needs)
        if not left:
            ready.append(task)
        if len(task.needs) > 1:
            waiting[child_path(dag.path, task.name)] = left if left < len(task.needs) else 0
    return Count(waiting, ready)


def recount_loop(view: View, loop: Loop) -> None:
    """Sets `loop`'s counters, and which iterations are to run again, from those that have begun."""
    redo: list[int] = []
    loop.active = 0
    loop.bad = loop.stopped = False
    for index in range(loop.next):
        node = view.get(iteration_path(loop.path, index))
        if node is None or node.generation < loop.since:
            redo.append(index)
        elif node.generation >= loop.generation:
            loop.active += not node.final
            loop.bad = loop.bad or node.phase is Phase.FAILED
            loop.stopped = loop.stopped or node.phase is Phase.CANCELED
        elif node.phase not in GOOD:
            redo.append(index)
    loop.redo = tuple(redo)


def goes_on(view: View, dag: Dag, task: TaskPlan, old: AnyNode | None) -> bool:
    """Whether a group that ended without success takes up what it has: nothing before it ran again since."""
    if old is None or isinstance(old, Leaf) or old.generation < dag.since:
        return False
    return all(_older(view.get(child_path(dag.path, dag.component.tasks[need].name)), old) for need in task.needs)


def _kept(node: AnyNode) -> bool:
    return node.phase in GOOD or (node.phase is Phase.SKIPPED and node.reason == Reason.CONDITION)


def _older(before: AnyNode | None, node: AnyNode) -> bool:
    return before is not None and before.generation <= node.generation
