"""Entries of `dag.tasks`: a task, an exit task or a group, with where each of its inputs comes from.

Called by `wherry.compiler.document`.
"""

from __future__ import annotations

from wherry.compiler import conditions, names, types, values
from wherry.compiler.channels import (
    Collected,
    LoopArgumentVariable,
    LoopParameterArgument,
    PipelineArtifactChannel,
    PipelineChannel,
    channels_in,
    full_name,
    injected_name,
    pattern,
    replace_patterns,
)
from wherry.compiler.errors import InvalidTopologyException
from wherry.compiler.graph import ConditionGroup, Group, LoopGroup, RetryPolicy, Task
from wherry.compiler.placeholders import InputValuePlaceholder
from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from typing import Any

    Document = dict[str, Any]

ALL_UPSTREAM_TASKS_COMPLETED = "ALL_UPSTREAM_TASKS_COMPLETED"


class Scope:
    """A DAG being written.  `siblings`: its tasks and groups; `inputs`: what its component takes."""

    __slots__ = ("inputs", "is_root", "siblings")

    def __init__(self, siblings: Container[str], inputs: Container[str], *, is_root: bool) -> None:
        self.siblings = siblings
        self.inputs = inputs
        self.is_root = is_root

    def source(self, channel: PipelineChannel) -> Document:
        """Where the value of a channel comes from, seen from inside the DAG."""
        if isinstance(channel, LoopArgumentVariable):
            if self._has(channel) and not self._has(channel.loop_argument):
                return self.source_of_part(channel)
            return {
                "componentInputParameter": self._component_input(channel.loop_argument),
                "parameterExpressionSelector": f'parseJson(string_value)["{channel.subvar_name}"]',
            }
        is_artifact = isinstance(channel, PipelineArtifactChannel) or (
            isinstance(channel, Collected) and channel.is_artifact_channel
        )
        kind = "Artifact" if is_artifact else "Parameter"
        if (channel.channel_task or "") in self.siblings and not isinstance(channel, LoopParameterArgument):
            return {
                f"taskOutput{kind}": {
                    "producerTask": channel.channel_task,
                    f"output{kind}Key": channel.channel_name,
                }
            }
        return {f"componentInput{kind}": self._component_input(channel)}

    def source_of_part(self, channel: PipelineChannel) -> Document:
        """Where the value of a channel comes from that is a part of a text, list or dict.

        As in KFP a field that came in by itself is used as it is, even if its item came in too.
        """
        if isinstance(channel, LoopArgumentVariable) and self._has(channel):
            return {"componentInputParameter": injected_name(channel)}
        return self.source(channel)

    def _has(self, channel: PipelineChannel) -> bool:
        return not self.is_root and injected_name(channel) in self.inputs

    def _component_input(self, channel: PipelineChannel) -> str:
        name = full_name(channel)
        return name if self.is_root or name in self.inputs else injected_name(channel)


def of_task(task: Task, inputs: dict[str, Any], scope: Scope) -> Document:
    """A task's entry, but for what it waits for.  `inputs`: its arguments as `wherry.compiler.surfacing` gives them."""
    document: Document = {
        "taskInfo": {"name": task.display_name or task.name},
        "componentRef": {"name": names.component_key(task.name)},
        "cachingOptions": _caching(task),
    }
    if task.retry_policy is not None:
        document["retryPolicy"] = _retry_policy(task.retry_policy)
    parameters: Document = {}
    artifacts: Document = {}
    for name, value in (inputs | _container_inputs(task)).items():
        if isinstance(value, PipelineChannel):
            source = scope.source(value)
            is_artifact = "componentInputArtifact" in source or "taskOutputArtifact" in source
            (artifacts if is_artifact else parameters)[name] = source
        else:
            _add_constant(task, name, value, inputs, parameters, scope)
    _set_inputs(document, parameters, artifacts)
    return document


def of_exit_task(task: Task, group: str, scope: Scope) -> Document:
    """The entry of the task that runs after an exit handler's group."""
    document = of_task(task, task.inputs, scope)
    document["dependentTasks"] = [group]
    document["triggerPolicy"] = {"strategy": ALL_UPSTREAM_TASKS_COMPLETED}
    _set_final_status(task, document, group)
    return document


def of_group(group: Group, inputs: Iterable[PipelineChannel], scope: Scope) -> Document:
    """A group's entry, but for what it waits for.  `inputs`: the channels that cross into it."""
    document: Document = {
        "taskInfo": {"name": group.display_name or group.name},
        "componentRef": {"name": names.component_key(group.name)},
    }
    parameters: Document = {}
    artifacts: Document = {}
    for channel in inputs:
        (artifacts if isinstance(channel, PipelineArtifactChannel) else parameters)[injected_name(channel)] = (
            scope.source(channel)
        )
    if isinstance(group, LoopGroup):
        _set_iterator(group, document)
        parameters.pop(injected_name(group.item), None)
        artifacts.pop(injected_name(group.item), None)
    elif isinstance(group, ConditionGroup):
        document["triggerPolicy"] = {"condition": conditions.expression(group.conditions)}
    _set_inputs(document, parameters, artifacts)
    return document


