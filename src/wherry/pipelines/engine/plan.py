"""The static side of a run: what a checked document says, once, in the shape that deciding needs.

Made by `Run` (one `Plan` a document); read by every module of the engine.  Invariant: plans are never changed
after they are made, and everything that depends on the document alone is computed here: indices instead of names,
parsed loop items, compiled conditions, numbers as Python means them.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

import msgspec

from wherry.ir import cel
from wherry.ir.check import dependencies, inside_out, uses
from wherry.ir.reader import Document
from wherry.ir.spec import (
    ComponentSpec,
    DagOutputParameter,
    ExecutorSpec,
    InputParameterDefinition,
    InputParameterSpec,
    ParameterSelector,
    TaskSpec,
)
from wherry.pipelines.engine.model import Kind
from wherry.pipelines.engine.placeholders import mentions


class Missing:
    """The type of `MISSING`: there is no value, which null is not."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()

CONSTANT, TEMPLATE, OUTER, OUTPUT, STATUS = range(5)

_LONGEST_S = 366 * 86_400.0  # no wait of a retry policy grows beyond it


class Definition(msgspec.Struct):
    """An input parameter that a component declares.  `type` is KFP's name, "" when none is declared."""

    name: str
    type: str
    optional: bool
    default: Any  # MISSING when there is none
    literals: list[Any]


class Given(msgspec.Struct):
    """A parameter that a task gives to its component: where the value comes from."""

    name: str
    source: int  # CONSTANT, TEMPLATE (a constant with placeholders), OUTER, OUTPUT or STATUS
    value: Any  # the constant, or the name of the enclosing component's input
    producer: str  # a task of the same DAG
    key: str
    selector: cel.Expression | None
    definition: Definition | None  # None: the component does not declare it


class GivenArtifact(msgspec.Struct):
    """An artifact that a task gives to its component: from the enclosing component, or from a producer."""

    name: str
    outer: str
    producer: str
    key: str
    optional: bool


class LoopPlan(msgspec.Struct):
    """An iterator: its items are constant, or one of the task's own inputs."""

    item: str
    items: list[Any] | None
    template: bool  # the constant items have placeholders
    input: str
    artifact: bool
    limit: int  # 0: no limit


class RetryPlan(msgspec.Struct):
    """A retry policy in numbers; times in seconds, `max_s` 0 when there is no maximum."""

    count: int
    delay_s: float
    factor: float
    max_s: float

    def wait_s(self, tries: int) -> float:
        """How long to wait after that many attempts: delay x factor^(tries-1), at most `max_s`."""
        if not self.delay_s:
            return 0.0
        try:
            wait = self.delay_s * max(self.factor, 1.0) ** (tries - 1)
        except OverflowError:
            wait = _LONGEST_S
        return min(wait, self.max_s or _LONGEST_S)


class TaskPlan(msgspec.Struct):
    """A task of a DAG.  `needs` and `dependents` are indices into the DAG's `tasks`."""

    name: str
    index: int
    spec: TaskSpec
    component: ComponentPlan
    needs: tuple[int, ...]
    parameters: tuple[Given, ...]
    templates: tuple[str, ...]  # those of `parameters` that are TEMPLATEs
    artifacts: tuple[GivenArtifact, ...]
    always: bool  # ALL_UPSTREAM_TASKS_COMPLETED
    condition: cel.Expression | None
    loop: LoopPlan | None
    retry: RetryPlan | None
    dependents: tuple[int, ...] = ()


class Selector(msgspec.Struct):
    """An output of a DAG: the first of `sources` (task name, output name) that has a value."""

    name: str
    sources: tuple[tuple[str, str], ...]


class ComponentPlan(msgspec.Struct):
    """A component: a leaf with an executor, or a DAG with tasks."""

    name: str
    spec: ComponentSpec
    kind: Kind  # "task", "importer" or "dag"
    executor: ExecutorSpec | None
    definitions: dict[str, Definition]
    required: tuple[str, ...]  # input parameters that must be given
    tasks: list[TaskPlan]
    by_name: dict[str, TaskPlan]
    first: tuple[int, ...]  # tasks that need nothing
    order: tuple[int, ...]  # every task after those that it needs
    parameters: tuple[Selector, ...]
    artifacts: tuple[Selector, ...]
    levels_out: dict[str, int]  # output parameters that are collected, and by how many loops within each other
    levels_in: dict[str, int]  # the same of input parameters, by whoever gives them

    @property
    def is_dag(self) -> bool:
        return self.kind == "dag"


