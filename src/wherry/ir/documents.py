"""From a file's documents to one pipeline: which document is the pipeline spec, which the platform spec.

Called by `wherry.ir.load` and by the client, which must not pay for msgspec.  Invariant: the result is the JSON
form that KFP's REST API takes: the plain pipeline spec, or `{"pipeline_spec": ..., "platform_spec": ...}`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from wherry.errors import UsageError

YAML = "wherry.ir.yaml"  # the lazy entry: a server gets plain values and never needs PyYAML
_PIPELINE = frozenset({"pipelineInfo", "root", "components", "deploymentSpec", "schemaVersion"})
_WRAPPED = frozenset({"pipeline_spec", "platform_spec"})


class IRError(UsageError):
    """The document is no pipeline that we can run; the message begins with the place in the document."""


def read(text: bytes | str) -> dict[str, Any]:
    """The pipeline in a YAML or JSON text, as plain values.

    Documents may come in any order and null ones are skipped, as in KFP's loader; two pipeline specs or two
    platform specs are refused.  Raises IRError, or YAMLError for text that is not YAML.
    """
    return combine(import_module(YAML).load_all(text))


def combine(documents: list[Any]) -> dict[str, Any]:
    """The one pipeline that these documents make; see `read`."""
    pipeline: dict[str, Any] | None = None
    platform: dict[str, Any] | None = None
    for each in documents:
        if each is None:
            continue
        if not isinstance(each, dict):
            raise IRError(f"a pipeline document is a mapping, not {type(each).__name__}")
        document = cast("dict[str, Any]", each)
        if _WRAPPED & document.keys():
            if len([d for d in documents if d is not None]) > 1:
                raise IRError("a document with pipeline_spec must be the only one")
            return document
        if "platforms" in document and not (_PIPELINE & document.keys()):
            if platform is not None:
                raise IRError("there are two platform specs")
            platform = document
        else:
            if pipeline is not None:
                raise IRError("there are two pipeline specs")
            pipeline = document
    if pipeline is None:
        raise IRError("there is no pipeline spec in it" if platform else "the document is empty")
    return {"pipeline_spec": pipeline, "platform_spec": platform} if platform else pipeline


def split(document: dict[str, Any]) -> tuple[Any, Any]:
    """(pipeline spec, platform spec or None) of a document in either form."""
    if not _WRAPPED & document.keys():
        return document, None
    unknown = document.keys() - _WRAPPED
    if unknown:
        raise IRError(f"unknown field {min(unknown)!r} beside pipeline_spec")
    if document.get("pipeline_spec") is None:
        raise IRError("pipeline_spec: missing")
    return document["pipeline_spec"], document.get("platform_spec")
