"""The annotation in which kubectl keeps what it applied on the client's side, as server-side apply treats it.

Called by `wherry.kube.managedfields.tracking` for the manager `kubectl` alone.  Source: the API server's
lastAppliedManager and lastAppliedUpdater.  Invariant: an object without the annotation never gets one.
"""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec

from wherry.kube.managedfields.sets import difference, paths
from wherry.kube.managedfields.shapes import Shape
from wherry.kube.managedfields.walks import compare, fields_of

MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def _annotations(obj: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = obj.get("metadata") or {}
    found: Any = metadata.get("annotations")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def allowed(shape: Shape, api_version: str, live: dict[str, Any]) -> set[tuple[str, ...]]:
    """The fields that were applied on the client's side and still are as they were applied: kubectl may take them."""
    try:
        applied: dict[str, Any] = msgspec.json.decode(_annotations(live).get(ANNOTATION) or "{}", type=dict[str, Any])
        if applied.get("apiVersion") != api_version:
            return set()
        fields = fields_of(shape, applied)
    except (ValueError, RecursionError, TypeError):
        return set()
    changes = compare(shape, applied, live)
    return set(paths(difference(difference(fields, changes.changed), changes.removed)))


def noted(obj: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The object with its annotation, if it has one, saying what is applied now."""
    annotations = _annotations(obj)
    if ANNOTATION not in annotations:
        return obj
    metadata = dict(config.get("metadata") or {})
    if ANNOTATION in _annotations(config):
        metadata["annotations"] = {key: value for key, value in _annotations(config).items() if key != ANNOTATION}
    text = json.dumps({**config, "metadata": metadata}, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return {**obj, "metadata": {**obj["metadata"], "annotations": {**annotations, ANNOTATION: text + "\n"}}}
