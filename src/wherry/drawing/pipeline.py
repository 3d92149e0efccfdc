"""From a checked pipeline document to the nodes and edges that are drawn.

Called by `wherry graph` and `wherry compile --check`.  Pure.  Invariant: every task of the document is one node, at
the path that it has in a run; a document that unfolds to more than `limit` of them keeps its inner groups closed.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any, cast

import msgspec

from wherry.drawing.model import Edge, EdgeKind, Node, NodeKind
from wherry.ir.check import dependencies, inside_out, uses
from wherry.ir.reader import Document
from wherry.ir.secrets import is_secret
from wherry.ir.spec import ComponentSpec, ExecutorSpec, InputArtifactSpec, InputParameterSpec, TaskSpec

LIMIT = 5000
"""Nodes that one drawing shows; more could not be read."""
_BRANCHES = re.compile(r"condition-branches-\d+")  # as KFP's compiler names groups; the document says nothing else
_EXIT_HANDLER = re.compile(r"exit-handler-\d+")
_CHANNEL = "pipelinechannel--"
_INPUT = re.compile(r"inputs\.parameter_values\[(?:'([^']*)'|\"([^\"]*)\")\]")
_BRIEF = 60


def nodes_of(document: Document, *, limit: int = LIMIT) -> Node:
    """The whole pipeline as one node of kind `pipeline`."""
    return _Builder(document, limit).pipeline()


class _Builder:
    def __init__(self, document: Document, limit: int) -> None:
        self._document = document
        self._components = document.pipeline.components
        contents = uses(document.pipeline)
        self._sizes: dict[str, int] = {}
        for name in inside_out(contents):
            self._sizes[name] = sum(1 + self._sizes[each] for each in contents[name])
        self._open = self._opened(limit)

    def _opened(self, limit: int) -> set[str]:
        """The paths of the groups that are drawn open: outer ones first, as long as there is room."""
        opened: set[str] = set()
        left = limit
        waiting = deque([("", self._document.pipeline.root)])
        while waiting:
            path, component = waiting.popleft()
            tasks = component.dag.tasks if component.dag else {}
            if path and len(tasks) > left:
                continue
            left -= len(tasks)
            opened.add(path)
            for name, task in tasks.items():
                inner = self._components[task.component_ref.name]
                if inner.dag and inner.dag.tasks:
                    waiting.append((_inside(path, name), inner))
        return opened

    def pipeline(self) -> Node:
        info = self._document.pipeline.pipeline_info
        root = self._document.pipeline.root
        details = (*([info.description] if info.description else []), *_interface(root))
        nodes, edges = self._contents("", root)
        return Node("", info.display_name or info.name, "pipeline", "", details, nodes, edges)

    def _contents(self, path: str, component: ComponentSpec) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
        tasks = component.dag.tasks if component.dag else {}
        index = {name: at for at, name in enumerate(tasks)}
        guarded = {need for task in tasks.values() if _always(task) for need in dependencies(task)}
        nodes = tuple(self._node(_inside(path, name), name, task, name in guarded) for name, task in tasks.items())
        edges = tuple(
            _edge(index[producer], index[name], producer, task)
            for name, task in tasks.items()
            for producer in dependencies(task)
        )
        return nodes, edges

    def _node(self, path: str, name: str, task: TaskSpec, guarded: bool) -> Node:
        component = self._components[task.component_ref.name]
        title = task.task_info.name or name
        executor = (
            None if component.dag else self._document.pipeline.deployment_spec.executors[component.executor_label]
        )
        kind = _kind(name, task, executor, guarded)
        details = (*_control(task), *_interface(component), *_executor(executor))
        if component.dag is None:
            return Node(path, title, kind, _note(task, executor), details)
        note = " · ".join(_control(task))
        if path not in self._open:
            hidden = self._sizes[task.component_ref.name]
            note = note or (f"{hidden} tasks, not shown" if hidden else "empty")
            return Node(path, title, kind, note, details, hidden=hidden)
        nodes, edges = self._contents(path, component)
        return Node(path, title, kind, note, details, nodes, edges)


def _inside(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _always(task: TaskSpec) -> bool:
    return task.trigger_policy.strategy == "ALL_UPSTREAM_TASKS_COMPLETED"


def _kind(name: str, task: TaskSpec, executor: ExecutorSpec | None, guarded: bool) -> NodeKind:
    if task.parameter_iterator or task.artifact_iterator:
        return "loop"
    if executor is not None:
        if _always(task) and any(_is_exit_handler(need) for need in dependencies(task)):
            return "exit-task"
        return "importer" if executor.importer else "task"
    if task.trigger_policy.condition:
        return "condition"
    if guarded and _is_exit_handler(name):
        return "exit-handler"
    return "branches" if _BRANCHES.fullmatch(name) else "sub-pipeline"


def _is_exit_handler(name: str) -> bool:
    return _EXIT_HANDLER.fullmatch(name) is not None


def _edge(source: int, target: int, producer: str, task: TaskSpec) -> Edge:
    artifacts = [
        f"{given.task_output_artifact.output_artifact_key} → {plain(name)}"
        for name, given in task.inputs.artifacts.items()
        if given.task_output_artifact and given.task_output_artifact.producer_task == producer
    ]
    parameters = [
        f"{given.task_output_parameter.output_parameter_key} → {plain(name)}"
        for name, given in task.inputs.parameters.items()
        if given.task_output_parameter and given.task_output_parameter.producer_task == producer
    ]
    statuses = [
        f"final status → {plain(name)}"
        for name, given in task.inputs.parameters.items()
        if given.task_final_status and given.task_final_status.producer_task == producer
    ]
    kind: EdgeKind = "artifact" if artifacts else "parameter" if parameters else "order"
    if statuses or _always(task):
        kind = "exit"
    return Edge(source, target, kind, (*artifacts, *parameters, *statuses))


def plain(name: str) -> str:
    """An input's name without what KFP's compiler puts before it."""
    return name.removeprefix(_CHANNEL)


def source_of(given: InputParameterSpec | InputArtifactSpec) -> str:
    """Where a task's input comes from, for people: `train.model`, `epochs`, or the constant."""
    if isinstance(given, InputArtifactSpec):
        made = given.task_output_artifact
        return f"{made.producer_task}.{made.output_artifact_key}" if made else plain(given.component_input_artifact)
    if given.task_output_parameter:
        text = f"{given.task_output_parameter.producer_task}.{given.task_output_parameter.output_parameter_key}"
    elif given.task_final_status:
        text = f"final status of {given.task_final_status.producer_task}"
    elif given.runtime_value:
        constant = given.runtime_value.constant
        if constant is msgspec.UNSET:
            constant = given.runtime_value.constant_value
        text = brief(None if constant is msgspec.UNSET else constant)
    else:
        text = plain(given.component_input_parameter)
    return text