class Plan:
    """All component plans that the root reaches, and the root's."""

    __slots__ = ("_components", "document", "root")

    def __init__(self, document: Document) -> None:
        self.document = document
        self._components: dict[str, ComponentPlan] = {}
        for name in inside_out(uses(document.pipeline)):
            self._components[name] = self._component(name, document.pipeline.components[name])
        self.root = self._component("root", document.pipeline.root)
        for component in (self.root, *reversed(self._components.values())):
            for task in component.tasks:
                _hand_on_levels(component, task)

    def _component(self, name: str, spec: ComponentSpec) -> ComponentPlan:
        definitions = {key: _definition(key, each) for key, each in spec.input_definitions.parameters.items()}
        required = tuple(key for key, each in definitions.items() if not (each.optional or each.type == "TASK_CONFIG"))
        if spec.dag is None:
            executor = self.document.pipeline.deployment_spec.executors[spec.executor_label]
            kind: Kind = "importer" if executor.importer else "task"
            return ComponentPlan(name, spec, kind, executor, definitions, required, [], {}, (), (), (), (), {}, {})
        index = {task: at for at, task in enumerate(spec.dag.tasks)}
        tasks = [self._task(at, task, spec.dag.tasks[task], index) for task, at in index.items()]
        dependents: list[list[int]] = [[] for _ in tasks]
        for task in tasks:
            for need in task.needs:
                dependents[need].append(task.index)
        for task in tasks:
            task.dependents = tuple(dependents[task.index])
        by_name = {task.name: task for task in tasks}
        parameters = tuple(
            Selector(key, tuple((each.producer_subtask, each.output_parameter_key) for each in _sources(output)))
            for key, output in spec.dag.outputs.parameters.items()
        )
        artifacts = tuple(
            Selector(
                key, tuple((each.producer_subtask, each.output_artifact_key) for each in output.artifact_selectors)
            )
            for key, output in spec.dag.outputs.artifacts.items()
        )
        return ComponentPlan(
            name,
            spec,
            "dag",
            None,
            definitions,
            required,
            tasks,
            by_name,
            tuple(task.index for task in tasks if not task.needs),
            _order(tasks),
            parameters,
            artifacts,
            _levels_out(parameters, by_name),
            {},
        )

    def _task(self, at: int, name: str, spec: TaskSpec, index: dict[str, int]) -> TaskPlan:
        component = self._components[spec.component_ref.name]
        inputs = component.spec.input_definitions.artifacts
        loop = _loop(spec)
        given = [given_of(key, each, component) for key, each in spec.inputs.parameters.items()]
        parameters = (*given, *_default_templates(component, {*spec.inputs.parameters, loop.item if loop else ""}))
        return TaskPlan(
            name=name,
            index=at,
            spec=spec,
            component=component,
            needs=tuple(index[each] for each in dependencies(spec)),
            parameters=parameters,
            templates=tuple(given.name for given in parameters if given.source == TEMPLATE),
            artifacts=tuple(
                GivenArtifact(
                    key,
                    each.component_input_artifact,
                    each.task_output_artifact.producer_task if each.task_output_artifact else "",
                    each.task_output_artifact.output_artifact_key if each.task_output_artifact else "",
                    inputs[key].is_optional if key in inputs else True,
                )
                for key, each in spec.inputs.artifacts.items()
            ),
            always=spec.trigger_policy.strategy == "ALL_UPSTREAM_TASKS_COMPLETED",
            condition=cel.parse(spec.trigger_policy.condition) if spec.trigger_policy.condition else None,
            loop=loop,
            retry=_retry(spec),
        )


