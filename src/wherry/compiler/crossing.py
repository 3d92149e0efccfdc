"""Values that cross into groups: which groups on the way to a task need which input.

Called by `wherry.compiler.document` after `wherry.compiler.surfacing`.  Invariant: whatever a task or a condition reads
from outside of its group is an input of every group in between, under one name.
"""

from __future__ import annotations

from wherry.compiler.channels import (
    LoopArgumentVariable,
    LoopArtifactArgument,
    LoopParameterArgument,
    PipelineChannel,
    channels_in,
    full_name,
    pattern,
)
from wherry.compiler.errors import InvalidTopologyException
from wherry.compiler.graph import ConditionGroup, Group, LoopGroup, Task
from wherry.compiler.places import at
from wherry.compiler.surfacing import Surfacing
from wherry.compiler.topology import Topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Channels = dict[str, PipelineChannel]
    LoopItem = LoopParameterArgument | LoopArtifactArgument


class Crossing:
    """The inputs of every group, in the order in which they were found."""

    def __init__(self, topology: Topology, surfacing: Surfacing) -> None:
        self._topology = topology
        self._loop_of_item = {
            id(group.item): group.name for group in topology.groups.values() if isinstance(group, LoopGroup)
        }
        self._inputs: dict[str, Channels] = {}
        self.conditions = _conditions_above_tasks(topology.root)
        for task in topology.tasks.values():
            if task.parent is None:
                continue
            for channel in (*surfacing.channels(task), *container_channels(task)):
                self._cross(channel, task.name)
            for channel, group in self.conditions.get(task.name, ()):
                self._cross(channel, task.name, condition=group.name)
        for group in topology.groups.values():
            if isinstance(group, LoopGroup) and isinstance(group.item.loop_items, PipelineChannel):
                self._cross(group.item.loop_items, group.name)
        for group in topology.groups.values():
            if isinstance(group, LoopGroup) and group.item.loop_number > 1:
                self._tell_apart(group)

    def inputs(self, group: str) -> list[PipelineChannel]:
        """What comes into a group from outside."""
        return list(self._inputs.get(group, {}).values())

    def _cross(self, channel: PipelineChannel, consumer: str, condition: str = "") -> None:
        """Bring a channel to a task or loop (or to the condition of a group above it) through the groups on the way."""
        carriers = _carriers(channel)
        self._check_inside_loops(carriers, consumer)
        groups = self._groups_on_the_way(carriers[-1], consumer)
        if condition in groups and _is_of_values(channel):
            # The condition takes its field or item by itself; only the groups above it hand it down.
            groups = groups[: groups.index(condition)]
        is_below_condition = is_ended = False
        for name in groups:
            carrier = carriers[-1]
            loop = self._topology.loop(name)
            enters_next_loop = loop is not None and len(carriers) > 1 and loop.item is carriers[-2]
            if not (is_below_condition and is_ended):
                self._inputs.setdefault(name, {}).setdefault(pattern(carrier), carrier)
            if enters_next_loop:
                carriers.pop()
            elif loop is not None and full_name(carrier) in full_name(loop.item):
                # Nothing below a condition reads what it compares; KFP hands it down all the same, but ends here.
                is_ended = True
            is_below_condition = is_below_condition or name == condition

    def _tell_apart(self, loop: LoopGroup) -> None:
        """Number a loop's item in the document if the item of a loop around it over the same list comes in too."""
        name = full_name(loop.item)
        loop.item.loop_is_numbered = any(full_name(channel) == name for channel in self.inputs(loop.name))

    def _check_inside_loops(self, carriers: list[PipelineChannel], consumer: str) -> None:
        path = self._topology.path(consumer)[:-1]
        for carrier in carriers:
            item = _item(carrier)
            if isinstance(item, (LoopParameterArgument, LoopArtifactArgument)):
                loop = self._loop_of_item.get(id(item), "a loop that was not entered")
                if loop not in path:
                    node = self._topology.tasks.get(consumer) or self._topology.groups[consumer]
                    raise InvalidTopologyException(
                        at(f"{consumer} uses the item of {loop} outside of that dsl.ParallelFor context.", node.place)
                    )

    def _groups_on_the_way(self, channel: PipelineChannel, consumer: str) -> tuple[str, ...]:
        """The groups between where the channel is made and the consumer, outermost first."""
        path = self._topology.path(consumer)
        if _is_of_values(channel):
            return path[path.index(self._loop_of_item[id(_item(channel))]) + 1 : -1]
        if channel.channel_task:
            _, downstream = self._topology.uncommon(channel.channel_task, consumer)
            return downstream[:-1]
        return path[:-1]


def _carriers(channel: PipelineChannel) -> list[PipelineChannel]:
    """What brings a channel to its consumer: itself or the item it is a field of, then outwards through loops.

    Of an item of values that are known now, as in KFP, it is the field that is handed down.
    """
    carriers: list[PipelineChannel] = []
    current: object = channel
    while isinstance(current, PipelineChannel):
        if isinstance(current, LoopArgumentVariable) and not _is_of_values(current):
            current = current.loop_argument
            continue
        carriers.append(current)
        current = current.loop_items if isinstance(current, (LoopParameterArgument, LoopArtifactArgument)) else None
    return carriers


def _item(channel: PipelineChannel) -> PipelineChannel:
    """The item itself of a field of an item."""
    return channel.loop_argument if isinstance(channel, LoopArgumentVariable) else channel


def _is_of_values(channel: PipelineChannel) -> bool:
    """Whether this is the item, or a field of it, of a loop over values that are known now."""
    item = _item(channel)
    return isinstance(item, LoopParameterArgument) and isinstance(item.loop_items, list)


def container_channels(task: Task) -> Iterable[PipelineChannel]:
    """The channels in the settings of a task's container, which KFP does not count as what the task waits for."""
    container = task.container_spec
    if container is None:
        return ()
    resources = container.resources.given().values() if container.resources is not None else ()
    return channels_in([container.image, *resources])


def _conditions_above_tasks(root: Group) -> dict[str, list[tuple[PipelineChannel, Group]]]:
    """For each task, the channels in the conditions of the groups around it, outermost first."""
    found: dict[str, list[tuple[PipelineChannel, Group]]] = {}

    def walk(group: Group, above: list[tuple[PipelineChannel, Group]]) -> None:
        if isinstance(group, ConditionGroup):
            own = [(channel, group) for operation in group.conditions for channel in operation.channels()]
            above = above + own
        if above:
            for name in group.tasks:
                found[name] = above
        for child in group.groups:
            walk(child, above)

    walk(root, [])
    return found