def brief(value: Any) -> str:
    """A value as JSON on one line, cut where it gets long; whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 1]}…"


def _control(task: TaskSpec) -> list[str]:
    """What decides whether and how often a task runs."""
    found: list[str] = []
    if task.trigger_policy.condition:
        found.append(f"if {_condition(task)}")
    if task.parameter_iterator:
        items = task.parameter_iterator.items
        given = task.inputs.parameters.get(items.input_parameter)
        over = brief(_items(items.raw)) if items.raw else source_of(given) if given else items.input_parameter
        found.append(f"for each of {over}")
    if task.artifact_iterator:
        given_artifact = task.inputs.artifacts.get(task.artifact_iterator.items.input_artifact)
        found.append(f"for each of {source_of(given_artifact) if given_artifact else 'its artifacts'}")
    if task.iterator_policy.parallelism_limit:
        found.append(f"at most {task.iterator_policy.parallelism_limit} at once")
    if task.retry_policy and task.retry_policy.max_retry_count:
        found.append(f"up to {task.retry_policy.max_retry_count} retries")
    if _always(task):
        found.append("in any case")
    return found


def _items(raw: str) -> Any:
    items: Any = json.loads(raw)  # `wherry.ir.check` has seen that it is a list
    numbers = cast("list[Any]", items)
    return [int(each) if isinstance(each, float) and each.is_integer() else each for each in numbers]


def _condition(task: TaskSpec) -> str:
    """The condition with the sources of its operands instead of the names of inputs."""

    def named(match: re.Match[str]) -> str:
        name = match[1] if match[1] is not None else match[2]
        given = task.inputs.parameters.get(name)
        return source_of(given) if given and not given.runtime_value else plain(name)

    return _INPUT.sub(named, task.trigger_policy.condition)


def _interface(component: ComponentSpec) -> list[str]:
    found: list[str] = []
    inputs, outputs = component.input_definitions, component.output_definitions
    for name, parameter in inputs.parameters.items():
        given = parameter.default_value
        default = "" if given is msgspec.UNSET else f" = {'(hidden)' if is_secret(name) and given else brief(given)}"
        found.append(f"← {plain(name)}: {parameter.parameter_type or parameter.type or '?'}{default}")
    for name, artifact in inputs.artifacts.items():
        found.append(f"← {plain(name)}: {_type(artifact.artifact_type.schema_title, artifact.is_artifact_list)}")
    for name, output in outputs.parameters.items():
        found.append(f"→ {plain(name)}: {output.parameter_type or output.type or '?'}")
    for name, made in outputs.artifacts.items():
        found.append(f"→ {plain(name)}: {_type(made.artifact_type.schema_title, made.is_artifact_list)}")
    return found


def _type(title: str, many: bool) -> str:
    name = title or "artifact"
    return f"list of {name}" if many else name


def _executor(executor: ExecutorSpec | None) -> list[str]:
    if executor is None:
        return []
    return [f"image {executor.container.image}"] if executor.container else [f"imports {_uri(executor)}"]


def _note(task: TaskSpec, executor: ExecutorSpec | None) -> str:
    control = _control(task)
    if control or executor is None:
        return " · ".join(control)
    if executor.container:
        return executor.container.image.rpartition("/")[2].partition("@")[0]
    return _uri(executor)


def _uri(executor: ExecutorSpec) -> str:
    assert executor.importer is not None
    uri = executor.importer.artifact_uri
    if uri.runtime_parameter:
        return plain(uri.runtime_parameter)
    constant = uri.constant if uri.constant is not msgspec.UNSET else uri.constant_value
    return "" if constant is msgspec.UNSET else brief(constant)
