"""Streams of running containers: what `Kube.exec`, `attach` and `port_forward` give, whoever carries them.

Called by every `Kube`, by the wire face and by `wherry.cli`.  Source: KEP-4006 and the remote command protocols of
Kubernetes.  Invariant: how a command ended is Kubernetes' own Status, on both sides of the waist.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

from wherry.kube.errors import from_status

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
"""The first byte of each message: which stream it belongs to."""
CLOSE = 255
"""The first byte of a message whose second one is the channel that gets no more (v5 only)."""
NON_ZERO = "NonZeroExitCode"
SUCCESS: dict[str, Any] = {"metadata": {}, "status": "Success"}


class Output(NamedTuple):
    """A piece of what was written; a terminal has one stream, stdout."""

    stream: Literal["stdout", "stderr"]
    data: bytes


class Session(Protocol):
    """The streams of a command in a container, or of the container itself.  Leaving its context ends the command."""

    async def send(self, data: bytes) -> None:
        """Input for the process; returns when it is taken, or dropped because the process reads no more."""
        ...

    async def end_input(self) -> None:
        """The process reads the end of its input.  Raises MethodNotAllowed where the server cannot be told."""
        ...

    async def resize(self, columns: int, rows: int) -> None:
        """The size of the terminal; without one it has no effect."""
        ...

    async def receive(self) -> Output | None:
        """The next piece of output, None when all is over.  Raises KubeError when the connection breaks off."""
        ...

    @property
    def status(self) -> dict[str, Any]:
        """How it ended, as a Status, once `receive` has given None; see `exit_code`."""
        ...


class Tunnel(Protocol):
    """One connection to a port of a pod; leaving its context closes it."""

    async def send(self, data: bytes) -> None:
        """Bytes for the pod.  Raises Unavailable when the connection is gone."""
        ...

    async def receive(self) -> bytes:
        """The pod's next bytes, none at the end.  Raises Unavailable when the pod does not listen at the port."""
        ...


def ended(code: int) -> dict[str, Any]:
    """The Status of a command that ended with this exit code."""
    if code == 0:
        return SUCCESS
    message = f"command terminated with non-zero exit code: exit status {code}"
    details = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
    return {"metadata": {}, "status": "Failure", "message": message, "reason": NON_ZERO, "details": details}


def exit_code(status: dict[str, Any]) -> int:
    """The exit code that a Status tells of.  Raises KubeError for one that is about something else."""
    if status.get("status") == "Success":
        return 0
    details: dict[str, Any] = status.get("details") or {}
    causes: list[dict[str, str]] = details.get("causes") or []
    for cause in causes:
        if cause.get("reason") == "ExitCode" and cause.get("message", "").isdigit():
            return int(cause["message"])
    raise from_status(status)
