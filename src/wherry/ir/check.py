"""What the schema alone does not say: names that must exist, graphs without cycles, sizes that stay sane.

Called by `wherry.ir.load` once a document.  Invariant: after `check` every reference leads somewhere, every condition
parses, tasks of a DAG have an order, components do not contain themselves, and the whole unfolds to a bounded graph.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import msgspec

from wherry.ir import cel
from wherry.ir.forms import SCHEMA_VERSION, IRError
from wherry.ir.spec import ComponentSpec, DagSpec, ExecutorSpec, PipelineSpec, TaskSpec

MAX_NESTING = 50  # DAGs within DAGs
MAX_TASKS = 200_000  # tasks after unfolding nested DAGs; iterations of loops do not count

_PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_TASK_NAME = re.compile(r"[^/\[\]\x00-\x1f\x7f]{1,253}")
_DURATION = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?s")
_LONGEST_S = 315_576_000_000  # protobuf's: ten thousand years


def check(spec: PipelineSpec) -> None:
    """Raises IRError, beginning with the path in the document, for the first thing that is wrong."""
    if spec.schema_version != SCHEMA_VERSION:
        raise IRError(f"schemaVersion: {spec.schema_version!r} is not supported, only {SCHEMA_VERSION}")
    if not _PIPELINE_NAME.fullmatch(spec.pipeline_info.name):
        raise IRError(
            f"pipelineInfo.name: {spec.pipeline_info.name!r} is not a pipeline's name: lower-case letters, digits and "
            "dashes, at most 128 characters"
        )
    for label, executor in spec.deployment_spec.executors.items():
        _check_executor(f"deploymentSpec.executors.{label}", executor)
    if spec.root.dag is None:
        raise IRError("root.dag: missing; a pipeline's root is a dag")
    _check_component("root", spec.root, spec)
    for name, component in spec.components.items():
        _check_component(f"components.{name}", component, spec)
    _check_unfolding(spec)


def _check_executor(path: str, executor: ExecutorSpec) -> None:
    if executor.resolver is not None:
        raise IRError(f"{path}.resolver: resolver executors are not supported")
    if executor.custom_job is not None:
        raise IRError(f"{path}.customJob: custom job executors are not supported")
    if (executor.container is None) == (executor.importer is None):
        raise IRError(f"{path}: an executor is either a container or an importer")
    if executor.container is not None and not executor.container.image:
        raise IRError(f"{path}.container.image: missing")
    if executor.importer is not None:
        if executor.importer.type_schema.schema_uri:
            raise IRError(f"{path}.importer.typeSchema.schemaUri: not supported")
        uri = executor.importer.artifact_uri
        if uri.runtime_parameter and uri.value is not msgspec.UNSET:
            raise IRError(f"{path}.importer.artifactUri: either constant or runtimeParameter, not both")


def _check_component(path: str, component: ComponentSpec, spec: PipelineSpec) -> None:
    if (component.dag is None) == (not component.executor_label):
        raise IRError(f"{path}: a component has either a dag or an executorLabel")
    for name, definition in component.input_definitions.artifacts.items():
        if definition.artifact_type.schema_uri:
            raise IRError(f"{path}.inputDefinitions.artifacts.{name}.artifactType.schemaUri: not supported")
    for name, definition in component.output_definitions.artifacts.items():
        if not _TASK_NAME.fullmatch(name) or name in (".", ".."):
            raise IRError(f"{path}.outputDefinitions.artifacts: {name!r} cannot be a name")
        if definition.artifact_type.schema_uri:
            raise IRError(f"{path}.outputDefinitions.artifacts.{name}.artifactType.schemaUri: not supported")
    for name in component.output_definitions.parameters:
        if not _TASK_NAME.fullmatch(name) or name in (".", ".."):
            raise IRError(f"{path}.outputDefinitions.parameters: {name!r} cannot be a name")
    if component.dag is not None:
        _Dag(f"{path}.dag", component, component.dag, spec).check()
    elif component.executor_label not in spec.deployment_spec.executors:
        raise IRError(f"{path}.executorLabel: there is no executor {component.executor_label!r}")


class _Dag:
    """One DAG's checks, with what its messages need."""

    def __init__(self, path: str, component: ComponentSpec, dag: DagSpec, spec: PipelineSpec) -> None:
        self._path = path
        self._component = component
        self._dag = dag
        self._components = spec.components

    def check(self) -> None:
        needs: dict[str, list[str]] = {}
        for name, task in self._dag.tasks.items():
            path = f"{self._path}.tasks.{name}"
            if not _TASK_NAME.fullmatch(name) or name in (".", ".."):
                raise IRError(f"{self._path}.tasks: {name!r} cannot be a task's name")
            if task.component_ref.name not in self._components:
                raise IRError(f"{path}.componentRef.name: there is no component {task.component_ref.name!r}")
            self._check_inputs(path, task)
            self._check_control(path, task)
            needs[name] = list(dependencies(task))
            for dependency in needs[name]:
                self._need_task(f"{path}.dependentTasks", dependency)
        cycle = find_cycle(needs)
        if cycle:
            raise IRError(f"{self._path}.tasks: these tasks wait for each other: {' -> '.join(cycle)}")
        self._check_outputs()

    def _check_inputs(self, path: str, task: TaskSpec) -> None:
        for name, given in task.inputs.parameters.items():
            here = f"{path}.inputs.parameters.{name}"
            kinds = (given.task_output_parameter, given.runtime_value, given.task_final_status)
            if sum(kind is not None for kind in kinds) + bool(given.component_input_parameter) != 1:
                raise IRError(f"{here}: exactly one source is needed")
            if given.task_output_parameter:
                source = given.task_output_parameter
                self._need_output(here, source.producer_task, source.output_parameter_key, "parameters")
            if given.runtime_value and given.runtime_value.runtime_parameter:
                raise IRError(f"{here}.runtimeValue.runtimeParameter: only a constant can be given to a task")
            if given.runtime_value and given.runtime_value.value is msgspec.UNSET:
                raise IRError(f"{here}.runtimeValue.constant: missing")
            if given.task_final_status:
                self._need_task(f"{here}.taskFinalStatus", given.task_final_status.producer_task)
            outer = given.component_input_parameter
            if outer and outer not in self._component.input_definitions.parameters:
                raise IRError(f"{here}.componentInputParameter: the component has no input {outer!r}")
            if given.parameter_expression_selector:
                _check_expression(f"{here}.parameterExpressionSelector", given.parameter_expression_selector)
        for name, given in task.inputs.artifacts.items():
            here = f"{path}.inputs.artifacts.{name}"
            if (given.task_output_artifact is None) == (not given.component_input_artifact):
                raise IRError(f"{here}: exactly one source is needed")
            if given.task_output_artifact:
                source = given.task_output_artifact
                self._need_output(here, source.producer_task, source.output_artifact_key, "artifacts")
            outer = given.component_input_artifact
            if outer and outer not in self._component.input_definitions.artifacts:
                raise IRError(f"{here}.componentInputArtifact: the component has no input {outer!r}")

    def _check_control(self, path: str, task: TaskSpec) -> None:
        if task.trigger_policy.condition:
            _check_expression(f"{path}.triggerPolicy.condition", task.trigger_policy.condition)
        if task.iterator_policy.parallelism_limit < 0:
            raise IRError(f"{path}.iteratorPolicy.parallelismLimit: must not be negative")
        if task.parameter_iterator and task.artifact_iterator:
            raise IRError(f"{path}: a task has one iterator, not two")
        if task.parameter_iterator:
            items = task.parameter_iterator.items
            if bool(items.raw) == bool(items.input_parameter):
                raise IRError(f"{path}.parameterIterator.items: either raw or inputParameter is needed")
            if items.raw:
                _check_items(f"{path}.parameterIterator.items.raw", items.raw)
            if items.input_parameter and items.input_parameter not in task.inputs.parameters:
                raise IRError(
                    f"{path}.parameterIterator.items.inputParameter: the task has no input {items.input_parameter!r}"
                )
        if task.artifact_iterator and task.artifact_iterator.items.input_artifact not in task.inputs.artifacts:
            name = task.artifact_iterator.items.input_artifact
            raise IRError(f"{path}.artifactIterator.items.inputArtifact: the task has no input {name!r}")
        if task.retry_policy:
            policy = task.retry_policy
            if policy.backoff_factor < 0:
                raise IRError(f"{path}.retryPolicy.backoffFactor: must not be negative")
            if policy.max_retry_count < 0:
                raise IRError(f"{path}.retryPolicy.maxRetryCount: must not be negative")
            for field, text in (
                ("backoffDuration", policy.backoff_duration),
                ("backoffMaxDuration", policy.backoff_max_duration),
            ):
                if not _DURATION.fullmatch(text) or float(text[:-1]) > _LONGEST_S:
                    raise IRError(f"{path}.retryPolicy.{field}: {text!r} is not a duration like 30s")

    def _check_outputs(self) -> None:
        declared = self._component.output_definitions
        for name, output in self._dag.outputs.parameters.items():
            here = f"{self._path}.outputs.parameters.{name}"
            if name not in declared.parameters:
                raise IRError(f"{here}: the component declares no such output")
            if output.value_from_oneof and output.value_from_parameter:
                raise IRError(f"{here}: either valueFromParameter or valueFromOneof, not both")
            selectors = list(output.value_from_oneof.parameter_selectors) if output.value_from_oneof else []
            if output.value_from_parameter:
                selectors.append(output.value_from_parameter)
            if not selectors:
                raise IRError(f"{here}: a source is needed")
            for selector in selectors:
                self._need_output(here, selector.producer_subtask, selector.output_parameter_key, "parameters")
        for name, output in self._dag.outputs.artifacts.items():
            here = f"{self._path}.outputs.artifacts.{name}"
            if name not in declared.artifacts:
                raise IRError(f"{here}: the component declares no such output")
            if not output.artifact_selectors:
                raise IRError(f"{here}: a source is needed")
            for selector in output.artifact_selectors:
                self._need_output(here, selector.producer_subtask, selector.output_artifact_key, "artifacts")

    def _need_task(self, path: str, name: str) -> TaskSpec:
        if name not in self._dag.tasks:
            raise IRError(f"{path}: there is no task {name!r} in this DAG")
        return self._dag.tasks[name]

    def _need_output(self, path: str, producer: str, key: str, kind: str) -> None:
        task = self._need_task(path, producer)
        component = self._components.get(task.component_ref.name)
        if component is None:
            raise IRError(f"{self._path}.tasks.{producer}.componentRef.name: there is no such component")
        known: Iterable[str] = (
            component.output_definitions.parameters if kind == "parameters" else component.output_definitions.artifacts
        )
        if key not in known:
            raise IRError(f"{path}: the task {producer!r} has no output {kind[:-1]} {key!r}")


