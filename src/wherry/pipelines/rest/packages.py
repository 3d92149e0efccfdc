"""Pipeline packages: a document as text, or alone in a zip or tar.gz archive.

Called by the handlers of pipelines.  Invariant: what is unpacked is bounded, and nothing is written anywhere.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from typing import Any

import msgspec

from wherry.ir import IRError, YAMLError, documents, from_builtins
from wherry.ir.limits import MAX_BYTES
from wherry.pipelines.rest.refusal import invalid

_TEXT = (".yaml", ".yml", ".json")


def document(data: bytes) -> dict[str, Any]:
    """The pipeline in a package, as plain values, checked.  Raises Refusal."""
    try:
        return checked(documents.read(_text(data)))
    except (IRError, YAMLError) as error:
        raise invalid(f"pipeline_spec: {error}") from None


def checked(spec: Any) -> dict[str, Any]:
    """A pipeline spec as a client sends it inline, with or without its platform spec.  Raises Refusal."""
    if not isinstance(spec, dict):
        raise invalid("pipeline_spec: it is not an object")
    found: dict[str, Any] = spec  # pyright: ignore[reportUnknownVariableType] - JSON
    try:
        from_builtins(found)
    except IRError as error:
        raise invalid(f"pipeline_spec: {error}") from None
    return found


def name_of(spec: dict[str, Any]) -> str:
    """The name of the pipeline in a checked document."""
    return from_builtins(spec).pipeline.pipeline_info.name


def encoded(spec: dict[str, Any]) -> bytes:
    """A document as it is stored."""
    return msgspec.json.encode(spec)


def _text(data: bytes) -> bytes:
    try:
        if data[:4] == b"PK\x03\x04":
            return _from_zip(data)
        if data[:2] == b"\x1f\x8b":
            return _from_tar(data)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise invalid(f"The archive cannot be read: {error}") from None
    return data


def _from_zip(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        with archive.open(_chosen(names)) as file:
            return _bounded(file.read(MAX_BYTES + 1))


def _from_tar(data: bytes) -> bytes:
    unpacked = zlib.decompressobj(wbits=31).decompress(data, 2 * MAX_BYTES + 1)
    if len(unpacked) > 2 * MAX_BYTES:
        raise invalid(f"The archive has more than {2 * MAX_BYTES >> 20} MiB unpacked")
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        members = [member for member in archive if member.isfile()]
        name = _chosen([member.name for member in members])
        file = archive.extractfile(next(member for member in members if member.name == name))
        assert file is not None  # it is a regular file
        return _bounded(file.read(MAX_BYTES + 1))


def _chosen(names: list[str]) -> str:
    texts = [name for name in names if name.lower().endswith(_TEXT)]
    if "pipeline.yaml" in texts:
        return "pipeline.yaml"
    if len(texts) != 1:
        raise invalid(f"The archive must hold one pipeline (a .yaml or .json file), not {len(texts)}")
    return texts[0]


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise invalid(f"The pipeline in the archive has more than {MAX_BYTES >> 20} MiB")
    return data
