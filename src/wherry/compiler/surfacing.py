"""Outputs that leave groups: `Collected` lists out of loops, `OneOf` outputs out of branches.

Called by `wherry.compiler.document` before anything else looks at channels.  Invariant: the trace is not changed; what
a task really consumes, once outputs have been handed up through the groups, is in `Surfacing.inputs` and `.channels`.
"""

from __future__ import annotations

from wherry.compiler.channels import (
    Collected,
    OneOfArtifact,
    OneOfParameter,
    PipelineArtifactChannel,
    PipelineChannel,
    PipelineParameterChannel,
    injected_name,
)
from wherry.compiler.errors import InvalidTopologyException
from wherry.compiler.graph import CONDITION, EXIT_HANDLER, FOR_LOOP, ConditionGroup, Group, Task
from wherry.compiler.places import at
from wherry.compiler.topology import Topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    OneOf = OneOfParameter | OneOfArtifact


class GroupOutput:
    """An output of a group.  `sources`: the child and its output, several only for branches (`is_one_of`)."""

    __slots__ = ("channel", "is_one_of", "sources")

    def __init__(self, channel: PipelineChannel, sources: list[tuple[str, str]], *, is_one_of: bool = False) -> None:
        self.channel = channel
        self.sources = sources
        self.is_one_of = is_one_of


class Surfacing:
    """The outputs that groups get because something outside of them uses them.

    `outputs`: by group and output name; `pipeline_outputs`: what the pipeline function returned, as channels of the
    root's own children.
    """

    def __init__(self, topology: Topology, returned: dict[str, Any]) -> None:
        self._topology = topology
        self._surfaced_one_ofs: set[str] = set()
        self._inputs: dict[str, dict[str, Any]] = {}
        self._channels: dict[str, list[PipelineChannel]] = {}
        self.outputs: dict[str, dict[str, GroupOutput]] = {}
        for task in topology.tasks.values():
            self._surface_for(task)
        for group in topology.groups.values():
            if isinstance(group, ConditionGroup):
                for operation in group.conditions:
                    for channel in operation.channels():
                        if isinstance(channel, (OneOfParameter, OneOfArtifact)):
                            self._surface_one_of(channel)
        self.pipeline_outputs = {name: self._returned(channel) for name, channel in returned.items()}

    def inputs(self, task: Task) -> dict[str, Any]:
        """The arguments of a task, `Collected` replaced by the output of the group that hands it up."""
        return self._inputs.get(task.name, task.inputs)

    def channels(self, task: Task) -> list[PipelineChannel]:
        """The channels among (and in) those arguments."""
        return self._channels.get(task.name, task.channel_inputs)

    def _surface_for(self, task: Task) -> None:
        replaced: dict[int, PipelineChannel] = {}
        for channel in task.channel_inputs:
            if isinstance(channel, Collected):
                replaced[id(channel)] = self._surface_collected(channel, task)
            elif isinstance(channel, (OneOfParameter, OneOfArtifact)):
                self._surface_one_of(channel)
        if replaced:
            self._inputs[task.name] = {key: replaced.get(id(value), value) for key, value in task.inputs.items()}
            self._channels[task.name] = [replaced.get(id(channel), channel) for channel in task.channel_inputs]

    def _surface_collected(self, collected: Collected, consumer: Task) -> PipelineChannel:
        producer = collected.channel_task or ""
        upstream, _ = self._topology.uncommon(producer, consumer.name)
        self._check_fan_in(consumer, upstream)
        return self._hand_up_list(collected, upstream[:-1])

    def _check_fan_in(self, consumer: Task, upstream: tuple[str, ...]) -> None:
        groups = [self._topology.groups[name] for name in upstream[:-1]]
        producer = upstream[-1] if upstream else consumer.name
        if not any(group.kind == FOR_LOOP for group in groups):
            raise InvalidTopologyException(
                at(
                    "dsl.Collected can only be used to fan-in outputs produced by a task within a dsl.ParallelFor "
                    f"context to a task outside of the dsl.ParallelFor context. Producer task {producer} is either not "
                    "in a dsl.ParallelFor context or is only in a dsl.ParallelFor that also contains consumer task "
                    f"{consumer.name}.",
                    consumer.place,
                )
            )
        outermost = groups[0]
        if outermost.kind in (CONDITION, EXIT_HANDLER):
            raise InvalidTopologyException(
                at(
                    "Illegal task dependency across DSL context managers. When using dsl.Collected to fan-in outputs "
                    "from a task within a dsl.ParallelFor context, the dsl.ParallelFor context manager cannot be "
                    f"nested within a dsl.{outermost.keyword} context manager unless the consumer task is too. Task "
                    f"{consumer.name} consumes from {producer} within a dsl.{outermost.keyword} context.",
                    consumer.place,
                )
            )
        if outermost.kind != FOR_LOOP:
            raise ValueError(
                at(
                    "Got unexpected group type when validating fanning-in outputs from task in dsl.ParallelFor: "
                    f"{outermost.kind}",
                    consumer.place,
                )
            )

    def _hand_up_list(self, collected: Collected, groups: tuple[str, ...]) -> PipelineChannel:
        """Give the groups (outermost first) the output as a list; returns the outermost one's."""
        key = injected_name(collected)
        source = (collected.channel_task or "", collected.channel_name)
        channel: PipelineChannel = collected
        for name in reversed(groups):
            channel = _list_channel(collected, key, name)
            self.outputs.setdefault(name, {})[key] = GroupOutput(channel, [source])
            source = (name, key)
        return channel

    def _surface_one_of(self, one_of: OneOf) -> None:
        if one_of.channel_name in self._surfaced_one_ofs:
            return
        self._surfaced_one_ofs.add(one_of.channel_name)
        branches = one_of.channel_task or ""
        sources: list[tuple[str, str]] = []
        for inner in one_of.channels:
            path = self._topology.path(inner.channel_task or "")
            below = path[path.index(branches) + 1 : -1] if branches in path else path[:-1]
            key = injected_name(inner)
            source = (inner.channel_task or "", inner.channel_name)
            for name in reversed(below):
                self.outputs.setdefault(name, {})[key] = GroupOutput(inner, [source])
                source = (name, key)
            sources.append(source)
        self.outputs.setdefault(branches, {})[one_of.channel_name] = GroupOutput(one_of, sources, is_one_of=True)

    def _returned(self, channel: Any) -> Any:
        if isinstance(channel, Collected):
            groups = self._topology.path(channel.channel_task or "")[:-1]
            if not groups:
                raise InvalidTopologyException(
                    at("dsl.Collected can only be returned for outputs of a task within a dsl.ParallelFor context.")
                )
            return self._hand_up_list(channel, groups)
        if isinstance(channel, (OneOfParameter, OneOfArtifact)):
            self._surface_one_of(channel)
        return channel


