"""Discovery: which groups, versions and resources there are, in the plain and the aggregated form.

Called by `wherry.kube.wire.app`.  Source: "The Kubernetes API", Discovery API.  Invariant: made of the registry and the
reviews alone, so that what is served and what is said to be served are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from wherry.kube.embedded.kinds import Kind, Registry
from wherry.kube.resources import PODS, SCALES, Resource
from wherry.kube.wire.reviews import REVIEWS

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_REVIEW_VERBS = ["create"]
_PART_VERBS = ["get", "patch", "update"]
_STREAM_VERBS = ["create", "get"]
# What pods have beside their status: name -> what is sent or shown there, and verbs.
_POD_PARTS: dict[str, tuple[Resource, list[str]]] = {
    "attach": (Resource("", "v1", "PodAttachOptions", "pods", True), _STREAM_VERBS),
    "binding": (Resource("", "v1", "Binding", "pods", True), ["create"]),
    "eviction": (Resource("policy", "v1", "Eviction", "pods", True), ["create"]),
    "exec": (Resource("", "v1", "PodExecOptions", "pods", True), _STREAM_VERBS),
    "log": (PODS, ["get"]),
    "portforward": (Resource("", "v1", "PodPortForwardOptions", "pods", True), _STREAM_VERBS),
}
_REVIEWS = tuple(Kind(resource) for resource in REVIEWS)
AGGREGATED = "apidiscovery.k8s.io"
_VERSION = re.compile(r"v([1-9][0-9]{0,8})(?:(alpha|beta)([1-9][0-9]{0,8}))?")


def core_versions(host: str) -> dict[str, Any]:
    """`GET /api`."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def group_list(registry: Registry) -> dict[str, Any]:
    """`GET /apis`."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*item) for item in _groups(registry)]}


def group(registry: Registry, name: str) -> dict[str, Any] | None:
    """`GET /apis/NAME`, None when there is no such group."""
    for found, versions in _groups(registry):
        if found == name:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(found, versions)}
    return None


def resource_list(registry: Registry, group: str, version: str) -> dict[str, Any] | None:
    """`GET /api/v1` and `GET /apis/GROUP/VERSION`, None when there is no such version."""
    kinds = [kind for kind in _kinds(registry) if (kind.resource.group, kind.resource.version) == (group, version)]
    if not kinds:
        return None
    resources: list[dict[str, Any]] = []
    for kind in sorted(kinds, key=lambda kind: kind.resource.plural):
        resource = kind.resource
        item: dict[str, Any] = {
            "name": resource.plural,
            "singularName": kind.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": _verbs(kind),
        }
        if kind.short_names:
            item["shortNames"] = list(kind.short_names)
        if kind.categories:
            item["categories"] = list(kind.categories)
        resources.append(item)
        for name, (shown, verbs) in _subresources(kind).items():
            sub = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
            if shown.api_version != resource.api_version:
                sub |= {"group": shown.group, "version": shown.version}
            resources.append({**sub, "kind": shown.kind, "verbs": verbs})
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def aggregated(registry: Registry, *, core: bool, version: str) -> dict[str, Any]:
    """`GET /api` (core) or `GET /apis` for clients that take everything in one answer; `version` is v2 or v2beta1."""
    items: list[dict[str, Any]] = []
    for name, versions in _groups(registry, core=core):
        served = [{"version": each, "resources": _aggregated_resources(kinds)} for each, kinds in versions.items()]
        for each in served:
            each["freshness"] = "Current"
        items.append({"metadata": {"name": name, "creationTimestamp": None}, "versions": served})
    kind = "APIGroupDiscoveryList"
    return {"kind": kind, "apiVersion": f"{AGGREGATED}/{version}", "metadata": {}, "items": items}


def _aggregated_resources(kinds: Iterable[Kind]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for kind in sorted(kinds, key=lambda kind: kind.resource.plural):
        resource = kind.resource
        item: dict[str, Any] = {
            "resource": resource.plural,
            "responseKind": _kind(resource.group, resource.version, resource.kind),
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "singularResource": kind.singular,
            "verbs": _verbs(kind),
        }
        if kind.short_names:
            item["shortNames"] = list(kind.short_names)
        if kind.categories:
            item["categories"] = list(kind.categories)
        subresources = [
            {"subresource": name, "responseKind": _kind(shown.group, shown.version, shown.kind), "verbs": verbs}
            for name, (shown, verbs) in _subresources(kind).items()
        ]
        if subresources:
            item["subresources"] = subresources
        found.append(item)
    return found


def _kinds(registry: Registry) -> tuple[Kind, ...]:
    """What is stored, and what is only answered."""
    return (*registry.kinds, *_REVIEWS)


def _verbs(kind: Kind) -> list[str]:
    return _REVIEW_VERBS if kind.resource in REVIEWS else _VERBS


def _kind(group: str, version: str, kind: str) -> dict[str, str]:
    return {"group": group, "version": version, "kind": kind}


def _subresources(kind: Kind) -> dict[str, tuple[Resource, list[str]]]:
    """Name -> what is shown there, and verbs."""
    found: dict[str, tuple[Resource, list[str]]] = {}
    if kind.resource == PODS:
        found |= _POD_PARTS
    if kind.scale is not None:
        found["scale"] = (SCALES, _PART_VERBS)
    if kind.has_status:
        found["status"] = (kind.resource, _PART_VERBS)
    return found


def _groups(registry: Registry, *, core: bool = False) -> list[tuple[str, Mapping[str, list[Kind]]]]:
    """Groups in order of their names, each with its kinds by version, the newest first."""
    found: dict[str, dict[str, list[Kind]]] = {}
    for kind in _kinds(registry):
        resource = kind.resource
        if (not resource.group) == core:
            found.setdefault(resource.group, {}).setdefault(resource.version, []).append(kind)
    return [(name, dict(sorted(found[name].items(), key=lambda item: version_rank(item[0])))) for name in sorted(found)]


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as Kubernetes ranks them: v2, v1, v1beta2, v1alpha1, then others by name."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (3, 0, 0, version)
    major, stage, minor = match.groups()
    return ({None: 0, "beta": 1, "alpha": 2}[stage], -int(major), -int(minor or 0), "")


def _group(name: str, versions: Mapping[str, list[Kind]]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}
