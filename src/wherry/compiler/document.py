"""The documents of a pipeline: all steps of the compiler, in order.

Called by `wherry.dsl` as soon as a pipeline function has run, so that every mistake is found where it was written.
Each task gets a component and an executor of its own.  Invariant: time grows with the pipeline, not with its square.
"""

from __future__ import annotations

from wherry._version import __version__
from wherry.compiler import definitions, executors, merging, names, platforms, tasks, types
from wherry.compiler.channels import PipelineArtifactChannel, PipelineChannel, channel_of
from wherry.compiler.crossing import Crossing
from wherry.compiler.dependencies import dependencies
from wherry.compiler.errors import InconsistentTypeException
from wherry.compiler.graph import CONDITION_BRANCHES, ExitHandlerGroup, Group, LoopGroup, Task, Trace
from wherry.compiler.interface import ComponentSpec, GraphSpec, ImporterSpec, OutputSpec
from wherry.compiler.places import at
from wherry.compiler.surfacing import GroupOutput, Surfacing, check_returned
from wherry.compiler.topology import Topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

SCHEMA_VERSION = "2.1.0"


def pipeline_documents(trace: Trace, spec: ComponentSpec, returned: dict[str, Any]) -> GraphSpec:
    """The pipeline and platform documents of a pipeline whose function has run.

    `returned`: its outputs by name.  Raises InvalidTopologyException, InconsistentTypeException, ValueError, TypeError.
    """
    names.validate_pipeline_name(trace.name)
    topology = Topology(trace)
    check_returned(topology, returned)
    surfacing = Surfacing(topology, returned)
    crossing = Crossing(topology, surfacing)
    assembly = _Assembly(topology, surfacing, crossing, dependencies(topology, surfacing, crossing), spec)
    for group in topology.all_groups():
        assembly.add_dag(group)
    assembly.add_exit_tasks(topology.root, is_root=True)
    assembly.set_outputs(assembly.root, _as_outputs(surfacing.pipeline_outputs))
    _check_output_types(spec, surfacing.pipeline_outputs)
    return GraphSpec(assembly.document(spec.name), assembly.platform_document())


def component_document(spec: ComponentSpec) -> Document:
    """The document of a pipeline that is one task of the component, taking its inputs."""
    names.validate_pipeline_name(spec.name)
    trace = Trace(spec.name)
    arguments = {
        name: channel_of(name, given.type, None, given.is_artifact_list) for name, given in spec.inputs.items()
    }
    trace.add_task(Task(spec, arguments, trace.task_name(spec.name)))
    outputs = {
        name: channel_of(name, made.type, spec.name, made.is_artifact_list) for name, made in spec.outputs.items()
    }
    topology = Topology(trace)
    surfacing = Surfacing(topology, {})
    assembly = _Assembly(topology, surfacing, Crossing(topology, surfacing), {}, spec, is_component=True)
    assembly.add_dag(trace.root)
    assembly.set_outputs(assembly.root, _as_outputs(outputs))
    return assembly.document(spec.name)