def check_returned(topology: Topology, returned: dict[str, Any]) -> None:
    """Refuse outputs of a pipeline that come from inside of its control flow, where they may never be made.

    Raises InvalidTopologyException, or ValueError for what is not a channel.
    """
    for channel in returned.values():
        if isinstance(channel, Collected):
            continue
        if not isinstance(channel, PipelineChannel):
            raise ValueError(at(f"Got unknown pipeline output, {channel}, of type {type(channel)}."))
        name = channel.channel_task
        if name is None:
            raise AttributeError(at(f"A pipeline cannot return its own input {channel.channel_name!r}."))
        made_by: Task | Group | None = topology.tasks.get(name) or topology.groups.get(name)
        if made_by is None:
            raise ValueError(at(f"PipelineChannel task name {name!r} not found in pipeline."))
        if made_by.parent is not None and made_by.parent is not topology.root:
            what = " dsl.OneOf" if isinstance(channel, (OneOfParameter, OneOfArtifact)) else ""
            raise InvalidTopologyException(
                at(
                    "Pipeline outputs may only be returned from the top level of the pipeline function scope. Got "
                    f"pipeline output{what} from within the control flow group dsl.{made_by.parent.keyword}.",
                    made_by.place,
                )
            )


def _list_channel(collected: Collected, key: str, group: str) -> PipelineChannel:
    if isinstance(collected.output, PipelineArtifactChannel):
        return PipelineArtifactChannel(key, collected.output.channel_type, group, is_artifact_list=True)
    return PipelineParameterChannel(key, "LIST", group)
