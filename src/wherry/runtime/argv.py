"""Placeholders in a command line, and references between the parameter values of one task.

Called by `wherry.runtime.main` (values), `wherry.runtime.commands` (argv) and by the driver, which may splice structs
early.  Follows the launcher of KFP, and `kfp.local` for what only that resolves.  Invariant: one pass; a value that was
put in is never looked at again, so text in a parameter cannot become a placeholder.
"""

from __future__ import annotations

import json
import re

from wherry.runtime import artifact_types
from wherry.runtime.failures import TaskError
from wherry.runtime.placeholders import PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER
from wherry.runtime.shapes import as_array, as_object, is_array, is_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

_PLACEHOLDER = re.compile(r"\{\{\$(?:\.([^{}]*))?\}\}")
_KEYED = re.compile(
    r"(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)\[(?:'{1,2}|\")(?P<name>.*?)(?:'{1,2}|\")\]"
    r"(?:\.(?P<field>\w+)(?:\[(?:'{1,2}|\")(?P<key>.*?)(?:'{1,2}|\")\])?)?"
)
_ESCAPE = re.compile(r"json_escape\[([1-3])\]")
_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\[(?:'{1,2}|\")(.*?)(?:'{1,2}|\")\]\}\}")
_STRUCTS = ("Concat", "IfPresent")


class PlaceholderError(TaskError):
    """A command line that cannot be completed: a parameter without a value, a malformed struct."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="PlaceholderError")


def text_of(value: Any) -> str:
    """A parameter value as text: strings as they are, integral numbers without a point, everything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def splice(argv: Iterable[str], provided: Callable[[str], bool]) -> list[str]:
    """`argv` with each IfPresent or Concat element (JSON text) replaced by its element or elements.

    `provided(name)` says whether the input has a value.  Raises PlaceholderError on a malformed struct.
    """
    spliced: list[str] = []
    for element in argv:
        struct = _struct(element)
        if struct is None:
            spliced.append(element)
        else:
            spliced.extend(_elements(struct, provided))
    return spliced


def _struct(element: str) -> dict[str, Any] | None:
    if not element.startswith("{") or not any(f'"{name}"' in element for name in _STRUCTS):
        return None
    try:
        value = json.loads(element)
    except ValueError:
        return None
    return value if is_object(value) and len(value) == 1 and next(iter(value)) in _STRUCTS else None


def _elements(item: Any, provided: Callable[[str], bool]) -> list[str]:
    if item is None:
        return []
    if isinstance(item, str):
        return [item]
    if is_array(item):
        return [element for part in item for element in _elements(part, provided)]
    if is_object(item) and "Concat" in item:
        return ["".join(_elements(item["Concat"], provided))]
    chosen = item.get("IfPresent") if is_object(item) else None
    if is_object(chosen) and isinstance(chosen.get("InputName"), str) and "Then" in chosen:
        return _elements(chosen["Then"] if provided(chosen["InputName"]) else chosen.get("Else"), provided)
    raise PlaceholderError(f"Malformed placeholder in the command: {json.dumps(item)}")


def is_provided(executor_input: Mapping[str, Any]) -> Callable[[str], bool]:
    """A predicate for `splice`: whether the input of that name, parameter or artifact, has a value."""
    inputs = as_object(executor_input.get("inputs"))
    parameters, artifacts = as_object(inputs.get("parameterValues")), as_object(inputs.get("artifacts"))
    return lambda name: parameters.get(name) is not None or artifacts.get(name) is not None


def substitute(
    argv: Iterable[str], executor_input: Mapping[str, Any], constants: Mapping[str, str] | None = None
) -> list[str]:
    """`argv` with its placeholders replaced, an unknown one left as it stands.

    `constants` maps whole placeholders (`{{$.pipeline_job_name}}`) to text.  Raises PlaceholderError for an input
    parameter that has no value.
    """
    known = constants or {}

    def replace(match: re.Match[str]) -> str:
        whole, inner = match.group(0), match.group(1)
        if whole == PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER:
            return json.dumps(executor_input, ensure_ascii=False)
        if whole in known:
            return known[whole]
        if inner in ("outputs.output_file", "outputMetadataUri"):
            return executor_input["outputs"]["outputFile"]
        if inner == "inputs.parameters":
            return text_of(as_object(as_object(executor_input.get("inputs")).get("parameterValues")))
        escape = _ESCAPE.fullmatch(inner or "")
        if escape:
            return _escaped(json.dumps(executor_input, ensure_ascii=False), int(escape.group(1)))
        keyed = _KEYED.fullmatch(inner or "")
        found = _keyed(keyed, executor_input) if keyed else None
        return whole if found is None else found

    return [_PLACEHOLDER.sub(replace, element) if "{{$" in element else element for element in argv]


def _escaped(text: str, times: int) -> str:
    """`text` as it stands inside of so many JSON strings within each other."""
    for _ in range(times):
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    return text


def _keyed(match: re.Match[str], executor_input: Mapping[str, Any]) -> str | None:
    side, kind, name, field, key = match.group("side", "kind", "name", "field", "key")
    if kind == "artifacts":
        holder = as_object(as_object(executor_input.get(side)).get("artifacts")).get(name)
        return None if holder is None else _artifact_text(as_array(holder.get("artifacts")), field, key)
    if side == "inputs" and field is None:
        value = as_object(as_object(executor_input.get("inputs")).get("parameterValues")).get(name)
        if value is None:
            raise PlaceholderError(f"The command uses input parameter '{name}', which has no value")
        return text_of(value)
    if side == "outputs" and field == "output_file":
        file = as_object(as_object(executor_input.get("outputs")).get("parameters")).get(name)
        return None if file is None else file["outputFile"]
    return None


def _artifact_text(artifacts: list[dict[str, Any]], field: str | None, key: str | None) -> str | None:
    if field is None:
        return text_of(artifacts)
    if not artifacts:
        return None
    first = artifacts[0]
    if field == "uri":
        return first.get("uri", "")
    if field == "path":
        return path_of(first)
    if field == "metadata":
        metadata = as_object(first.get("metadata"))
        return text_of(metadata if key is None else metadata.get(key))
    return None


def path_of(artifact: Mapping[str, Any]) -> str:
    """The local path of a RuntimeArtifact, as its class says."""
    title = as_object(artifact.get("type")).get("schemaTitle", "")
    cls = artifact_types.SCHEMA_TITLE_TO_TYPE.get(title, artifact_types.Artifact)
    return cls(uri=artifact.get("uri"), metadata=artifact.get("metadata")).path


def resolve_references(values: dict[str, Any]) -> dict[str, Any]:
    """Parameter values with `{{$.inputs.parameters['x']}}` inside their texts replaced by the value of `x`.

    That is how an f-string over a task's output arrives.  A reference to a value that is not there stays as it is.
    """
    if not any(_mentions(value) for value in values.values()):
        return values
    return {name: _resolved(value, values) for name, value in values.items()}


def _mentions(value: Any) -> bool:
    if isinstance(value, str):
        return "{{$.inputs.parameters[" in value
    if is_object(value):
        return any(_mentions(item) for item in value.values())
    return is_array(value) and any(_mentions(item) for item in value)


def _resolved(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _PARAMETER.sub(
            lambda match: match.group(0) if values.get(match.group(1)) is None else text_of(values[match.group(1)]),
            value,
        )
    if is_array(value):
        return [_resolved(item, values) for item in value]
    if is_object(value):
        return {name: _resolved(item, values) for name, item in value.items()}
    return value
