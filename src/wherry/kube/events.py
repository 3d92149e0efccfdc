"""Events: what users see under an object in `kubectl describe`.

Called by the controller runner and the node agent.  Invariant: the same event of the same object is one Event whose
count grows, named by its content, so that telling twice after a crash makes no second one; an event that cannot be
written stops nobody.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from wherry.kube.errors import AlreadyExists, KubeError
from wherry.kube.names import SUBDOMAIN_LENGTH
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import EVENTS
from wherry.kube.times import timestamp
from wherry.seams import Clock

MESSAGE_LIMIT = 1024  # as the API server's

EventType = Literal["Normal", "Warning"]


class EventRecorder:
    """Tells events in the name of one component (`wherry-job-controller`, `wherry-node`)."""

    def __init__(self, kube: Kube, component: str, *, clock: Clock) -> None:
        self._kube = kube
        self._component = component
        self._clock = clock

    async def record(self, about: Object, type: EventType, reason: str, message: str) -> None:
        """Tells that `reason` happened to `about`; when it has been told before, counts it.

        Errors of the server are swallowed: an event is a courtesy, and its namespace may be ending.
        """
        event = event_of(about, type, reason, message, self._component, timestamp(self._clock.time()))
        name, namespace = event["metadata"]["name"], event["metadata"]["namespace"]
        try:
            try:
                await self._kube.create(event)
            except AlreadyExists:
                told = await self._kube.get(EVENTS, name, namespace)
                again = {"count": int(told.get("count") or 1) + 1, "lastTimestamp": event["lastTimestamp"]}
                await self._kube.patch(EVENTS, name, namespace, again)
        except KubeError:
            return


def event_of(about: Object, type: EventType, reason: str, message: str, component: str, now: str) -> Object:
    """The Event of `about`, complete but for what the server sets; `now` is RFC 3339."""
    metadata = about["metadata"]
    message = message[:MESSAGE_LIMIT]
    told = "\0".join([metadata.get("uid", ""), type, reason, message, component])
    digest = hashlib.sha256(told.encode(errors="replace")).hexdigest()[:16]
    involved = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata.get("uid", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][: SUBDOMAIN_LENGTH - 17]}.{digest}",
            "namespace": metadata.get("namespace") or "default",
        },
        "involvedObject": {key: value for key, value in involved.items() if value},
        "type": type,
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "reportingComponent": component,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
    }
