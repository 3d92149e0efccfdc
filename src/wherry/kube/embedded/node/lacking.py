"""What of a pod means nothing on this machine: one table, which docs/compatibility.md shows.

Called by the server for tasks whose settings a user has chosen, and by the agent for all other pods.  Pure.  Invariant:
a field that is neither acted on nor refused (`pod_rules`, `pod_node_rules`) is in the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wherry.kube.embedded.node.containers import containers, items, mapping
from wherry.kube.protocol import Object

LACKING: dict[str, str] = {
    "spec.nodeSelector": "there is one node, and it takes every pod",
    "spec.affinity": "there is one node, and it takes every pod",
    "spec.tolerations": "the one node has no taints",
    "spec.topologySpreadConstraints": "there is one node, and it takes every pod",
    "spec.priorityClassName": "pods start in the order in which they come, as far as they fit",
    "spec.priority": "pods start in the order in which they come, as far as they fit",
    "spec.preemptionPolicy": "no pod makes way for another",
    "spec.overhead": "a process costs nothing beyond its requests",
    "spec.resources": "amounts are those of containers",
    "spec.runtimeClassName": "there is no container engine: a container is a process of this machine",
    "spec.hostUsers": "a container is a process of the user that wherry runs as",
    "spec.securityContext": "a container is a process of the user that wherry runs as",
    "spec.serviceAccountName": "pods get no tokens of service accounts",
    "spec.automountServiceAccountToken": "pods get no tokens of service accounts",
    "spec.dnsConfig": "names outside of this server are resolved as this machine does",
    "spec.hostnameOverride": "a process sees the host name of this machine",
    "spec.setHostnameAsFQDN": "a process sees the host name of this machine",
    "spec.imagePullSecrets": "no image is pulled",
    "container.imagePullPolicy": "no image is pulled",
    "container.securityContext": "a container is a process of the user that wherry runs as",
    "container.resizePolicy": "a container's resources do not change while it runs",
    "container.volumeMounts[].mountPropagation": "mounts in a volume are seen by their own container",
    "spec.volumes[].emptyDir.medium": "an empty folder lies on disk",
    "spec.volumes[].emptyDir.sizeLimit": "folders have no limit of their own",
    "spec.volumes[].ephemeral.volumeClaimTemplate": "the volume is an empty folder, of no class, size or labels",
}
"""Field to the reason why it means nothing here."""

# What each field says when it asks for nothing that is not so.
_PLAIN: dict[str, Any] = {
    "spec.hostUsers": True,
    "spec.automountServiceAccountToken": False,
    "spec.serviceAccountName": "default",
    "spec.setHostnameAsFQDN": False,
    "spec.priority": 0,
    "container.volumeMounts[].mountPropagation": "None",
}
_DEFAULTED = frozenset({"container.imagePullPolicy"})  # the server says it where the user does not


def lacking(pod: Object) -> list[str]:
    """Sentences for the user about what a pod that is to be made asks for in vain."""
    return [_sentence(field) for field in LACKING if _asks(pod, field)]


def lacking_of_stored(pod: Object) -> list[str]:
    """The same of a pod that the server has completed."""
    return [_sentence(field) for field in LACKING if field not in _DEFAULTED and _asks(pod, field)]


def _sentence(field: str) -> str:
    return f"{field} is not applicable here: {LACKING[field]}."


def _asks(pod: Object, field: str) -> bool:
    return any(_chosen(value) and value != _PLAIN.get(field) for value in _values(pod, field))


def _values(pod: Object, field: str) -> Iterator[Any]:
    holder, _, rest = field.partition(".")
    if holder == "container":
        listed, inside, inner = rest.partition("[].")
        for container in containers(pod):
            if inside:
                yield from (item.get(inner) for item in items(container.get(listed)))
            else:
                yield container.get(rest)
        return
    kind, _, inner = rest.removeprefix("volumes[].").partition(".")
    if rest.startswith("volumes[]."):
        yield from (mapping(volume.get(kind)).get(inner) for volume in items(pod["spec"].get("volumes")))
    else:
        yield pod["spec"].get(rest)


def _chosen(value: Any) -> bool:
    return value not in (None, "", [], {})