class _Assembly:
    """A document being put together."""

    def __init__(
        self,
        topology: Topology,
        surfacing: Surfacing,
        crossing: Crossing,
        waits_for: dict[str, set[str]],
        spec: ComponentSpec,
        *,
        is_component: bool = False,
    ) -> None:
        self._topology = topology
        self._surfacing = surfacing
        self._crossing = crossing
        self._waits_for = waits_for
        self._is_component = is_component
        self.root: Document = definitions.of_component(spec)
        self._components: Document = {}
        self._component_names = names.UniqueNames()
        self._component_of_group: dict[str, Document] = {topology.root.name: self.root}
        self._executors: Document = {}
        self._executor_names = names.UniqueNames()
        self._platforms: Document = {}
        self._known_definitions: dict[int, Document] = {}

    def document(self, name: str) -> Document:
        """The pipeline document."""
        document: Document = {
            "pipelineInfo": {"name": name},
            "sdkVersion": f"wherry-{__version__}",
            "schemaVersion": SCHEMA_VERSION,
            "root": self.root,
            "deploymentSpec": {"executors": self._executors} if self._executors else {},
        }
        if self._components:
            document["components"] = self._components
        return document

    def platform_document(self) -> Document:
        """The platform document; empty when no task has platform settings."""
        return {"platforms": self._platforms} if self._platforms else {}

    def add_dag(self, group: Group) -> None:
        """Write the children of a group: groups first, as KFP numbers the components."""
        children = [child.name for child in group.groups] + list(group.tasks)
        if not children:
            return
        component = self._component_of_group[group.name]
        inputs = component.get("inputDefinitions", {})
        scope = tasks.Scope(
            frozenset(children),
            inputs.get("parameters", {}).keys() | inputs.get("artifacts", {}).keys(),
            is_root=group is self._topology.root,
        )
        dag: Document = {}
        for child in group.groups:
            dag[child.name] = self._add_group(child, scope)
        for task in group.tasks.values():
            dag[task.name] = self._add_task(task, scope)
        component.setdefault("dag", {})["tasks"] = dag

    def _add_group(self, group: Group, scope: tasks.Scope) -> Document:
        inputs = self._crossing.inputs(group.name)
        if isinstance(group, LoopGroup):
            if isinstance(group.item.loop_items, PipelineChannel):
                inputs.append(group.item.loop_items)
            inputs.append(group.item)
        elif group.kind != CONDITION_BRANCHES:
            inputs.extend(channel for operation in getattr(group, "conditions", ()) for channel in operation.channels())
        outputs = self._surfacing.outputs.get(group.name, {})
        component = definitions.of_group(inputs, outputs)
        self.set_outputs(component, outputs)
        entry = tasks.of_group(group, inputs, scope)
        tasks.set_dependencies(entry, group, self._waits_for.get(group.name, ()))
        self._component_of_group[group.name] = component
        self._add_component(entry, component)
        return entry

    def _add_task(self, task: Task, scope: tasks.Scope) -> Document:
        self._check_final_status(task)
        entry = tasks.of_task(task, self._surfacing.inputs(task), scope)
        component = self._component_of_task(task, scope)
        tasks.set_dependencies(entry, task, self._waits_for.get(task.name, ()))
        self._add_component(entry, component)
        return entry

    def _component_of_task(self, task: Task, scope: tasks.Scope) -> Document:
        implementation = task.component_spec.implementation
        if isinstance(implementation, GraphSpec):
            if task.platform_config:
                raise ValueError(
                    at(
                        "Platform-specific features can only be set on primitive components. "
                        "Found platform-specific feature set on a pipeline.",
                        task.place,
                    )
                )
            return merging.merge(
                implementation,
                self._components,
                self._component_names,
                self._executors,
                self._executor_names,
                self._platforms,
            )
        component = dict(self._definitions_of(task.component_spec))
        label = component["executorLabel"] = self._executor_names.take(names.executor_label(task.name))
        if isinstance(implementation, ImporterSpec):
            if task.platform_config:
                _warn(at(f"The platform settings of {task.name} have no effect: an importer has no pod.", task.place))
            self._executors[label] = {"importer": executors.importer(task, implementation)}
        elif task.container_spec is not None:
            self._executors[label] = {"container": executors.container(task, task.container_spec)}
            for platform, settings in platforms.of_task(task, scope).items():
                deployment = self._platforms.setdefault(platform, {}).setdefault("deploymentSpec", {})
                deployment.setdefault("executors", {})[label] = settings
        return component

    def _definitions_of(self, spec: ComponentSpec) -> Document:
        """The definitions of a component, which all of its tasks share."""
        known = self._known_definitions.get(id(spec))
        if known is None:
            known = self._known_definitions[id(spec)] = definitions.of_component(spec)
        return known

    def _add_component(self, entry: Document, component: Document) -> None:
        key = entry["componentRef"]["name"] = self._component_names.take(entry["componentRef"]["name"])
        self._components[key] = component

    def add_exit_tasks(self, group: Group, *, is_root: bool = False) -> None:
        """Write the exit tasks beside their groups.  Raises ValueError for an exit handler inside of other groups."""
        for child in group.groups:
            if isinstance(child, ExitHandlerGroup):
                if not is_root:
                    raise ValueError(
                        at(
                            "ExitHandler can only be used within the outermost scope of a pipeline function "
                            f"definition. Using an ExitHandler within {group.keyword} {group.name} is not allowed.",
                            child.place,
                        )
                    )
                self._add_exit_task(child)
            self.add_exit_tasks(child)

    def _add_exit_task(self, group: ExitHandlerGroup) -> None:
        task = group.exit_task
        inputs = self.root.get("inputDefinitions", {})
        scope = tasks.Scope((), inputs.get("parameters", {}).keys() | inputs.get("artifacts", {}).keys(), is_root=True)
        entry = tasks.of_exit_task(task, group.name, scope)
        if isinstance(task.component_spec.implementation, ImporterSpec):
            raise RuntimeError(
                at(f"Exit task {task.name} is missing both container spec and pipeline spec.", task.place)
            )
        self._add_component(entry, self._component_of_task(task, scope))
        self.root.setdefault("dag", {}).setdefault("tasks", {})[task.name] = entry

    def set_outputs(self, component: Document, outputs: dict[str, GroupOutput]) -> None:
        """Write where a component's outputs come from.  Raises ValueError when that and what it declares differ."""
        declared = component.get("outputDefinitions", {})
        sources: Document = {}
        for name, output in outputs.items():
            kind = "artifacts" if isinstance(output.channel, PipelineArtifactChannel) else "parameters"
            if name not in declared.get(kind, {}):
                raise ValueError(
                    at(
                        f"Pipeline or component output not defined: {name}. You may be missing a type annotation.",
                    )
                )
            sources.setdefault(kind, {})[name] = _output_source(output, kind)
        for kind in ("artifacts", "parameters"):
            for name in declared.get(kind, {}):
                if name not in sources.get(kind, {}):
                    raise ValueError(at(f"Missing pipeline output: {name}."))
        if sources:
            component.setdefault("dag", {})["outputs"] = sources

    def _check_final_status(self, task: Task) -> None:
        if self._is_component or task.ignores_upstream_failure:
            return
        for name, spec in task.component_spec.inputs.items():
            if types.is_final_status(spec.type):
                raise ValueError(
                    at(
                        "PipelineTaskFinalStatus can only be used in an exit task. "
                        f"Parameter {name} of a non exit task has type PipelineTaskFinalStatus.",
                        task.place,
                    )
                )


