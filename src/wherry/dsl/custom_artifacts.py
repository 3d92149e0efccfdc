"""The imports that a component's source needs for artifact classes that are not KFP's own.

Called by `wherry.dsl.python_component`.  A class is imported by the name that the annotation starts with: `x` of
`x.y.Z`.
"""

from __future__ import annotations

import sys

from wherry.compiler.places import at
from wherry.dsl.signature import MISSING, parameters_of, returned_annotation
from wherry.dsl.source import function_source
from wherry.runtime import annotations
from wherry.runtime.artifact_types import SYSTEM_CLASSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from typing import Any

IMPORT_NAME = "__import_name__"
"""An attribute of a module that was loaded under another name than the one it is imported by."""


def import_lines(func: Callable[..., Any]) -> list[str]:
    """The import statements, each once, in the order of the annotations.

    Raises TypeError for a class that is annotated by another name than the one it can be imported by.
    """
    parameters = {
        parameter.name: _artifact_class(parameter.annotation)
        for parameter in parameters_of(func)
        if _artifact_class(parameter.annotation) is not None
    }
    returned = returned_annotation(func)
    if annotations.is_marked_artifact(returned) and isinstance(annotations.strip_marker(returned), type):
        raise TypeError(at(f"Unexpected type annotation {returned!r}: a function returns the artifact's class itself."))
    fields = getattr(returned, "__annotations__", {}) if annotations.is_named_tuple(returned) else {"": returned}
    outputs = {name: cls for name, cls in fields.items() if _is_custom(cls)}
    if not parameters and not outputs:
        return []
    definition = _definition(func)
    lines: dict[str, None] = {}
    for name, cls in parameters.items():
        annotation = next(one.annotation for one in _all_arguments(definition) if one.arg == name)
        lines[import_line(_first_name(annotation), cls)] = None
    for name, cls in outputs.items():
        lines[import_line(_first_name(_returned_node(definition, name)), cls)] = None
    return list(lines)


def _artifact_class(annotation: Any) -> Any:
    if annotation is MISSING:
        return None
    annotation = annotations.strip_optional(annotation)
    if annotations.is_marked_artifact(annotation):
        marked = annotations.io_artifact_class(annotation)
        return marked if isinstance(marked, type) and marked not in SYSTEM_CLASSES else None
    return annotation if _is_custom(annotation) else None


def _is_custom(cls: Any) -> bool:
    return isinstance(cls, type) and annotations.is_artifact_class(cls) and cls not in SYSTEM_CLASSES


def _definition(func: Callable[..., Any]) -> ast.FunctionDef:
    import ast  # noqa: PLC0415 - only components with custom classes need it

    definition = ast.parse(function_source(func)).body[0]
    assert isinstance(definition, ast.FunctionDef)
    return definition


def _all_arguments(definition: ast.FunctionDef) -> list[ast.arg]:
    return [*definition.args.posonlyargs, *definition.args.args, *definition.args.kwonlyargs]


def _first_name(node: Any) -> str:
    """`x` of `Input[x.y.Z]`, `Input[List[x.y.Z]]`, `x.y.Z`, `x.y.Z | None`; empty for what is no name."""
    while not hasattr(node, "id") or hasattr(node, "slice"):
        if hasattr(node, "left"):
            node = node.right if getattr(node.left, "value", ...) is None else node.left
        elif hasattr(node, "slice") or hasattr(node, "value"):
            node = getattr(node, "slice", None) or node.value
        else:
            return ""
    return node.id


def _returned_node(definition: ast.FunctionDef, field: str) -> Any:
    returned: Any = definition.returns
    if not field:
        return returned
    for pair in getattr(returned, "args", [None, None])[1].elts if hasattr(returned, "args") else ():
        if pair.elts[0].value == field:
            return pair.elts[1]
    raise TypeError(at(f"Unexpected type annotation '{returned}' for the output {field} of {definition.name}."))


def first_names(func: Callable[..., Any]) -> dict[str, str]:
    """The name that each plain annotation of a function starts with, `return` among them."""
    definition = _definition(func)
    nodes: dict[str, Any] = {one.arg: one.annotation for one in _all_arguments(definition)}
    nodes["return"] = definition.returns
    return {name: _first_name(node) for name, node in nodes.items()}


def import_line(symbol: str, cls: type) -> str:
    """The statement that makes `symbol`, the first name of an annotation with the class, known.

    Raises TypeError when the class is known by another name there than where it is defined.
    """
    module: str = getattr(sys.modules.get(cls.__module__), IMPORT_NAME, cls.__module__)
    qualified = f"{module}.{cls.__qualname__}".split(".")
    if symbol not in qualified:
        raise TypeError(
            at(
                "Module or type name aliases are not supported. You appear to be using an alias in your type "
                f"annotation: '{'.'.join(qualified)}'. This may be due to use of an 'as' statement in an import "
                "statement or a reassignment of a module or type to a new name. Reference the module and/or type using "
                "the name as defined in the source from which the module or type is imported."
            )
        )
    *path, name = qualified[: qualified.index(symbol) + 1]
    return f"from {'.'.join(path)} import {name}" if path else f"import {name}"
