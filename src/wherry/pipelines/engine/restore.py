"""A run from the rows of the task table, as if every delta had been applied.

Called by the driver when a server takes up its runs, and before a retry of a run that is not in memory.  Invariant:
what `decide` says of a restored run is what it would have said of the one that was lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from wherry.ir.reader import Document
from wherry.pipelines.engine import inputs, outputs
from wherry.pipelines.engine.generations import recount_dag, recount_loop
from wherry.pipelines.engine.model import GOOD, LEAF_KINDS, ROOT, Phase, Reason, Row, RunInfo, RunOptions, RunState
from wherry.pipelines.engine.placeholders import Place
from wherry.pipelines.engine.plan import TaskPlan
from wherry.pipelines.engine.state import (
    AnyNode,
    Dag,
    Group,
    Leaf,
    Loop,
    Run,
    iteration_path,
    last_name,
    parent_path,
)


def restore(
    document: Document,
    info: RunInfo,
    arguments: dict[str, Any],
    options: RunOptions | None,
    generation: int,
    rows: Iterable[Row],
    *,
    state: RunState = RunState.RUNNING,
    for_views: bool = False,
) -> Run:
    """The run that `rows` (all attempts of all nodes, in any order) and the run's own row describe.

    With no rows the run is PENDING and wants `Begin`.  `for_views`: groups that are over get their inputs too, so that
    every leaf can be resolved.  Raises KeyError for a row whose path the document does not have.
    """
    run = Run(document, info=info, arguments=arguments, options=options, generation=generation)
    groups = _nodes(run, list(rows))
    if not run.nodes:
        return run
    run.state = state
    run.generation = max(generation, *(node.generation for node in run.nodes.values()))
    for group in reversed(groups):  # children before their parents: outputs come from below
        _recount(run, group)
        if group.phase in GOOD:
            group.outputs = (
                outputs.dag_outputs(run, group) if isinstance(group, Dag) else outputs.loop_outputs(run, group)
            )
    for group in groups:  # parents first: inputs come from above
        if not group.final:
            _reopen(run, group)
        elif for_views:
            with suppress(inputs.Unresolvable):  # what it began with may have been made anew meanwhile
                _reopen(run, group)
    root = run.nodes[ROOT]
    if root.final:
        run.outputs, run.error = root.outputs, root.error
    return run


def _nodes(run: Run, rows: list[Row]) -> list[Dag | Loop]:
    """Makes the nodes from each path's last attempt; returns the groups among them, parents first."""
    last: dict[str, Row] = {}
    for row in rows:
        known = last.get(row.path)
        if known is None or row.attempt > known.attempt:
            last[row.path] = row
    retried = {
        (row.path, row.attempt)
        for row in rows
        if row.kind not in LEAF_KINDS and row.reason == Reason.RETRY and row.phase is Phase.FAILED
    }
    groups: list[Dag | Loop] = []
    for row in sorted(last.values(), key=_depth):
        node = _node(run, row)
        run.nodes[row.path] = node
        if isinstance(node, Group):
            node.since = row.tries - 1
            if isinstance(node, Dag):
                while (row.path, row.attempt - node.tries) in retried:
                    node.tries += 1
            groups.append(node)
    return groups


def _depth(row: Row) -> tuple[int, bool]:
    return (0, False) if row.path == ROOT else (1 + row.path.count("/") + row.path.count("["), row.kind == "iteration")


def _node(run: Run, row: Row) -> AnyNode:
    task, parent = _place(run, row)
    node: AnyNode
    began = row.phase is not Phase.SKIPPED and row.reason != Reason.UNRESOLVABLE
    if row.kind == "loop" and began:
        node = Loop(row.path, parent, row.kind, task)
    elif row.kind in ("dag", "iteration") and began:
        node = Dag(row.path, parent, row.kind, task, task.component if task else run.plan.root)
    else:
        node = Leaf(row.path, parent, row.kind, task)
        node.tries = row.tries
        node.outputs = row.outputs
    node.phase, node.attempt, node.generation = row.phase, row.attempt, row.generation
    node.reason, node.error = row.reason, row.error
    return node


def _place(run: Run, row: Row) -> tuple[TaskPlan | None, str]:
    """The task at the row's path and its parent's path.  The parent's node is there already."""
    if row.path == ROOT:
        return None, ""
    parent = parent_path(row.path)
    group = run.nodes[parent]
    if row.path.endswith("]"):
        if isinstance(group, Loop):
            group.next = max(group.next, int(last_name(row.path)) + 1)
        return group.task, parent
    # A group that was passed over in this life may have children from an earlier one.
    component = run.plan.root if group.task is None else group.task.component
    return component.by_name[last_name(row.path)], parent


def _recount(run: Run, group: Dag | Loop) -> None:
    if isinstance(group, Loop):
        _forget_void(run, group)
        recount_loop(run, group)
        if group.final:
            group.items = [None] * group.next  # as many as there are outputs to collect
    elif group.final:
        recount_dag(run, group)
    else:
        run.waiting.update({path: left for path, left in recount_dag(run, group).waiting.items() if left})


def _forget_void(run: Run, loop: Loop) -> None:
    """Iterations of an earlier life of the loop do not count as begun."""
    while loop.next:
        node = run.nodes.get(iteration_path(loop.path, loop.next - 1))
        if node is not None and node.generation >= loop.since:
            return
        loop.next -= 1


def _reopen(run: Run, group: Dag | Loop) -> None:
    """The inputs that an open group began with; they follow from what its producers put out."""
    if group.task is None:
        group.parameters = inputs.root_inputs(run)
        return
    parent = run.nodes[group.parent]
    if isinstance(parent, Dag):
        group.parameters = inputs.parameters_of(run, parent, group.task)
        group.artifacts = inputs.artifacts_of(run, parent, group.task)
        if isinstance(group, Loop):
            place = Place(run.info, group.task.name, group.path)
            group.items = inputs.items_of(group.task, place, group.parameters, group.artifacts)
        return
    item = inputs.iteration_item(parent, group.task, group.path)
    assert isinstance(parent, Loop)
    assert isinstance(group, Dag)
    assert group.task.loop is not None
    group.parameters, group.artifacts = parent.parameters, parent.artifacts
    group.item_name, group.item = group.task.loop.item, item
