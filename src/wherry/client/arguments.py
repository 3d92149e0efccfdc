"""A run's arguments: texts read by the parameter's type, values checked, names compared with what the pipeline takes.

Called by the command line (`-p name=value`, `--args FILE`) and `wherry.run`.  Pure.  Invariant: whatever is wrong is
said with the parameter's name, its type and the value, before a server is asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from wherry.client.flows import Flow
from wherry.errors import UsageError
from wherry.settings import suggestion

Definitions = Mapping[str, Mapping[str, Any]]
_NAMES = {
    "NUMBER_INTEGER": "an integer",
    "NUMBER_DOUBLE": "a number",
    "STRING": "a text",
    "BOOLEAN": "true or false",
    "LIST": "a list (JSON)",
    "STRUCT": "a mapping (JSON)",
    "TASK_FINAL_STATUS": "a mapping (JSON)",
    "TASK_CONFIG": "a mapping (JSON)",
    "": "a text",
}
_LEGACY_TYPES = {"INT": "NUMBER_INTEGER", "DOUBLE": "NUMBER_DOUBLE", "STRING": "STRING"}


def checked(flow: Flow, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a run, from Python values.  Raises `UsageError` for unknown, missing and ill-typed ones."""
    definitions = _definitions(flow)
    _known(flow, definitions, list(values))
    found = {name: _value(name, definitions[name], value) for name, value in values.items()}
    _complete(flow, definitions, found)
    return found


def given(flow: Flow, words: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a run, from `name=value` words, which win over `values`.  Raises `UsageError`."""
    definitions = _definitions(flow)
    texts: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise UsageError(f"-p {word}: an argument is given as name=value")
        texts[name] = text
    _known(flow, definitions, [*texts, *values])
    found = {name: _value(name, definitions[name], value) for name, value in values.items()}
    for name, text in texts.items():
        definition = definitions[name]
        kind = definition["parameterType"]
        if text == "null" and definition.get("isOptional") and kind in _TYPES and kind != "STRING":
            found[name] = None
        else:
            found[name] = _parsed(name, kind, text)
    _complete(flow, definitions, found)
    return found


def _definitions(flow: Flow) -> Definitions:
    try:
        inputs: Any = flow.spec["root"].get("inputDefinitions", {})
        artifacts: Definitions = dict(inputs.get("artifacts", {}))
        parameters: Definitions = {
            name: {**definition, "parameterType": _kind(definition)}
            for name, definition in inputs.get("parameters", {}).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}  # a malformed document: the server reads it strictly and names the field
    needed = [name for name, definition in artifacts.items() if not definition.get("isOptional")]
    if needed:
        raise UsageError(
            f"{flow.label} takes artifacts ({', '.join(needed)}), which a run cannot be given",
            hint="import them inside the pipeline with dsl.importer",
        )
    return parameters


def _kind(definition: Mapping[str, Any]) -> str:
    """The declared type, also in the deprecated field; "" when there is none that we know."""
    kind = definition.get("parameterType") or _LEGACY_TYPES.get(definition.get("type", ""), "")
    return kind if kind in _NAMES else ""


def _known(flow: Flow, definitions: Definitions, names: Sequence[str]) -> None:
    for name in names:
        if name not in definitions:
            takes = f"it takes {', '.join(definitions)}" if definitions else "it takes none"
            raise UsageError(
                f"{flow.label} has no parameter {name!r}", hint=suggestion(name, list(definitions)) or takes
            )


def _complete(flow: Flow, definitions: Definitions, found: Mapping[str, Any]) -> None:
    missing = [
        name
        for name, definition in definitions.items()
        if name not in found and "defaultValue" not in definition and not definition.get("isOptional")
    ]
    if missing:
        words = " ".join(f"-p {name}=..." for name in missing)
        what = "parameters" if len(missing) > 1 else "the parameter"
        raise UsageError(f"{flow.label} needs {what} {', '.join(missing)}", hint=f"give {words}")


def _parsed(name: str, kind: str, text: str) -> Any:
    try:
        return _PARSERS[kind](text)
    except (KeyError, ValueError, OverflowError, RecursionError):
        raise _ill(name, kind, text) from None


def _text(text: str) -> str:
    text.encode()  # what was not UTF-8 on the command line cannot be: a ValueError
    return text


def _integer(text: str) -> int:
    if len(text) > 400:
        raise ValueError
    number = int(text)
    float(number)  # protobuf's numbers are doubles: an OverflowError
    return number


def _double(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _list(text: str) -> list[Any]:
    value = _json(text)
    if not isinstance(value, list):
        raise ValueError
    return cast("list[Any]", value)


def _struct(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise ValueError
    return cast("dict[str, Any]", value)


def _json(text: str) -> Any:
    value = json.loads(text, parse_constant=_double, parse_float=_double, parse_int=_integer)
    json.dumps(value, ensure_ascii=False).encode()  # half of a character: a ValueError
    return value


_PARSERS: dict[str, Callable[[str], Any]] = {
    "NUMBER_INTEGER": _integer,
    "NUMBER_DOUBLE": _double,
    "STRING": _text,
    "BOOLEAN": _boolean,
    "LIST": _list,
    "STRUCT": _struct,
    "TASK_FINAL_STATUS": _struct,
    "TASK_CONFIG": _struct,
    "": _text,
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": (int, float),
    "STRING": str,
    "BOOLEAN": bool,
    "LIST": (list, tuple),
    "STRUCT": dict,
    "TASK_FINAL_STATUS": dict,
    "TASK_CONFIG": dict,
}


def _value(name: str, definition: Mapping[str, Any], value: Any) -> Any:
    kind: str = definition["parameterType"]
    expected = _TYPES.get(kind)
    if value is None and not definition.get("isOptional") and "defaultValue" not in definition:
        raise _ill(name, kind, value)
    if value is None or expected is None:
        return value
    whole = kind == "NUMBER_INTEGER" and isinstance(value, float) and value.is_integer()
    if whole:
        return int(value)
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != "BOOLEAN"):
        raise _ill(name, kind, value)
    return value


def _ill(name: str, kind: str, value: object) -> UsageError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
    return UsageError(f"parameter {name!r} must be {_NAMES.get(kind, kind)}, not {shown}")
