"""Request paths of the Kubernetes REST API: what a path names.

Called by `wherry.kube.wire.app`.  Source: "Kubernetes API Concepts", Resource URIs.  Invariant: a path has at most one
meaning; what has none is None.
"""

from __future__ import annotations

from typing import NamedTuple

_OF_NAMESPACES = ("status", "finalize")  # subresources of namespaces themselves, not resources in one


class Target(NamedTuple):
    """A resource (all of a kind), an object in it (`name`), or a subresource of that; empty means not named."""

    group: str
    version: str
    plural: str
    namespace: str
    name: str
    subresource: str


def parse(path: str) -> Target | None:
    """The target of `/api/V/...` or `/apis/G/V/...`, None for every other path."""
    words = path.strip("/").split("/")
    if words[0] == "api" and len(words) >= 3:
        group, version, rest = "", words[1], words[2:]
    elif words[0] == "apis" and len(words) >= 4:
        group, version, rest = words[1], words[2], words[3:]
    else:
        return None
    if "" in rest:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and not (len(rest) == 3 and rest[2] in _OF_NAMESPACES):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    return Target(group, version, plural, namespace, name, subresource)
