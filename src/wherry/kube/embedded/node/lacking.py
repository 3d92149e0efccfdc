"""What of a pod means nothing on this machine: one table, which docs/compatibility.md shows.

Called by the server for pods whose settings a user has chosen.  Pure.  Invariant: a field that is neither acted on nor
refused is in the table.
"""

from __future__ import annotations

from typing import Any

from wherry.kube.embedded.node.containers import containers, items, mapping
from wherry.kube.protocol import Object

LACKING: dict[str, str] = {
    "spec.nodeSelector": "there is one node, and it takes every pod",
    "spec.affinity": "there is one node, and it takes every pod",
    "spec.tolerations": "the one node has no taints",
    "spec.imagePullSecrets": "no image is pulled",
    "container.imagePullPolicy": "no image is pulled",
    "container.securityContext": "a container is a process of the user that wherry runs as",
    "spec.volumes[].emptyDir.medium": "an empty folder lies on disk",
    "spec.volumes[].emptyDir.sizeLimit": "folders have no limit of their own",
    "spec.volumes[].ephemeral.volumeClaimTemplate": "the volume is an empty folder, of no class, size or labels",
}
"""Field to the reason why it means nothing here."""


def lacking(pod: Object) -> list[str]:
    """Sentences for the user about what the pod asks for in vain."""
    return [f"{field} is not applicable here: {why}." for field, why in LACKING.items() if _asks(pod, field)]


def _asks(pod: Object, field: str) -> bool:
    holder, _, rest = field.partition(".")
    if holder == "container":
        return any(_chosen(container.get(rest)) for container in containers(pod))
    kind, _, inner = rest.removeprefix("volumes[].").partition(".")
    if rest.startswith("volumes[]."):
        return any(_chosen(mapping(volume.get(kind)).get(inner)) for volume in items(pod["spec"].get("volumes")))
    return _chosen(pod["spec"].get(rest))


def _chosen(value: Any) -> bool:
    return value not in (None, "", [], {})
