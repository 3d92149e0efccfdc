"""From what a task left behind to the outputs of its commit record: values checked by type, artifacts with digests.

Called by `wherry.runtime.main` and `wherry.runtime.commands` after the user's code.  Invariant: what is returned
encodes to strict JSON, every declared parameter has a value of its type, and every artifact lies at its own URI.

An output artifact that was not written is a warning, as in KFP (metrics often have metadata only), and its record has
no digest.  It is a failure when the descriptor names it as `needed` by another task and it has no metadata either.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re

from wherry.runtime import digests, store
from wherry.runtime.artifact_types import local_path
from wherry.runtime.failures import TaskError, say
from wherry.runtime.shapes import as_array, as_object, is_array, is_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

PARAMETER_LIMIT_BYTES = 1 << 20
_SHUTIL = "shutil"  # the lazy entry: most outputs lie where they belong
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))

_FITS: dict[str, Callable[[Any], bool]] = {
    "BOOLEAN": lambda value: isinstance(value, bool),
    "LIST": is_array,
    "STRUCT": is_object,
}


class OutputError(TaskError):
    """An output is missing, of the wrong type, or too large; the message names it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="OutputError")


def read_executor_output(path: str) -> dict[str, Any]:
    """The ExecutorOutput file of a command; {} when it wrote none.  Raises OutputError when it is not one."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise OutputError(f"The executor output file {path} is not JSON: {error}") from None
    if not is_object(value):
        raise OutputError(f"The executor output file {path} does not hold a JSON object")
    return value


def collect(
    executor_output: Mapping[str, Any],
    executor_input: Mapping[str, Any],
    *,
    types: Mapping[str, str],
    needed: Collection[str],
    root: str,
) -> dict[str, Any]:
    """`{"parameters": {...}, "artifacts": {name: [RuntimeArtifact + digest]}}`.

    `types` gives the IR type of each output parameter; `root` is the attempt's folder, beyond which nothing is
    digested.  Raises OutputError, and OSError when files cannot be read.
    """
    places = executor_input["outputs"]
    values = as_object(executor_output.get("parameterValues"))
    parameters = {
        name: _parameter(name, values, place["outputFile"], types.get(name, "STRING"))
        for name, place in as_object(places.get("parameters")).items()
    }
    made = as_object(executor_output.get("artifacts"))
    artifacts = {
        name: _artifacts(
            name, holder["artifacts"], as_array(as_object(made.get(name)).get("artifacts")), name in needed, root
        )
        for name, holder in as_object(places.get("artifacts")).items()
    }
    return {"parameters": parameters, "artifacts": artifacts}


def _parameter(name: str, values: Mapping[str, Any], file: str, kind: str) -> Any:
    value = values.get(name)
    if value is None:
        value = parse(name, _read_text(name, file), kind)
    value = conform(name, value, kind)
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        raise OutputError(f"Output parameter '{name}' cannot be a parameter: {error}") from None
    if size > PARAMETER_LIMIT_BYTES:
        raise OutputError(
            f"Output parameter '{name}' has {size:,} bytes; the limit is {PARAMETER_LIMIT_BYTES:,}: use an artifact"
        )
    return value


def _read_text(name: str, file: str) -> str:
    try:
        if os.path.getsize(file) > 2 * PARAMETER_LIMIT_BYTES:
            raise OutputError(
                f"Output parameter '{name}' has {os.path.getsize(file):,} bytes; "
                f"the limit is {PARAMETER_LIMIT_BYTES:,}: use an artifact"
            )
        with open(file, "rb") as stream:
            return stream.read().decode()
    except (FileNotFoundError, IsADirectoryError):
        raise OutputError(
            f"Output parameter '{name}' was never written: nothing returned, and no file {file}"
        ) from None
    except UnicodeDecodeError as error:
        raise OutputError(f"Output parameter '{name}' ({file}) is not UTF-8 text: {error}") from None


def parse(name: str, text: str, kind: str) -> Any:
    """The value in an output parameter's file, by its IR type.  Raises OutputError."""
    if kind == "STRING":
        return text
    text = text.strip()
    if kind == "NUMBER_INTEGER" and _INTEGER.match(text):
        return int(text)
    if kind == "BOOLEAN" and text in _TRUE | _FALSE:
        return text in _TRUE
    try:
        if kind == "NUMBER_DOUBLE":
            return float(text)
        if kind not in ("NUMBER_INTEGER", "BOOLEAN"):
            return json.loads(text)
    except ValueError:
        pass
    shown = text if len(text) <= 80 else text[:77] + "..."
    raise OutputError(f"Output parameter '{name}' should be {kind}; its file holds {shown!r}")


