"""`@dsl.pipeline`: a function that makes tasks, as a pipeline.

The function runs once, when it is decorated, and its documents are made at once, so that every mistake is found where
it was made.
"""

from __future__ import annotations

import gc

from wherry.compiler.channels import PipelineChannel, channel_of, forget_interpolated
from wherry.compiler.document import pipeline_documents
from wherry.compiler.graph import Group, Task, Trace
from wherry.compiler.interface import ComponentSpec, GraphSpec
from wherry.compiler.places import at
from wherry.dsl.components import GraphComponent
from wherry.dsl.signature import SINGLE_OUTPUT, interface_of, parameters_of
from wherry.runtime.placeholders import WORKSPACE_PATH_PLACEHOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, overload

    from wherry.dsl.config import PipelineConfig

    @overload
    def pipeline(func: Callable[..., Any]) -> GraphComponent: ...
    @overload
    def pipeline(func: None = None, **options: Any) -> Callable[[Callable[..., Any]], GraphComponent]: ...


_WORKSPACE_MOUNT = "/kfp-workspace"


def pipeline(  # pyright: ignore[reportInconsistentOverload] - the overloads leave the options to this one
    func: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    pipeline_root: str | None = None,
    display_name: str | None = None,
    pipeline_config: PipelineConfig | None = None,
) -> Any:
    """Make a function that calls components a pipeline.

    name: lower case, digits and `-`; the function's name by default.  pipeline_root: where artifacts go.

    Raises what the compiler refuses: InvalidTopologyException, InconsistentTypeException, ValueError, TypeError.
    """

    def decorate(function: Callable[..., Any]) -> GraphComponent:
        # Everything that is made here stays; looking through it for garbage again and again would double the time.
        collects = gc.isenabled()
        gc.disable()
        try:
            return make(function)
        finally:
            if collects:
                gc.enable()

    def make(function: Callable[..., Any]) -> GraphComponent:
        spec = interface_of(function, name=name, description=description)
        trace, returned = _trace(function, spec)
        if not trace.tasks:
            raise ValueError(at("Task is missing from pipeline."))
        if _uses_workspace(trace.root) and (pipeline_config is None or pipeline_config.workspace is None):
            raise ValueError(
                at(
                    "Workspace features are used (e.g., dsl.WORKSPACE_PATH_PLACEHOLDER) but "
                    "PipelineConfig.workspace.size is not set."
                )
            )
        compiled = pipeline_documents(trace, spec, _by_name(returned))
        _add_settings(compiled, spec, pipeline_root, display_name, pipeline_config)
        return GraphComponent(spec, function, compiled)

    return decorate if func is None else decorate(func)


def _trace(function: Callable[..., Any], spec: ComponentSpec) -> tuple[Trace, Any]:
    arguments: list[Any] = []
    for parameter in parameters_of(function):
        given = spec.inputs.get(parameter.name)
        if given is None:
            raise TypeError(at(f"A pipeline has no output parameters; return what {parameter.name!r} should be."))
        arguments.append(channel_of(parameter.name, given.type, None, given.is_artifact_list))
    if Trace.current is not None:
        raise Exception(at("Nested pipelines are not allowed."))  # the class that KFP raises
    trace = Trace.current = Trace(spec.name)
    forget_interpolated()
    try:
        return trace, function(*arguments)
    finally:
        Trace.current = None


def _by_name(returned: Any) -> dict[str, Any]:
    if returned is None:
        return {}
    if isinstance(returned, dict):
        return returned  # pyright: ignore[reportUnknownVariableType] # outputs of an inner pipeline
    if isinstance(returned, PipelineChannel):
        return {SINGLE_OUTPUT: returned}
    if isinstance(returned, tuple) and hasattr(returned, "_asdict"):  # pyright: ignore[reportUnknownArgumentType]
        return dict(returned._asdict())  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
    raise ValueError(at(f"Got unknown pipeline output, {returned}, of type {type(returned)}."))  # pyright: ignore[reportUnknownArgumentType]


def _add_settings(
    compiled: GraphSpec,
    spec: ComponentSpec,
    pipeline_root: str | None,
    display_name: str | None,
    config: PipelineConfig | None,
) -> None:
    info = compiled.pipeline_spec["pipelineInfo"]
    if pipeline_root:
        compiled.pipeline_spec["defaultPipelineRoot"] = pipeline_root
    if display_name:
        info["displayName"] = display_name
    if spec.description:
        info["description"] = spec.description
    settings = config.document() if config is not None else {}
    if settings:
        platforms = compiled.platform_spec.setdefault("platforms", {})
        platforms.setdefault("kubernetes", {})["pipelineConfig"] = settings


def _uses_workspace(group: Group) -> bool:
    return any(_task_uses_workspace(task) for task in group.tasks.values()) or any(
        _uses_workspace(child) for child in group.groups
    )


def _task_uses_workspace(task: Task) -> bool:
    return any(
        isinstance(value, str) and (WORKSPACE_PATH_PLACEHOLDER in value or value.startswith(_WORKSPACE_MOUNT))
        for value in task.inputs.values()
    )
