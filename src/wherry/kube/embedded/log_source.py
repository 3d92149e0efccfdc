"""Where the logs of pods come from: the seam between the embedded API server and its node agent.

Implemented by the node agent and set as `EmbeddedKube.log_source`; called by `EmbeddedKube.logs` only, after it has
found the pod and the container.  Invariant: the API server never touches a log file.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from wherry.kube.protocol import Object


class LogSource(Protocol):
    """Reads what a container has written."""

    def read(
        self,
        pod: Object,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since_s: float | None = None,
        restart: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Chunks of the container's log, oldest first; with `follow` until the container has ended.

        `pod` is the pod as it is now; the container exists in it and has been started.  `restart` is the number of the
        attempt, the last one unless it is given.
        """
        ...
