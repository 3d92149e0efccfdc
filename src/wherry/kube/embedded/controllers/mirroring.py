"""EndpointSlices of Endpoints that somebody wrote by hand, for a service that selects nothing.

Called by `endpoints.plan`.  Pure.  Source: "EndpointSlices", EndpointSlice mirroring.  Invariant: the slices say what
the Endpoints say, one slice for each subset's ports and family of addresses, and go with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import at
from wherry.kube.protocol import Object
from wherry.kube.resources import ENDPOINTSLICES

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MIRRORING = "endpointslicemirroring-controller.k8s.io"
MOST = 1000  # addresses of a subset, as upstream's --mirroring-max-endpoints-per-subset
_SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = frozenset({"kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/over-capacity"})
_COPIED = ("hostname", "nodeName", "targetRef")


def wanted(service: Object, endpoints: Object | None) -> list[Object]:
    """The slices that there shall be."""
    if endpoints is None or _is_skipped(endpoints["metadata"]):
        return []
    return [_slice(service, endpoints, *part) for subset in objects(endpoints, "subsets") for part in _parts(subset)]


def paired(slices: Sequence[Object], there: Sequence[Object]) -> Iterator[tuple[Object | None, Object | None]]:
    """What is there beside what shall be in its place; either may be None."""
    left = list(there)
    for slice in slices:
        known = next((each for each in left if _key(each) == _key(slice)), None)
        if known is not None:
            left.remove(known)
        yield known, slice
    yield from ((each, None) for each in left)


def _is_skipped(metadata: Object) -> bool:
    return at(metadata, "labels", _SKIP) == "true" or at(metadata, "annotations", _LEADER) is not None


def _key(slice: Object) -> str:
    return json.dumps([slice["addressType"], slice.get("ports")], sort_keys=True)


def _parts(subset: Object) -> Iterator[tuple[str, list[Object], list[Object]]]:
    """Address type, endpoints and ports."""
    families: dict[str, list[Object]] = {}
    for key, ready in (("addresses", True), ("notReadyAddresses", False)):
        for address in objects(subset, key):
            family = families.setdefault("IPv6" if ":" in address["ip"] else "IPv4", [])
            if len(family) < MOST:
                family.append(_endpoint(address, ready=ready))
    ports = [{"name": "", **port} for port in objects(subset, "ports")]
    for family, endpoints in families.items():
        yield family, endpoints, ports


def _endpoint(address: Mapping[str, Any], *, ready: bool) -> Object:
    rest = {key: address[key] for key in _COPIED if address.get(key)}
    return {"addresses": [address["ip"]], "conditions": {"ready": ready}, **rest}


def _slice(service: Object, endpoints: Object, family: str, listed: list[Object], ports: list[Object]) -> Object:
    name: str = service["metadata"]["name"]
    theirs = endpoints["metadata"]
    given: dict[str, str] = theirs.get("labels") or {}
    labels = {**given, SERVICE_NAME: name, MANAGED_BY: MIRRORING}
    said: dict[str, str] = theirs.get("annotations") or {}
    notes = {key: text for key, text in said.items() if key not in _NOT_COPIED}
    return {
        "apiVersion": ENDPOINTSLICES.api_version,
        "kind": ENDPOINTSLICES.kind,
        "metadata": {"generateName": f"{name}-", "labels": labels, **({"annotations": notes} if notes else {})},
        "addressType": family,
        "endpoints": listed,
        "ports": ports,
    }
