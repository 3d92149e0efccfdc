"""`@dsl.container_component`: any container as a component."""

from __future__ import annotations

from wherry.compiler import placeholders, types
from wherry.compiler.interface import ComponentSpec, ContainerSpec
from wherry.compiler.places import at
from wherry.dsl.components import ContainerComponent
from wherry.dsl.signature import interface_of, parameters_of
from wherry.runtime import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def container_component(func: Callable[..., Any]) -> ContainerComponent:
    """Make a function that returns a `dsl.ContainerSpec` a component.

    The function runs once, here: its parameters are placeholders, to be put into the command and the arguments.

    Raises TypeError or ValueError for a signature or a command that no component can have.
    """
    spec = interface_of(func, is_container=True)
    arguments = [_argument(one.name, annotations.strip_optional(one.annotation)) for one in parameters_of(func)]
    described = func(*arguments)
    if not isinstance(described, ContainerSpec):
        raise TypeError(at(f"{func.__name__} must return a dsl.ContainerSpec. Got: {described!r}."))
    for element in (*(described.command or ()), *(described.args or ())):
        _check_element(spec, element)
    spec.implementation = described
    return ContainerComponent(spec, func)


def _argument(name: str, annotation: Any) -> Any:
    direction = "inputs" if annotations.is_input(annotation) else "outputs"
    if annotations.is_marked_artifact(annotation):
        if annotations.is_list_of_artifacts(annotations.strip_marker(annotation)):
            return placeholders.ArtifactListPlaceholder(direction, name)
        return placeholders.ArtifactArgument(direction, name)
    if annotations.is_output_path(annotation):
        return placeholders.OutputParameterPlaceholder(name)
    if annotations.is_input_path(annotation):
        raise ValueError(
            at(f"InputPath is for Python functions. A container takes {name!r} as Input[...], and its .path.")
        )
    return placeholders.InputValuePlaceholder(name, types.parameter_type(types.name_of_annotation(annotation)) or "")


def _check_element(spec: ComponentSpec, element: Any) -> None:
    if isinstance(element, placeholders.ArtifactArgument):
        raise ValueError(placeholders.ArtifactArgument.misuse())
    if isinstance(element, placeholders.Placeholder):
        if element.input_name and element.input_name not in spec.inputs:
            _refuse_unknown(element, "input", element.input_name)
        if element.output_name and element.output_name not in spec.outputs:
            _refuse_unknown(element, "output", element.output_name)
        nested: list[Any] = []
        if isinstance(element, placeholders.IfPresentPlaceholder):
            nested = element.branches()
        elif isinstance(element, placeholders.ConcatPlaceholder):
            nested = element.items
        for one in nested:
            _check_element(spec, one)
    elif not isinstance(element, str):
        raise TypeError(at(f'Unexpected argument "{element}" of type {type(element)}.'))


def _refuse_unknown(element: placeholders.Placeholder, kind: str, name: str) -> None:
    raise ValueError(at(f'Argument "{type(element).__name__}" references nonexistant {kind}: "{name}".'))
