"""`@dsl.component`: a Python function as a component."""

from __future__ import annotations

from wherry import compiler
from wherry.compiler.interface import ContainerSpec
from wherry.dsl import custom_artifacts, embedding, enumerations, source
from wherry.dsl.components import PythonComponent
from wherry.dsl.signature import interface_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, overload

    from wherry.dsl.task_config import TaskConfigField, TaskConfigPassthrough

    @overload
    def component(func: Callable[..., Any]) -> PythonComponent: ...
    @overload
    def component(func: None = None, **options: Any) -> Callable[[Callable[..., Any]], PythonComponent]: ...


DEFAULT_BASE_IMAGE = "python:3.11"


def component(  # pyright: ignore[reportInconsistentOverload] - the overloads leave the options to this one
    func: Callable[..., Any] | None = None,
    *,
    base_image: str | None = None,
    target_image: str | None = None,
    packages_to_install: Sequence[str] | None = None,
    pip_index_urls: Sequence[str] | None = None,
    output_component_file: str | None = None,
    install_kfp_package: bool = True,
    kfp_package_path: str | None = None,
    pip_trusted_hosts: Sequence[str] | None = None,
    use_venv: bool = False,
    additional_funcs: Sequence[Callable[..., Any]] | None = None,
    embedded_artifact_path: str | None = None,
    task_config_passthroughs: Sequence[TaskConfigPassthrough | TaskConfigField] | None = None,
) -> Any:
    """Make a Python function a component.

    The function runs from its own source, in `base_image` (python:3.11) with `packages_to_install`; so it imports what
    it uses inside, and everything it takes and gives is annotated.  With `target_image` it is taken to be in there.

    pip_index_urls, pip_trusted_hosts: where packages come from, the first the index, the others extra.
    install_kfp_package, kfp_package_path, use_venv: how the kfp package gets into the container on Kubeflow.
    additional_funcs: functions whose sources go along.  embedded_artifact_path: a file or folder that goes along.
    task_config_passthroughs: settings that the function gets as its `TaskConfig`.
    output_component_file: also write the component's document there.

    Raises TypeError or ValueError for a signature that no component can have.
    """

    def decorate(function: Callable[..., Any]) -> PythonComponent:
        command = source.install_command(
            packages_to_install or (),
            with_kfp=install_kfp_package and target_image is None,
            kfp_package_path=kfp_package_path,
            index_urls=pip_index_urls or (),
            trusted_hosts=pip_trusted_hosts,
            use_venv=use_venv,
        )
        if target_image:
            command += source.EXECUTOR_COMMAND
        else:
            helper = embedding.helper_source(embedded_artifact_path) if embedded_artifact_path else None
            imports = custom_artifacts.import_lines(function) + enumerations.definition_lines(function)
            command += source.run_command(source.module_source(function, imports, additional_funcs or (), helper))
        made = of_function(function, target_image or base_image, command, task_config_passthroughs)
        return written(made, output_component_file)

    return decorate if func is None else decorate(func)


def of_function(
    function: Callable[..., Any],
    image: str | None,
    command: list[str],
    passthroughs: Sequence[TaskConfigPassthrough | TaskConfigField] | None,
) -> PythonComponent:
    """The component of a function that `command`, in `image`, runs from its source."""
    spec = interface_of(function)
    spec.task_config_passthroughs = [_passthrough(one) for one in passthroughs or ()]
    spec.implementation = ContainerSpec(image or DEFAULT_BASE_IMAGE, command, source.arguments(function.__name__))
    return PythonComponent(spec, function)


def written(made: PythonComponent, path: str | None) -> PythonComponent:
    """The component, after its document has been written to `path`, if one is given."""
    if path:
        compiler.Compiler().compile(made, path)
    return made


def _passthrough(given: TaskConfigPassthrough | TaskConfigField) -> tuple[str, bool]:
    field: Any = getattr(given, "field", given)
    return field.name, bool(getattr(given, "apply_to_task", False))