def _warn(message: str) -> None:
    import warnings  # noqa: PLC0415 - only here

    warnings.warn(message, stacklevel=2)


def _output_source(output: GroupOutput, kind: str) -> Document:
    if kind == "artifacts":
        return {
            "artifactSelectors": [{"producerSubtask": child, "outputArtifactKey": key} for child, key in output.sources]
        }
    selectors = [{"producerSubtask": child, "outputParameterKey": key} for child, key in output.sources]
    if output.is_one_of:
        return {"valueFromOneof": {"parameterSelectors": selectors}}
    return {"valueFromParameter": selectors[0]}


def _as_outputs(returned: dict[str, Any]) -> dict[str, GroupOutput]:
    return {
        name: GroupOutput(channel, [(channel.channel_task or "", channel.channel_name)])
        for name, channel in returned.items()
    }


def _check_output_types(spec: ComponentSpec, returned: dict[str, Any]) -> None:
    for name, channel in returned.items():
        declared = spec.outputs[name]
        if not _fits(channel, declared):
            which = "" if len(returned) == 1 else f"{name!r} "
            raise InconsistentTypeException(
                at(
                    f"Incompatible return type provided for output {which}of pipeline {spec.name!r}. Output of type "
                    f"{_shown(channel.channel_type, channel)!r} cannot be surfaced as pipeline output type "
                    f"{_shown(declared.type, declared)!r}"
                )
            )


def _fits(channel: PipelineChannel, declared: OutputSpec) -> bool:
    if isinstance(channel, PipelineArtifactChannel):
        return types.artifacts_compatible(
            channel.channel_type, channel.is_artifact_list, declared.type, declared.is_artifact_list
        )
    return types.parameter_type(channel.channel_type) == types.parameter_type(declared.type)


def _shown(type_name: str, holder: Any) -> str:
    name = types.parameter_type(type_name) or type_name
    return f"List[{name}]" if getattr(holder, "is_artifact_list", False) else name