def conform(name: str, value: Any, kind: str) -> Any:
    """`value` as IR type `kind` has it; numbers that are whole become ints for NUMBER_INTEGER.  Raises OutputError."""
    if kind == "STRING":
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if kind in ("NUMBER_INTEGER", "NUMBER_DOUBLE") and isinstance(value, (int, float)):
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise OutputError(f"Output parameter '{name}' is {value}, which no parameter can hold")
        if kind == "NUMBER_DOUBLE" or isinstance(value, int):
            return value
        if value.is_integer():
            return int(value)
    fits = _FITS.get(kind)
    if fits(value) if fits else kind not in ("NUMBER_INTEGER", "NUMBER_DOUBLE"):
        return value
    raise OutputError(f"Output parameter '{name}' should be {kind}, and is of type {_type_name(value)}")


def _type_name(value: object) -> str:
    return type(value).__name__


def _artifacts(
    name: str, declared: list[dict[str, Any]], made: list[dict[str, Any]], needed: bool, root: str
) -> list[dict[str, Any]]:
    """The records of one output: those declared, with what the task changed; more of them when it made a list."""
    if not declared:
        return []
    records: list[dict[str, Any]] = []
    for index in range(max(len(made), 1)):
        base = declared[min(index, len(declared) - 1)]
        change = made[index] if index < len(made) else {}
        records.append(_artifact(name, base, change, needed, root))
    return records


def _artifact(name: str, base: dict[str, Any], change: Mapping[str, Any], needed: bool, root: str) -> dict[str, Any]:
    uri = change.get("uri") or base["uri"]
    metadata = _strict_json(name, {**as_object(base.get("metadata")), **as_object(change.get("metadata"))})
    record: dict[str, Any] = {"name": name, "type": base.get("type") or {}, "uri": uri, "metadata": metadata}
    if not store.is_known(uri):
        return record
    path = local_path(uri)
    store.check_no_escape(path)
    custom_path = change.get("custom_path") or change.get("customPath")
    if custom_path:
        _bring_home(name, custom_path, path)
    if not os.path.exists(path):
        if needed and not metadata:
            raise OutputError(f"Output artifact '{name}' was never written, and another task needs it: no {path}")
        say(f"wherry: warning: output artifact '{name}' was never written: no {path}")
    elif _inside(path, local_path(root)):
        record["digest"] = digests.digest(path)
        store.store_for(uri).keep(uri)
    elif store.is_remote(uri):
        say(f"wherry: warning: output artifact '{name}' is not uploaded: {uri} lies outside the task's own folder")
    return record


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _bring_home(name: str, custom_path: str, path: str) -> None:
    """Copy what the task wrote at its custom path to the artifact's own place, where its consumers look."""
    store.check_no_escape(custom_path)
    source, target = os.path.abspath(custom_path), os.path.abspath(path)
    if source == target or not os.path.exists(source):
        return
    if target.startswith(source.rstrip("/") + "/"):
        raise OutputError(f"The custom path {custom_path!r} of output artifact '{name}' contains the artifact store")
    if os.path.isdir(source):
        importlib.import_module(_SHUTIL).copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        importlib.import_module(_SHUTIL).copyfile(source, target)


def _strict_json(name: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata as strict JSON: not-finite numbers become the texts protobuf's JSON has for them."""
    if not metadata:
        return metadata
    try:
        json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError):
        try:
            metadata = _finite(metadata)
            json.dumps(metadata, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise OutputError(f"The metadata of output artifact '{name}' is not JSON: {error}") from None
    return metadata


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if is_object(value):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in as_array(value)]
    return value
