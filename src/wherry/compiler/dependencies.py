"""What each task and group waits for: its siblings only, as KFP's documents have it.

Called by `wherry.compiler.document`.  Of two tasks that depend on each other it is the outermost ancestors which they
do not share that do; so nothing may depend on what is inside of a condition or an exit handler from outside.
"""

from __future__ import annotations

from wherry.compiler.channels import PipelineChannel
from wherry.compiler.crossing import Crossing, container_channels
from wherry.compiler.errors import InvalidTopologyException
from wherry.compiler.graph import ConditionGroup, ExitHandlerGroup, Group, LoopGroup, Task
from wherry.compiler.places import at
from wherry.compiler.surfacing import Surfacing
from wherry.compiler.topology import Topology

_ILLEGAL = "Illegal task dependency across DSL context managers."


def dependencies(topology: Topology, surfacing: Surfacing, crossing: Crossing) -> dict[str, set[str]]:
    """For each task and group, the siblings that it waits for.

    Raises InvalidTopologyException where that would reach into control flow, ValueError for an unknown name.
    """
    found: dict[str, set[str]] = {}
    for task in topology.tasks.values():
        consumed = {channel.channel_task for channel in surfacing.channels(task) if channel.channel_task}
        consumed.update(
            channel.channel_task for channel, _ in crossing.conditions.get(task.name, ()) if channel.channel_task
        )
        upstream = set(consumed)
        upstream.update(_resolve_after(topology, task, name) for name in task.after_names)
        for name in sorted(upstream):
            consumer, sibling = _siblings(topology, task, name, exchanges_data=name in consumed)
            found.setdefault(consumer, set()).add(sibling)
    for group in topology.groups.values():
        items = group.item.loop_items if isinstance(group, LoopGroup) else None
        if isinstance(items, PipelineChannel) and items.channel_task:
            # What a loop runs over is an input of the loop, and makes it wait without an entry here.
            producers, _ = topology.uncommon(items.channel_task, group.name)
            if len(producers) > 1:
                _check_reach(group, items.channel_task, topology.groups[producers[0]], exchanges_data=True)
    for task in topology.tasks.values():
        for channel in container_channels(task) if task.parent is not None else ():
            if channel.channel_task:
                _siblings(topology, task, channel.channel_task, exchanges_data=True)
    return found


def _siblings(topology: Topology, task: Task, upstream: str, *, exchanges_data: bool) -> tuple[str, str]:
    """The task, or the group around it, that waits for a sibling, and that sibling."""
    producers, consumers = topology.uncommon(upstream, task.name)
    if not producers or not consumers:
        raise ValueError(at(f"Task {task.name} would wait for itself: it depends on {upstream}.", task.place))
    consumer, sibling = consumers[0], producers[0]
    if len(producers) > 1:
        _check_reach(task, upstream, topology.groups[sibling], exchanges_data=exchanges_data)
    return consumer, sibling


def _check_reach(task: Task | Group, upstream: str, group: Group, *, exchanges_data: bool) -> None:
    what = f"dsl.{group.keyword} context"
    found = f"Found task {task.name} which depends on upstream task {upstream} within an uncommon {what}."
    if isinstance(group, (ConditionGroup, ExitHandlerGroup)):
        raise InvalidTopologyException(
            at(
                f"{_ILLEGAL} A downstream task cannot depend on an upstream task within a {what} unless the downstream "
                f"is within that context too. {found}",
                task.place,
            )
        )
    if exchanges_data:
        raise InvalidTopologyException(
            at(
                f"{_ILLEGAL} A downstream task cannot depend on an upstream task within a {what} unless the downstream "
                "is within that context too or the outputs are begin fanned-in to a list using dsl.Collected. "
                f"{found}",
                task.place,
            )
        )


def _resolve_after(topology: Topology, task: Task, name: str) -> str:
    is_task, group = name in topology.tasks, topology.groups.get(name)
    if is_task and group is not None:
        raise ValueError(
            at(
                f'Ambiguous dependency name "{name}". It matches both a task and a group in the pipeline. '
                "Please rename either the task or the group so that dependency names are unambiguous.",
                task.place,
            )
        )
    if not is_task and group is None:
        raise ValueError(
            at(f'Dependency "{name}" does not exist as either a task or a group in the pipeline.', task.place)
        )
    return name
