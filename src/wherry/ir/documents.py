"""From a file's documents to one pipeline: which document is the pipeline spec, which the platform spec.

Called by `wherry.ir.load` and by the client, which must not pay for msgspec.  Invariant: the result is the JSON
form that KFP's REST API takes: the plain pipeline spec, or `{"pipeline_spec": ..., "platform_spec": ...}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, cast

from wherry.ir import forms
from wherry.ir.forms import FirstFormat, IRError

__all__ = ["FirstFormat", "IRError", "combine", "read", "split"]

YAML = "wherry.ir.yaml"  # the lazy entry: a server gets plain values and never needs PyYAML
PROTOJSON, SPEC = "wherry.ir.protojson", "wherry.ir.spec"  # lazy too: msgspec, only for names that KFP never writes
_PIPELINE = frozenset({"pipelineInfo", "root", "components", "deploymentSpec", "schemaVersion"})
_WIDE = frozenset({"pipeline_info", "deployment_spec", "schema_version", "sdk_version", "default_pipeline_root"})
_WRAPPED = frozenset({"pipeline_spec", "platform_spec"})


def read(text: bytes | str) -> dict[str, Any]:
    """The pipeline in a YAML or JSON text, as plain values.

    Documents may come in any order and null ones are skipped, as in KFP's loader; two pipeline specs or two
    platform specs are refused.  A pipeline spec may also be in a Kubernetes object, or be one component's alone.
    Raises IRError (FirstFormat for a component of KFP's first format), or YAMLError for text that is not YAML.
    """
    return combine(import_module(YAML).load_all(text))


def combine(documents: list[Any]) -> dict[str, Any]:
    """The one pipeline that these documents make; see `read`."""
    pipelines: list[dict[str, Any]] = []
    platforms: list[dict[str, Any]] = []
    found = [each for each in documents if each is not None]
    for document in _unpacked(found):
        if not isinstance(document, dict):
            raise IRError(f"a pipeline document is a mapping, not {_kind(document)}")
        spec = cast("dict[str, Any]", document)
        if _WRAPPED & spec.keys():
            if len(found) > 1:
                raise IRError("a document with pipeline_spec must be the only one")
            return spec
        if "implementation" in spec:
            raise FirstFormat(
                "implementation: this is a component of KFP's first format",
                hint="wherry.components.load_component_from_file makes a component of it.",
            )
        if _WIDE & spec.keys():
            spec = import_module(PROTOJSON).canonical(spec, import_module(SPEC).PipelineSpec)
        if "platforms" in spec and not (_PIPELINE & spec.keys()):
            platforms.append(spec)
        else:
            pipelines.append(forms.pipeline_of(spec) if forms.is_component(spec) else spec)
    if len(pipelines) > 1 or len(platforms) > 1:
        raise IRError(f"there are two {'pipeline' if len(pipelines) > 1 else 'platform'} specs")
    if not pipelines:
        raise IRError("there is no pipeline spec in it" if found else "the document is empty")
    pipeline = forms.rooted(pipelines[0])
    return {"pipeline_spec": pipeline, "platform_spec": platforms[0]} if platforms else pipeline


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else "a single value"


def _unpacked(documents: list[Any]) -> Iterator[Any]:
    """The documents, Kubernetes objects replaced by the specs in them."""
    for each in documents:
        specs = forms.manifest(cast("dict[str, Any]", each)) if isinstance(each, dict) else None
        yield from [each] if specs is None else [spec for spec in specs if spec is not None]


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