def dependencies(task: TaskSpec) -> dict[str, None]:
    """The names of the tasks that this one waits for, in order: `dependentTasks` and the producers of its inputs."""
    names = dict.fromkeys(task.dependent_tasks)
    for given in task.inputs.parameters.values():
        if given.task_output_parameter:
            names[given.task_output_parameter.producer_task] = None
        if given.task_final_status:
            names[given.task_final_status.producer_task] = None
    for given in task.inputs.artifacts.values():
        if given.task_output_artifact:
            names[given.task_output_artifact.producer_task] = None
    return names


def find_cycle(needs: dict[str, list[str]]) -> list[str]:
    """The nodes of one cycle, the first one repeated at the end; empty when there is none."""
    state: dict[str, int] = {}  # 1: on the current path, 2: done
    for start in needs:
        if start in state:
            continue
        trail = [(start, iter(needs[start]))]
        state[start] = 1
        while trail:
            node, rest = trail[-1]
            for each in rest:
                if state.get(each) == 1:
                    path = [name for name, _ in trail]
                    return [*path[path.index(each) :], each]
                if each not in state:
                    state[each] = 1
                    trail.append((each, iter(needs.get(each, ()))))
                    break
            else:
                state[node] = 2
                trail.pop()
    return []


def _check_items(path: str, raw: str) -> None:
    try:
        items = json.loads(raw)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        raise IRError(f"{path}: not a JSON list: {raw[:80]}")


