"""Where a pod's port is dialled on this host.

Called by whoever connects to a pod: port-forward.  Source: docs/decisions/0027-addresses.md.  Invariant: it is where
other pods dial it, too.
"""

from __future__ import annotations

from wherry.kube.embedded.causes import whole
from wherry.kube.embedded.node.containers import items, mapping
from wherry.kube.embedded.node.lifecycle import NODE_IP
from wherry.kube.protocol import Object


def dialled(pod: Object, port: int | str) -> tuple[str, int]:
    """Host and port by which this machine's processes reach a port of a pod, given by number or by name.

    Raises ValueError for a name that none of its containers' ports has.
    """
    host: str = mapping(pod.get("status")).get("podIP") or NODE_IP
    if whole(port) or str(port).isdecimal():
        return host, int(port)
    spec = pod["spec"]
    for container in (*items(spec["containers"]), *items(spec.get("initContainers"))):
        for declared in items(container.get("ports")):
            if declared.get("name") == port:
                return host, int(declared["containerPort"])
    raise ValueError(f"the pod has no port {port!r}")
