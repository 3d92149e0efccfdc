"""A task's Kubernetes settings while they are being made: protobuf JSON of KFP's KubernetesExecutorConfig.

Called by the functions of `wherry.dsl.kubernetes`.  Invariant: `task.platform_config["kubernetes"]` is a plain document
at any time; what it refers to is among the task's channels, so that it is brought into the task's group.
"""

from __future__ import annotations

from wherry.compiler import values
from wherry.compiler.channels import (
    LoopArgumentVariable,
    OneOfParameter,
    PipelineChannel,
    PipelineParameterChannel,
    full_name,
    pattern,
)
from wherry.compiler.graph import Task
from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

_INT64 = 2**63


def of(task: Task) -> Document:
    """The Kubernetes settings of a task, to be changed.  Raises TypeError for what is no task."""
    if not isinstance(task, Task):  # pyright: ignore[reportUnnecessaryIsInstance] - users' values
        raise TypeError(at(f"Kubernetes settings are set on a task of a pipeline. Got: {task!r}."))
    return task.platform_config.setdefault("kubernetes", {})


def add(task: Task, field: str, *entries: Document) -> None:
    """Append to a list among the settings."""
    of(task).setdefault(field, []).extend(entries)


def text(value: Any, field: str) -> str:
    """A text that is known now.  Raises TypeError for anything else, ValueError for one that holds a channel."""
    if not isinstance(value, str):
        hint = " It must be known when the pipeline is compiled." if isinstance(value, PipelineChannel) else ""
        raise TypeError(at(f"{field} must be a text. Got: {value!r} of type {type(value).__name__}.{hint}"))
    if "{{channel:" in value:
        raise ValueError(
            at(f"{field} cannot be put together from values known only when the pipeline runs. Got: {value!r}.")
        )
    return value


def texts(value: Any, field: str) -> list[str]:
    """A list of texts that are known now."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(at(f"{field} must be a list of texts. Got: {value!r}."))
    return [text(one, f"each of {field}") for one in value]  # pyright: ignore[reportUnknownVariableType]


def integer(value: Any, field: str) -> int:
    """A whole number of 64 bits.  Raises TypeError or ValueError for anything else."""
    if not isinstance(value, int):
        raise TypeError(at(f"{field} must be an integer. Got: {value!r} of type {type(value).__name__}."))
    if not -_INT64 <= value < _INT64:
        raise ValueError(at(f"{field} is out of range: {value}."))
    return int(value)


def given(**fields: Any) -> Document:
    """The fields without those that are not set: protobuf JSON leaves out what is empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def parameter(task: Task, value: Any, field: str) -> Document:
    """The document's form of a value that may be known only when the pipeline runs: a text, a dict or a parameter.

    Raises ValueError for anything else.
    """
    if isinstance(value, str):
        return {"runtimeValue": {"constant": text(value, field)}}
    if isinstance(value, dict):
        return {"runtimeValue": {"constant": values.constant(value)}}
    if isinstance(value, OneOfParameter):
        raise ValueError(at(f"{field} cannot be a dsl.OneOf; use the setting in each of the branches."))
    if isinstance(value, PipelineParameterChannel):
        _register(task, value)
        if value.channel_task is None:
            return {"componentInputParameter": full_name(value)}
        output = {"producerTask": value.channel_task, "outputParameterKey": value.channel_name}
        return {"taskOutputParameter": output}
    raise ValueError(
        at(
            f"Argument for {field!r} must be an instance of str, dict, or PipelineChannel. "
            f"Got unknown input type: {type(value)!r}."
        )
    )


def _register(task: Task, channel: PipelineParameterChannel) -> None:
    """Have the channel brought to the task, and the task wait for what makes it."""
    if pattern(channel) not in {pattern(one) for one in task.channel_inputs}:
        task.channel_inputs.append(channel)
    producer = None if isinstance(channel, LoopArgumentVariable) else channel.channel_task
    if producer is not None and producer not in task.after_names:
        task.after_names.append(producer)
