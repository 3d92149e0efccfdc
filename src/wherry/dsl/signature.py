"""A function's signature read as a component's interface: which inputs and outputs, of which types.

Called by the decorators.  Invariant: does not import `inspect` (7 ms); a function's own attributes say as much.
"""

from __future__ import annotations

import builtins

from wherry.compiler import types
from wherry.compiler.interface import ComponentSpec, ContainerSpec, InputSpec, OutputSpec
from wherry.compiler.places import at
from wherry.dsl import docstrings, source
from wherry.runtime import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SINGLE_OUTPUT = "Output"


class _Missing:
    """No annotation, or no default."""

    def __repr__(self) -> str:
        return "<missing>"


MISSING = _Missing()


class Parameter:
    """A parameter of a function: its annotation with `Optional` still on it, and its default, or MISSING."""

    __slots__ = ("annotation", "default", "name")

    def __init__(self, name: str, annotation: Any, default: Any) -> None:
        self.name = name
        self.annotation = annotation
        self.default = default


def parameters_of(func: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a function.  Annotations that are texts (PEP 563) are evaluated where the function stands."""
    source.require_function(func)
    code = func.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    if code.co_flags & 0x04:  # *args
        names.append(code.co_varnames[len(names)])
    if code.co_flags & 0x08:  # **kwargs
        names.append(code.co_varnames[len(names)])
    positional = names[: code.co_argcount]
    values = func.__defaults__ or ()  # type: ignore[attr-defined] # a function
    defaults = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    defaults.update(func.__kwdefaults__ or {})  # type: ignore[attr-defined] # a function
    noted = func.__annotations__
    return [Parameter(name, _evaluated(noted.get(name, MISSING), func), defaults.get(name, MISSING)) for name in names]


def returned_annotation(func: Callable[..., Any]) -> Any:
    """What the function is annotated to return, or MISSING."""
    return _evaluated(func.__annotations__.get("return", MISSING), func)


def interface_of(
    func: Callable[..., Any], *, name: str | None = None, description: str | None = None, is_container: bool = False
) -> ComponentSpec:
    """The interface of a decorated function.

    Raises TypeError for annotations that no input or output can have, ValueError for impossible names and defaults.
    """
    inputs: dict[str, InputSpec] = {}
    outputs: dict[str, OutputSpec] = {}
    for parameter in parameters_of(func):
        _add_parameter(parameter, inputs, outputs, is_container=is_container)
    _add_returned(returned_annotation(func), outputs, is_container=is_container)
    doc = docstrings.clean(func.__doc__ or "")
    parsed = docstrings.parse(doc)
    for specs, descriptions in ((inputs, parsed.parameters), (outputs, docstrings.parse_outputs(doc))):
        for key, spec in specs.items():
            if key in descriptions:
                spec.description = descriptions[key]
    return ComponentSpec(
        name or component_name(func.__name__), inputs, outputs, description=description or parsed.description()
    )


def component_name(function_name: str) -> str:
    """The name of a function's component, before it is made fit for Kubernetes."""
    return function_name.replace("_", " ").strip()


def _evaluated(annotation: Any, func: Callable[..., Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    names: dict[str, Any] = {}
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=False):  # type: ignore[attr-defined]
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue  # not bound yet
    try:
        return builtins.eval(annotation, func.__globals__, names)  # type: ignore[attr-defined]
    except NameError:
        return annotation


def _add_parameter(
    parameter: Parameter, inputs: dict[str, InputSpec], outputs: dict[str, OutputSpec], *, is_container: bool
) -> None:
    name = parameter.name
    if name == SINGLE_OUTPUT:
        raise ValueError(at(f'"{SINGLE_OUTPUT}" is an invalid parameter name.'))
    annotation = annotations.strip_optional(parameter.annotation)
    if annotation is MISSING:
        raise TypeError(at(f"Missing type annotation for argument: {name}"))
    if annotations.is_embedded_input(annotation):
        return
    if annotations.is_output(annotation) or annotations.is_output_path(annotation):
        outputs[name] = _output(annotation)
        return
    is_bare_artifact = _is_artifact(annotation) or annotations.is_list_of_artifacts(annotation)
    if is_container and is_bare_artifact:
        raise TypeError(
            at(
                "Container Components must wrap input and output artifact annotations with Input/Output type markers "
                f"(Input[<artifact>] or Output[<artifact>]). Got function input '{name}' with annotation {annotation}."
            )
        )
    inputs[name] = _input(annotation, parameter)


def _input(annotation: Any, parameter: Parameter) -> InputSpec:
    inner = _unmarked(annotation)
    type_name, is_list = _type(inner)
    is_artifact = _is_artifact(inner) or is_list
    if is_artifact and parameter.default is not None and parameter.default is not MISSING:
        raise ValueError(at(f"Optional Input artifacts may only have default value None. Got: {parameter.default}."))
    is_system = type_name in annotations.SYSTEM_PARAMETER_TYPES
    literals = annotations.choices(inner)
    default: Any = None if parameter.default is MISSING or is_artifact else parameter.default
    if literals is not None and hasattr(default, "value"):
        default = default.value
    if literals is not None and default is not None and default not in literals:
        raise ValueError(at(f"The default of {parameter.name!r} must be one of {literals}. Got: {default!r}."))
    return InputSpec(
        type_name,
        default=default,
        optional=parameter.default is not MISSING or is_system,
        is_artifact_list=is_list,
        literals=literals,
    )


def _output(annotation: Any) -> OutputSpec:
    type_name, is_list = _type(_unmarked(annotation))
    return OutputSpec(type_name, is_artifact_list=is_list)


def _add_returned(annotation: Any, outputs: dict[str, OutputSpec], *, is_container: bool) -> None:
    if is_container:
        if annotation is not MISSING and annotation is not ContainerSpec:
            raise TypeError(at("Return annotation should be either ContainerSpec or omitted for container components."))
    elif annotation is MISSING or annotation is None:
        return
    elif hasattr(annotation, "_fields"):
        for name in annotation._fields:
            if name not in getattr(annotation, "__annotations__", {}):
                raise AttributeError(at(f"The output {name!r} has no type: use typing.NamedTuple."))
            outputs[_unused(name, outputs)] = _output(annotation.__annotations__[name])
    else:
        outputs[_unused(SINGLE_OUTPUT, outputs)] = _output(annotation)


def _unused(name: str, taken: dict[str, OutputSpec]) -> str:
    index = 2
    unused = name
    while unused in taken:
        unused = f"{name}_{index}"
        index += 1
    return unused


def _unmarked(annotation: Any) -> Any:
    if annotations.is_marked_artifact(annotation):
        return annotations.strip_marker(annotation)
    if annotations.is_input_path(annotation) or annotations.is_output_path(annotation):
        return annotation.type
    return annotation


def _type(annotation: Any) -> tuple[str, bool]:
    """The type of an input or output, and whether it is a list of artifacts."""
    if annotations.is_list_of_artifacts(annotation):
        return types.bundled(annotation.__args__[0]), True
    if _is_artifact(annotation):
        return types.bundled(annotation), False
    literals = annotations.choices(annotation)
    if literals:
        name = types.name_of_constant(literals[0])
        if name is None or any(types.name_of_constant(one) != name for one in literals):
            raise TypeError(at(f"The values of {annotation} must be texts, or integers, or booleans."))
        return name, False
    return types.name_of_annotation(annotation), False


def _is_artifact(annotation: Any) -> bool:
    return isinstance(annotation, type) and annotations.is_artifact_class(annotation)
