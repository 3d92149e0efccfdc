"""Where a pod's port is dialled on this host.

Called by whoever connects to a pod: port-forward.  Pods have the host's network.
"""

from __future__ import annotations

from wherry.kube.embedded.node.lifecycle import NODE_IP
from wherry.kube.protocol import Object


def dialled(pod: Object, port: int) -> tuple[str, int]:
    """The host and the port at which the pod's `port` is reached."""
    return NODE_IP, port