def whole(value: Any) -> Any:
    """Numbers without a fraction as integers, at any depth: protobuf writes the constant 1 as 1.0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [whole(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: whole(each) for key, each in cast("dict[str, Any]", value).items()}
    return value


def _definition(name: str, spec: InputParameterDefinition) -> Definition:
    default = MISSING if spec.default_value is msgspec.UNSET else whole(spec.default_value)
    return Definition(name, spec.declared, spec.is_optional or default is not MISSING, default, whole(spec.literals))


def given_of(name: str, spec: InputParameterSpec, component: ComponentPlan | None = None) -> Given:
    """An input spec in the shape that resolving needs."""
    selector = cel.parse(spec.parameter_expression_selector) if spec.parameter_expression_selector else None
    definition = component.definitions.get(name) if component else None
    if spec.task_output_parameter:
        source = spec.task_output_parameter
        return Given(name, OUTPUT, None, source.producer_task, source.output_parameter_key, selector, definition)
    if spec.task_final_status:
        return Given(name, STATUS, None, spec.task_final_status.producer_task, "", selector, definition)
    if spec.runtime_value:
        constant = whole(spec.runtime_value.value)
        source = TEMPLATE if mentions(constant) else CONSTANT
        return Given(name, source, constant, "", "", selector, definition)
    return Given(name, OUTER, spec.component_input_parameter, "", "", selector, definition)


def _default_templates(component: ComponentPlan, given: set[str]) -> list[Given]:
    """Defaults with placeholders, of inputs that a task does not give: what they stand for is known in the run only."""
    return [
        Given(name, TEMPLATE, each.default, "", "", None, each)
        for name, each in component.definitions.items()
        if name not in given and mentions(each.default)
    ]


def _sources(output: DagOutputParameter) -> list[ParameterSelector]:
    if output.value_from_oneof:
        return output.value_from_oneof.parameter_selectors
    return [output.value_from_parameter] if output.value_from_parameter else []


def _levels_out(selectors: tuple[Selector, ...], tasks: dict[str, TaskPlan]) -> dict[str, int]:
    found = {each.name: max(_levels(tasks[task], key) for task, key in each.sources) for each in selectors}
    return {name: levels for name, levels in found.items() if levels}


def _levels(task: TaskPlan, key: str) -> int:
    return task.component.levels_out.get(key, 0) + (task.loop is not None)


def _hand_on_levels(component: ComponentPlan, task: TaskPlan) -> None:
    found = task.component.levels_in
    for given in task.parameters:
        if given.selector is not None:
            continue
        if given.source == OUTPUT:
            levels = _levels(component.by_name[given.producer], given.key)
        else:
            levels = component.levels_in.get(given.value, 0) if given.source == OUTER else 0
        if levels > found.get(given.name, 0):
            found[given.name] = levels
        if levels > 1 and task.loop is not None and task.loop.input == given.name:
            found[task.loop.item] = max(levels - 1, found.get(task.loop.item, 0))


def _loop(spec: TaskSpec) -> LoopPlan | None:
    limit = spec.iterator_policy.parallelism_limit
    if spec.artifact_iterator:
        return LoopPlan(
            spec.artifact_iterator.item_input, None, False, spec.artifact_iterator.items.input_artifact, True, limit
        )
    if not spec.parameter_iterator:
        return None
    source = spec.parameter_iterator.items
    items = parse_items(source.raw) if source.raw else None
    template = mentions(items)
    return LoopPlan(spec.parameter_iterator.item_input, items, template, source.input_parameter, False, limit)


def parse_items(value: Any) -> list[Any] | None:
    """A loop's items: a list as it is, or a list's JSON text; None when it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return cast("list[Any]", value) if isinstance(value, list) else None


def _retry(spec: TaskSpec) -> RetryPlan | None:
    policy = spec.retry_policy
    if policy is None or not policy.max_retry_count:
        return None
    seconds = [float(text.removesuffix("s")) for text in (policy.backoff_duration, policy.backoff_max_duration)]
    return RetryPlan(policy.max_retry_count, seconds[0], policy.backoff_factor, seconds[1])


def _order(tasks: list[TaskPlan]) -> tuple[int, ...]:
    left = [len(task.needs) for task in tasks]
    order = [task.index for task in tasks if not task.needs]
    for at in order:  # grows while it is read
        for dependent in tasks[at].dependents:
            left[dependent] -= 1
            if not left[dependent]:
                order.append(dependent)
    return tuple(order)
