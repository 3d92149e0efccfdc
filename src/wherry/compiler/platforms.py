"""The platform settings of tasks, as the platform document has them: what they refer to is seen from their group.

Called by `wherry.compiler.document` for each task that runs a container.  Invariant: a reference in the settings of a
task leads to the same value as an argument of that task would.
"""

from __future__ import annotations

from wherry.compiler.channels import PipelineParameterChannel, full_name
from wherry.compiler.errors import InvalidTopologyException
from wherry.compiler.graph import Task
from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.compiler.tasks import Scope

    Document = dict[str, Any]

_COMPONENT_INPUT = "componentInputParameter"
_TASK_OUTPUT = "taskOutputParameter"
_SELECTOR = "parameterExpressionSelector"


def of_task(task: Task, scope: Scope) -> Document:
    """The settings of a task by platform.  Raises InvalidTopologyException for a reference that leads nowhere."""
    return {platform: _Rewriting(task, scope).of(settings) for platform, settings in task.platform_config.items()}


class _Rewriting:
    """References of one task's settings, from how the pipeline knows values to how its group does."""

    def __init__(self, task: Task, scope: Scope) -> None:
        self._task = task
        self._scope = scope
        self._channels = {
            (channel.channel_task, channel.channel_name): channel
            for channel in task.channel_inputs
            if isinstance(channel, PipelineParameterChannel)
        }
        self._by_full_name = {full_name(channel): channel for channel in self._channels.values()}

    def of(self, value: Any) -> Any:
        """A part of the settings, rewritten and copied."""
        if isinstance(value, list):
            return [self.of(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(value, dict):
            return value
        part: Document = value  # pyright: ignore[reportUnknownVariableType] # users' values
        rewritten: Document = {
            key: one if key == "runtimeValue" else self.of(one)
            for key, one in part.items()
            if key not in (_COMPONENT_INPUT, _TASK_OUTPUT)
        }
        source = self._source(part)
        if _SELECTOR not in source or not rewritten:
            return rewritten | source
        return rewritten  # a deprecated field, which cannot say what the parameter beside it says

    def _source(self, part: Document) -> Document:
        """Where the value that a part refers to comes from; empty when it refers to none."""
        if isinstance(part.get(_COMPONENT_INPUT), str):
            name: str = part[_COMPONENT_INPUT]
            channel = self._channels.get((None, name)) or self._by_full_name.get(name)
            return self._scope.source(channel or PipelineParameterChannel(name, "STRING"))
        if not isinstance(part.get(_TASK_OUTPUT), dict):
            return {}
        output: Document = part[_TASK_OUTPUT]
        producer, key = output.get("producerTask", ""), output.get("outputParameterKey", "")
        channel = self._channels.get((producer, key)) or PipelineParameterChannel(key, "STRING", producer)
        source = self._scope.source(channel)
        if _COMPONENT_INPUT in source and source[_COMPONENT_INPUT] not in self._scope.inputs:
            raise InvalidTopologyException(
                at(
                    f"The platform settings of task {self._task.name} refer to the output {key!r} of task {producer}, "
                    "which is not brought into its control flow group.",
                    self._task.place,
                )
            )
        return source
