"""What a leaf is launched with: its inputs and its executor, with the engine's placeholders replaced.

Called by the driver once for each attempt that it launches, so that nothing is kept for tasks that wait.  Invariant:
pure, and the same for every attempt of a task (KFP: a retry has the same inputs).
"""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.ir.kubernetes import KubernetesExecutorConfig
from wherry.ir.spec import ComponentSpec, ContainerSpec, ExecutorSpec, ImporterSpec, InputParameterSpec, TaskSpec
from wherry.pipelines.engine.inputs import (
    Unresolvable,
    artifacts_of,
    iteration_item,
    parameter_value,
    parameters_of,
)
from wherry.pipelines.engine.model import Kind, Outputs, Path, RunInfo
from wherry.pipelines.engine.placeholders import Place, filled, filled_deep, value_text
from wherry.pipelines.engine.plan import MISSING, TEMPLATE, TaskPlan, given_of, whole
from wherry.pipelines.engine.state import Dag, Leaf, Loop, Run, View

_MODELS = {"NVIDIA_": "nvidia.com/gpu", "TPU_": "google.com/tpu"}


class Resolved(msgspec.Struct):
    """All about one leaf at its launch.

    `parameters` are those with a value (the in-task runtime adds the component's defaults), integers as ints;
    `artifacts` are lists of RuntimeArtifact mappings.  Of a container, `image`, `env` and `resources` are ready to
    use; `command` and `args` still hold the placeholders that the in-task runtime replaces.
    """

    path: Path
    attempt: int
    kind: Kind
    name: str  # the task's name in its DAG
    display_name: str
    component_name: str
    component: ComponentSpec
    executor_label: str
    executor: ExecutorSpec
    task: TaskSpec
    parameters: dict[str, Any]
    artifacts: dict[str, list[dict[str, Any]]]
    platform: KubernetesExecutorConfig | None
    info: RunInfo
    levels: dict[str, int]  # parameters that loops have collected, and by how many loops within each other

    @property
    def place(self) -> Place:
        """Where the placeholders of its executor stand."""
        return Place(self.info, self.name, self.path)

    @property
    def container(self) -> ContainerSpec:
        """The container; for kind "task" only."""
        assert self.executor.container is not None
        return self.executor.container

    @property
    def caching(self) -> bool:
        return self.task.caching_options.enable_cache

    @property
    def cache_key(self) -> str:
        """The component author's own key, which replaces the computed one; mostly ""."""
        return self.task.caching_options.cache_key

    @property
    def image(self) -> str:
        return filled(self.container.image, self.place, self._with_defaults())

    @property
    def env(self) -> list[tuple[str, str]]:
        """(name, value) in the document's order."""
        known = self._with_defaults()
        return [(each.name, filled(each.value, self.place, known)) for each in self.container.env]

    @property
    def resources(self) -> dict[str, dict[str, str]]:
        """`{"requests": {...}, "limits": {...}}` in Kubernetes' terms: cpu, memory, and the accelerator's resource."""
        given, known = self.container.resources, self._with_defaults()

        def text(asked: str) -> str:
            return filled(asked, self.place, known)

        requests = {
            "cpu": text(given.resource_cpu_request) or _number(given.cpu_request),
            "memory": text(given.resource_memory_request) or _number(given.memory_request, "G"),
        }
        limits = {
            "cpu": text(given.resource_cpu_limit) or _number(given.cpu_limit),
            "memory": text(given.resource_memory_limit) or _number(given.memory_limit, "G"),
        }
        if given.accelerator is not None:
            kind = text(given.accelerator.resource_type or given.accelerator.type)
            count = text(given.accelerator.resource_count or str(given.accelerator.count or ""))
            if kind and count not in ("", "0"):
                limits[_extended_resource(kind)] = count
        return {"requests": _present(requests), "limits": _present(limits)}

    def _with_defaults(self) -> dict[str, Any]:
        defaults = {
            name: each.default_value
            for name, each in self.component.input_definitions.parameters.items()
            if each.default_value is not msgspec.UNSET and name not in self.parameters
        }
        return {**whole(defaults), **self.parameters} if defaults else self.parameters


