"""The scale subresource: one small object to read and set how many pods a workload has.

Called by `writes` and by the wire face for every kind that says where its counts are (`Kind.scale`), Kubernetes' own
and custom ones alike.  Source: autoscaling/v1 Scale.  Invariant: a Scale is never stored; it is made of its object, and
a change of it is a change of the object's count of replicas.
"""

from __future__ import annotations

from typing import Any, cast

from wherry.kube.embedded.columns import at
from wherry.kube.embedded.kinds import Kind, ScalePaths
from wherry.kube.errors import Cause, error, invalid
from wherry.kube.protocol import Object
from wherry.kube.resources import SCALES
from wherry.kube.selectors import selector_of, selector_text

REPLICAS = ScalePaths(("spec", "replicas"), ("status", "replicas"), ("spec", "selector"))
"""Where the kinds of the group apps keep their counts."""
SCALE = Kind(SCALES)
_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(kind: Kind, obj: Object) -> Object:
    """The Scale of an object."""
    paths = _paths(kind)
    metadata = {key: obj["metadata"][key] for key in _COPIED if key in obj["metadata"]}
    wanted, has = _count(at(obj, *paths.spec)), _count(at(obj, *paths.status))
    status: Object = {"replicas": has}
    selector: Any = at(obj, *paths.selector) if paths.selector else None
    if isinstance(selector, str):  # of a custom resource, which keeps it as text
        status["selector"] = selector
    elif isinstance(selector, dict):
        status["selector"] = selector_text(selector_of(cast("dict[str, Any]", selector)))
    spec = {"replicas": wanted} if wanted else {}
    return {**_TYPE, "metadata": metadata, "spec": spec, "status": status}


def scaled(kind: Kind, obj: Object, scale: Object) -> Object:
    """The object with the count of a Scale; raises Invalid for one that is no count."""
    wanted: Any = at(scale, "spec", "replicas")
    name: str = obj["metadata"]["name"]
    if wanted is None:
        wanted = 0
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise invalid(SCALES, name, [Cause("spec.replicas", f"Invalid value: {wanted!r}: must be an integer")])
    if wanted < 0:
        why = f"Invalid value: {wanted}: must be greater than or equal to 0"
        raise invalid(SCALES, name, [Cause("spec.replicas", why)])
    version = at(scale, "metadata", "resourceVersion")
    metadata = {**obj["metadata"], "resourceVersion": version} if version else obj["metadata"]
    return {**_with(obj, _paths(kind).spec, wanted), "metadata": metadata}


def _paths(kind: Kind) -> ScalePaths:
    if kind.scale is None:
        raise error("NotFound", "the server could not find the requested resource", resource=kind.resource)
    return kind.scale


_TYPE = {"apiVersion": SCALES.api_version, "kind": SCALES.kind}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _with(obj: Object, path: tuple[str, ...], value: Any) -> Object:
    inner: Any = obj.get(path[0])
    mapping = cast("Object", inner) if isinstance(inner, dict) else {}
    return {**obj, path[0]: value if len(path) == 1 else _with(mapping, path[1:], value)}