def set_dependencies(document: Document, task: Task | Group, upstream: Iterable[str]) -> None:
    """Write what a task or group waits for, and what follows from it."""
    waits_for = sorted(upstream)
    if waits_for:
        document["dependentTasks"] = waits_for
    if isinstance(task, Task) and task.ignores_upstream_failure:
        document["triggerPolicy"] = {"strategy": ALL_UPSTREAM_TASKS_COMPLETED}
        if any(types.is_final_status(spec.type) for spec in task.component_spec.inputs.values()):
            _check_one_upstream(task, waits_for)
            _set_final_status(task, document, waits_for[0])


def _check_one_upstream(task: Task, waits_for: list[str]) -> None:
    rule = (
        "Tasks that use '.ignore_upstream_failure()' and 'PipelineTaskFinalStatus' must have exactly one dependent "
        "upstream task"
    )
    if len(waits_for) > 1:
        raise InvalidTopologyException(at(f"{rule}. Got {len(waits_for)} dependent tasks: {waits_for}.", task.place))
    if not waits_for:
        name = task.display_name or task.name
        if task.parent is None or task.parent.parent is None:
            raise InvalidTopologyException(at(f"{rule}. Got task '{name} with no upstream dependencies.", task.place))
        raise InvalidTopologyException(
            at(
                f"{rule} within the same control flow scope. Got task '{name}' beneath a 'dsl.{task.parent.keyword}' "
                "that does not also contain the upstream dependent task.",
                task.place,
            )
        )


def _caching(task: Task) -> Document:
    options: Document = {}
    if task.enable_caching:
        options["enableCache"] = True
    if task.cache_key:
        options["cacheKey"] = task.cache_key
    return options


def _retry_policy(policy: RetryPolicy) -> Document:
    document: Document = {
        "backoffDuration": f"{policy.backoff_duration_s}s",
        "backoffFactor": float(policy.backoff_factor),
        "backoffMaxDuration": f"{policy.backoff_max_duration_s}s",
    }
    if policy.max_retry_count:
        document["maxRetryCount"] = policy.max_retry_count
    return document


def _container_inputs(task: Task) -> dict[str, Any]:
    """Settings of the container that are known only when the pipeline runs become inputs of the task."""
    spec = task.container_spec
    if spec is None:
        return {}
    found = (
        {name: value for name, value in spec.resources.given().items() if channels_in(value)} if spec.resources else {}
    )
    if channels_in(spec.image):
        found["base_image"] = spec.image
    return found


def _add_constant(
    task: Task, name: str, value: Any, inputs: dict[str, Any], parameters: Document, scope: Scope
) -> None:
    replacements: list[tuple[str, str]] = []
    for channel in channels_in(value):
        if isinstance(channel, PipelineArtifactChannel):
            raise TypeError(
                at(
                    f"The artifact {full_name(channel)} cannot be a part of the argument {name!r}, which is a value. "
                    "Give it to an input that is an artifact.",
                    task.place,
                )
            )
        extra = injected_name(channel)
        if extra in inputs:
            raise RuntimeError(
                at(
                    f"Name collision between existing input name {extra} and compiler injected input name {extra}",
                    task.place,
                )
            )
        replacements.append((pattern(channel), InputValuePlaceholder(extra).text()))
        parameters[extra] = scope.source_of_part(channel)
    if replacements:
        value = replace_patterns(value, replacements)
    parameters[name] = {"runtimeValue": {"constant": values.constant(value, task.place)}}


def _set_inputs(document: Document, parameters: Document, artifacts: Document) -> None:
    inputs = {name: part for name, part in (("parameters", parameters), ("artifacts", artifacts)) if part}
    if inputs:
        document["inputs"] = inputs


def _set_final_status(task: Task, document: Document, producer: str) -> None:
    for name, spec in task.component_spec.inputs.items():
        if types.is_final_status(spec.type):
            parameters = document.setdefault("inputs", {}).setdefault("parameters", {})
            parameters[name] = {"taskFinalStatus": {"producerTask": producer}}


def _set_iterator(group: LoopGroup, document: Document) -> None:
    item, items = injected_name(group.item), group.item.loop_items
    if isinstance(items, list):
        document["parameterIterator"] = {"items": {"raw": values.json_text(items, sort_keys=True)}, "itemInput": item}
    elif isinstance(group.item, PipelineArtifactChannel):
        document["artifactIterator"] = {"items": {"inputArtifact": injected_name(items)}, "itemInput": item}
    else:
        document["parameterIterator"] = {"items": {"inputParameter": injected_name(items)}, "itemInput": item}
    if group.parallelism_limit > 0:
        document["iteratorPolicy"] = {"parallelismLimit": group.parallelism_limit}