def resolve(run: Run, path: Path) -> Resolved:
    """The leaf at `path` as it is to be launched.

    Raises Unresolvable (a finished sentence) when an input has no usable value; the driver then tells
    `Failed(..., retriable=False)`.
    """
    leaf, task = _leaf(run, path)
    parameters, artifacts = _inputs(run, leaf, task)
    component = task.component
    assert component.executor is not None
    platform = run.plan.document.platform
    kubernetes = platform.platforms.kubernetes if platform else None
    label = component.spec.executor_label
    return Resolved(
        path=path,
        attempt=leaf.attempt,
        kind=leaf.kind,
        name=task.name,
        display_name=task.spec.task_info.name or task.name,
        component_name=component.name,
        component=component.spec,
        executor_label=label,
        executor=component.executor,
        task=task.spec,
        parameters=parameters,
        artifacts=artifacts,
        platform=kubernetes.deployment_spec.executors.get(label) if kubernetes else None,
        info=run.info,
        levels=component.levels_in,
    )


def resolve_value(run: Run, path: Path, spec: dict[str, Any]) -> Any:
    """The value of an input spec of the platform document (`secretNameParameter` and the like) for the leaf at `path`.

    `spec` is an InputParameterSpec in its JSON form.  Raises Unresolvable when it has no value.
    """
    leaf, task = _leaf(run, path)
    try:
        given = given_of("value", msgspec.convert(spec, InputParameterSpec))
    except msgspec.ValidationError as error:
        raise Unresolvable(f"task {task.name!r}: {error}") from None
    group = run.get(leaf.parent)
    if isinstance(group, Loop):
        parent = run.get(group.parent)
        assert isinstance(parent, Dag)
        assert task.loop is not None
        if given.value == task.loop.item:
            return iteration_item(group, task, path)
        group = parent
    assert isinstance(group, Dag)
    value = parameter_value(run, group, task, given)
    if value is MISSING:
        raise Unresolvable(f"task {task.name!r}: a value of its platform settings is missing: {spec}")
    if given.source == TEMPLATE:
        return filled_deep(value, Place(run.info, task.name, path), _inputs(run, leaf, task)[0])
    return value


def imported(resolved: Resolved) -> Outputs:
    """What an importer puts out: the artifact that it names.  Raises Unresolvable when its URI has no value."""
    importer = resolved.executor.importer
    assert importer is not None
    uri = _artifact_uri(resolved, importer)
    names = list(resolved.component.output_definitions.artifacts) or ["artifact"]
    artifact = {
        "name": names[0],
        "type": {
            "schemaTitle": importer.type_schema.schema_title or "system.Artifact",
            "schemaVersion": importer.type_schema.schema_version or "0.0.1",
        },
        "uri": uri,
        "metadata": filled_deep(importer.metadata, resolved.place, resolved.parameters, typed=True),
    }
    return {"parameters": {}, "artifacts": {names[0]: [artifact]}}


def _artifact_uri(resolved: Resolved, importer: ImporterSpec) -> str:
    source = importer.artifact_uri
    uri = resolved.parameters.get(source.runtime_parameter) if source.runtime_parameter else source.value
    if not isinstance(uri, str) or not uri:
        raise Unresolvable(f"task {resolved.name!r}: the importer's artifact URI has no value")
    return filled(uri, resolved.place, resolved.parameters)


def _leaf(run: Run, path: Path) -> tuple[Leaf, TaskPlan]:
    leaf = run.get(path)
    if not isinstance(leaf, Leaf) or leaf.task is None:
        raise KeyError(path)
    return leaf, leaf.task


def _inputs(view: View, leaf: Leaf, task: TaskPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    group = view.get(leaf.parent)
    if isinstance(group, Dag):
        return parameters_of(view, group, task), artifacts_of(view, group, task)
    item = iteration_item(group, task, leaf.path)
    assert isinstance(group, Loop)
    assert task.loop is not None
    parameters = {name: value for name, value in group.parameters.items() if name in task.component.definitions}
    if task.loop.artifact:
        return parameters, {**group.artifacts, task.loop.item: item}
    return {**parameters, task.loop.item: item}, group.artifacts


def _number(value: float, unit: str = "") -> str:
    return f"{value_text(value)}{unit}" if value else ""


def _present(found: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if value}


def _extended_resource(accelerator: str) -> str:
    """Kubernetes' name for an accelerator: KFP also takes models such as NVIDIA_TESLA_P4, which no cluster counts."""
    return next((name for prefix, name in _MODELS.items() if accelerator.upper().startswith(prefix)), accelerator)
