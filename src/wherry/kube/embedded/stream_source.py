"""Where running containers are reached: the seam between the embedded API server and its node agent, and its rules.

`StreamSource` is implemented by the node agent and set as `EmbeddedKube.stream_source`; the rules are called by
`EmbeddedKube` only.  Invariant: what reaches the node is a container that runs as far as the API server knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.pods import FINAL_PHASES, scheduled
from wherry.kube.errors import bad_request
from wherry.kube.protocol import Object
from wherry.kube.streams import Session, Tunnel


class HalfOpen(Tunnel, Protocol):
    """A tunnel whose two directions end one by one."""

    async def end_input(self) -> None:
        """The pod reads the end of what it is sent."""
        ...


class StreamSource(Protocol):
    """Reaches into running pods.  `pod` is the pod as it is now; the container exists in it.

    Raises BadRequest when the container does not run on the node.
    """

    def exec(
        self, pod: Object, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> AbstractAsyncContextManager[Session]:
        """See `Kube.exec`."""
        ...

    def attach(self, pod: Object, container: str, *, stdin: bool, tty: bool) -> AbstractAsyncContextManager[Session]:
        """See `Kube.attach`."""
        ...

    def dial(self, pod: Object, port: int) -> AbstractAsyncContextManager[HalfOpen]:
        """See `Kube.port_forward`.  Raises Unavailable when nobody listens there."""
        ...


def chosen_container(pod: Object, name: str) -> str:
    """The container that a request means; raises BadRequest when that is unclear."""
    spec, metadata = pod["spec"], pod["metadata"]
    names = [item["name"] for item in objects(spec, "containers")]
    others = [item["name"] for item in objects(spec, "initContainers")]
    if not name:
        if len(names) > 1:
            raise bad_request(
                f"a container name must be specified for pod {metadata['name']}, choose one of: [{' '.join(names)}]"
            )
        return names[0]
    if name not in (*names, *others):
        raise bad_request(f"container {name} is not valid for pod {metadata['name']}")
    return name


def running_container(pod: Object, name: str) -> str:
    """The container that streams are wanted of.  Raises BadRequest when it does not run."""
    chosen = chosen_container(pod, name)
    check_scheduled(pod)
    status: Object = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses"):
        for item in objects(status, key):
            if item.get("name") == chosen and "running" not in (item.get("state") or {}):
                state = next(iter(item.get("state") or {}), "waiting")
                raise bad_request(f'container "{chosen}" in pod "{pod["metadata"]["name"]}" is not running: {state}')
    return chosen


def attachable_container(pod: Object, name: str, *, stdin: bool, tty: bool) -> str:
    """The container that is to be attached to.  Raises BadRequest when it does not run, or has not what is wanted."""
    chosen = running_container(pod, name)
    for key in ("containers", "initContainers"):
        for item in objects(pod["spec"], key):
            for wish, field in ((stdin, "stdin"), (tty, "tty")):
                if item["name"] == chosen and wish and not item.get(field):
                    raise bad_request(f"container {chosen} has no {field}: its own {field} is not true")
    return chosen


def check_scheduled(pod: Object) -> None:
    """Raises BadRequest for a pod that is on no node, or over."""
    name = pod["metadata"]["name"]
    if not scheduled(pod):
        raise bad_request(f"pod {name} does not have a host assigned")
    status: Object = pod.get("status") or {}
    phase = status.get("phase")
    if phase in FINAL_PHASES:
        raise bad_request(f"pod {name} is over: its phase is {phase}")
