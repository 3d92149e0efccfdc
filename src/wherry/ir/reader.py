"""Reading a pipeline document into records, and saying exactly what is wrong when it cannot be one.

Called by the service for every submission and by `wherry compile`'s checks.  Invariant: a `Document` has passed
`wherry.ir.check`, so the engine may follow every name in it without looking.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from wherry.ir import documents, forms
from wherry.ir.check import check
from wherry.ir.check_platform import check_platform
from wherry.ir.documents import IRError
from wherry.ir.garbage import uncollected
from wherry.ir.protojson import canonical
from wherry.ir.spec import PipelineSpec, PlatformSpec
from wherry.ir.values import check_values

R = TypeVar("R")
__all__ = ["Document", "IRError", "from_builtins", "load", "read"]


class Document(msgspec.Struct, frozen=True):
    """A checked pipeline, with its platform spec if it has one."""

    pipeline: PipelineSpec
    platform: PlatformSpec | None = None

    def to_builtins(self) -> dict[str, Any]:
        """The document as plain JSON values, as `from_builtins` takes it."""
        pipeline = msgspec.to_builtins(self.pipeline)
        if self.platform is None:
            return pipeline
        return {"pipeline_spec": pipeline, "platform_spec": msgspec.to_builtins(self.platform)}


def load(text: bytes | str) -> Document:
    """Reads one or two YAML documents, or JSON.  Raises IRError or YAMLError, both finished sentences."""
    return from_builtins(documents.read(text))


def from_builtins(document: dict[str, Any]) -> Document:
    """Reads a pipeline spec, or `{"pipeline_spec", "platform_spec"}`, from plain values; raises IRError."""
    with uncollected():
        check_values(document)
        pipeline, platform = documents.split(document)
        spec = read(forms.rooted(pipeline), PipelineSpec)
        check(spec)
        if platform is None:
            return Document(spec)
        config = read(platform, PlatformSpec)
        check_platform(config)
        return Document(spec, config)


def read(value: Any, kind: type[R]) -> R:
    """`value`, in protobuf's JSON, as the record `kind`.  Raises IRError."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        wanted = canonical(value, kind)
    try:
        return msgspec.convert(wanted, kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        place = _place(wanted, kind, where.rstrip("`"), str(error))
        raise IRError(f"{place or 'the document'}: {_plainly(message)}") from None


def _plainly(message: str) -> str:
    text = message.replace("Object contains ", "").replace("Object missing", "missing").replace("`", "'")
    return text[:1].lower() + text[1:]


def _place(value: Any, kind: Any, where: str, fault: str) -> str:
    """The path of the fault with its real keys: msgspec writes `[...]` for a mapping's keys.

    At each `[...]` the mapping's entries are halved until one entry alone brings the same fault.
    """
    done: list[str | int] = []
    for step in re.findall(r"\[[^]]*\]|[^.\[\]]+", where):
        if step != "[...]":
            done.append(int(step[1:-1]) if step.startswith("[") else step)
            continue
        holder = _at(value, done)
        keys = list(holder)
        while len(keys) > 1:
            half = keys[: len(keys) // 2]
            kept = {key: holder[key] for key in half}
            keys = half if _fails(_with(value, done, kept), kind, fault) else keys[len(keys) // 2 :]
        done.append(keys[0])
    return ".".join(map(str, done))


def _at(value: Any, path: list[str | int]) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: list[str | int], new: Any) -> Any:
    """A copy of `value` whose part at `path` is `new`."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


def _fails(value: Any, kind: Any, fault: str) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error) == fault
    return False