def _check_expression(path: str, text: str) -> None:
    try:
        cel.parse(text)
    except cel.CELError as error:
        raise IRError(f"{path}: {error.message} in: {text[:200]}") from None


def _check_unfolding(spec: PipelineSpec) -> None:
    """Components that contain themselves, nest too deeply, or unfold to more tasks than a run can have."""
    contents = uses(spec)
    cycle = find_cycle(contents)
    if cycle:
        raise IRError(f"components: these components contain each other: {' -> '.join(cycle)}")
    counts: dict[str, int] = {}
    depths: dict[str, int] = {}
    for name in inside_out(contents):
        counts[name] = 1 + sum(counts[each] for each in contents[name])
        depths[name] = 1 + max((depths[each] for each in contents[name]), default=0)
    used = [task.component_ref.name for task in spec.root.dag.tasks.values()] if spec.root.dag else []
    tasks = sum(counts[each] for each in used)
    if tasks > MAX_TASKS:
        raise IRError(f"root: the pipeline unfolds to {tasks} tasks; more than {MAX_TASKS} are refused")
    if max((depths[each] for each in used), default=0) > MAX_NESTING:
        raise IRError(f"root: pipelines nest deeper than {MAX_NESTING} levels")


def uses(spec: PipelineSpec) -> dict[str, list[str]]:
    """By component, the components of its tasks."""
    return {
        name: [task.component_ref.name for task in component.dag.tasks.values()] if component.dag else []
        for name, component in spec.components.items()
    }


def inside_out(contents: dict[str, list[str]]) -> list[str]:
    """The components, each after those it contains."""
    order: list[str] = []
    seen: set[str] = set()
    for start in contents:
        trail = [start]
        while trail:
            node = trail[-1]
            if node in seen:
                trail.pop()
                continue
            missing = [each for each in contents[node] if each not in seen]
            if missing:
                trail.extend(missing)
            else:
                seen.add(node)
                order.append(node)
                trail.pop()
    return order
