"""KFP's first component format (`component.yaml`): name, inputs, outputs and a container.

Called by `wherry.components.loading`.  Types, names and defaults become what KFP 2 makes of them: names are lower-cased
with `_`, parameter types by their synonyms, every other type an artifact.  Invariant: each field is used, known to be
information only, or refused with its place.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from typing import Any

from wherry.compiler import types
from wherry.compiler.interface import ComponentSpec, ContainerSpec, InputSpec, OutputSpec
from wherry.compiler.places import at
from wherry.components.first_format_arguments import Arguments, sanitized
from wherry.components.shape import Field, check
from wherry.runtime import annotations

Document = dict[str, Any]

_PRIMITIVE = (str, int, float, bool)
_INPUT = {
    "name": Field(str, required=True),
    "type": Field(str, dict, list),
    "description": Field(str),
    "default": Field(*_PRIMITIVE),
    "optional": Field(bool),
    "annotations": Field(dict),
}
_OUTPUT = {key: _INPUT[key] for key in ("name", "type", "description", "annotations")}
_CONTAINER = {
    "image": Field(str, required=True),
    "command": Field(list),
    "args": Field(list),
    "env": Field(dict, values=str),
    "fileOutputs": Field(dict, values=str),
}
_COMPONENT = {
    "name": Field(str),
    "description": Field(str),
    "metadata": Field(dict, fields={"annotations": Field(dict), "labels": Field(dict)}),
    "inputs": Field(list, items=Field(dict, fields=_INPUT)),
    "outputs": Field(list, items=Field(dict, fields=_OUTPUT)),
    "implementation": Field(dict, required=True, fields={"container": Field(dict, required=True, fields=_CONTAINER)}),
    "version": Field(str),
}
_TRUE, _FALSE = ("y", "yes", "t", "true", "on", "1"), ("n", "no", "f", "false", "off", "0")
_GOOGLE = re.compile(r"google\.[A-Za-z]+")
# The interface's name of each of KFP's parameter types.
_INTERFACE_NAMES = {parameter_type: name for name, parameter_type in types.INTERFACE_TYPES.items()}


def is_one(document: Any) -> bool:
    """Whether a parsed document is of this format."""
    return isinstance(document, dict) and "implementation" in document


def component(document: Document) -> ComponentSpec:
    """The component that a document describes.

    Raises TypeError for a field that is unknown, missing or of the wrong type, or a placeholder that leads nowhere;
    ValueError for names that are used twice, defaults that are not of their type, and impossible placeholders.
    """
    check(document, _COMPONENT)
    named_inputs = _by_name(document.get("inputs") or [], "input")
    named_outputs = _by_name(document.get("outputs") or [], "output")
    inputs = {sanitized(name): _input(each, f"inputs.{name}") for name, each in named_inputs.items()}
    outputs = {sanitized(name): _output(each) for name, each in named_outputs.items()}
    container = document["implementation"]["container"]
    _check_file_outputs(container.get("fileOutputs") or {}, named_outputs)
    arguments = Arguments(named_inputs.keys(), named_outputs.keys(), inputs, outputs)
    made = ContainerSpec(
        container["image"],
        arguments.read_all(container.get("command") or [], "command"),
        arguments.read_all(container.get("args") or [], "args"),
    )
    made.env = dict(container.get("env") or {})
    name = document.get("name") or "name"
    return ComponentSpec(name, inputs, outputs, description=document.get("description"), implementation=made)


def _by_name(specs: list[Document], kind: str) -> dict[str, Document]:
    named: dict[str, Document] = {}
    by_sanitized: dict[str, str] = {}
    for spec in specs:
        name = spec["name"]
        if name in named:
            raise ValueError(at(f'Non-unique {kind} name "{name}"'))
        other = by_sanitized.setdefault(sanitized(name), name)
        if other != name:
            both = f'The {kind} names "{other}" and "{name}" both become "{sanitized(name)}"'
            raise ValueError(at(f"{both}: rename one."))
        named[name] = spec
    return named


def _input(spec: Document, where: str) -> InputSpec:
    given, default = spec.get("type"), spec.get("default")
    optional = bool(spec.get("optional")) or default is not None
    default = _default(given, default, where)
    if given == "PipelineTaskFinalStatus":
        return InputSpec(given, optional=True)
    parameter = _parameter_name(given)
    if parameter is None:
        return InputSpec(_artifact_type(given), optional=optional)
    return InputSpec(parameter, default=default, optional=optional)


def _output(spec: Document) -> OutputSpec:
    given = spec.get("type")
    return OutputSpec(_parameter_name(given) or _artifact_type(given))


def _parameter_name(given: Any) -> str | None:
    """`Integer` of `int`, `Integer`, ...; None for what is an artifact."""
    if not isinstance(given, str):
        return None
    parameter_type = annotations.PARAMETER_TYPES.get(_outer(given).lower())
    return None if parameter_type is None else _INTERFACE_NAMES[parameter_type]


def _artifact_type(given: Any) -> str:
    name = _outer(given) if isinstance(given, str) else ""
    if _GOOGLE.fullmatch(name):
        return f"{name}@{annotations.DEFAULT_SCHEMA_VERSION}"
    return types.bundled(annotations.ARTIFACT_CLASSES.get(name.lower(), annotations.ARTIFACT_CLASSES["artifact"]))


def _outer(given: str) -> str:
    """`List` of `typing.List[str]`."""
    name = given.removeprefix("typing.")
    return name.split("[")[0] if name.lower().startswith(("list", "dict")) else name


def _default(given: Any, default: Any, where: str) -> Any:
    """The default as a value of its type: in this format it often is a text."""
    read = _READERS.get(annotations.PARAMETER_TYPES.get(given.lower(), "")) if isinstance(given, str) else None
    if default is None or read is None:
        return default
    try:
        return read(default)
    except (ValueError, TypeError) as error:
        raise ValueError(at(f"{where}.default: {default!r} is no {given}: {error}")) from None


def _bool(default: Any) -> Any:
    if not isinstance(default, str):
        return default
    if default.lower() not in _TRUE + _FALSE:
        raise ValueError(f"invalid truth value {default!r}")
    return default.lower() in _TRUE


def _json(default: Any) -> Any:
    try:
        return json.loads(default)
    except (ValueError, TypeError, RecursionError):
        return default


_READERS: dict[str, Callable[[Any], Any]] = {
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": float,
    "STRING": str,
    "BOOLEAN": _bool,
    "STRUCT": _json,
    "LIST": _json,
}


def _check_file_outputs(paths: dict[str, str], outputs: dict[str, Document]) -> None:
    for name, path in paths.items():
        if name not in outputs:
            raise TypeError(at(f'Unconfigurable output entry "{ {name: path} }" references non-existing output.'))
    if paths:
        warnings.warn(
            f"fileOutputs is not supported by KFP 2: {', '.join(paths)} will be missing unless the program writes to "
            "the path that {outputPath: ...} gives it.",
            UserWarning,
            stacklevel=4,
        )
