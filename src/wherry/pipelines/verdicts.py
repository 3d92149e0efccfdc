"""What the state of a pod, and the commit record of its attempt, say about the attempt.

Called by the driver for every change of a pod, and by recovery.  Pure.  Invariant: what has committed is never
judged by its pod; a pod that vanished or was taken away is LOST, which is no failure of the user's code.
"""

from __future__ import annotations

import re
import signal
from datetime import datetime
from typing import Any, Literal

import msgspec

from wherry.kube.errors import Forbidden
from wherry.kube.protocol import Object
from wherry.pipelines.engine.model import Error, Outputs

PARAMETER_LIMIT_BYTES = 1 << 20
# Reasons with which Kubernetes, or our node agent, ends a pod for causes outside the user's code.
LOST_REASONS = frozenset(
    {
        "Lost",
        "NodeLost",
        "NodeShutdown",
        "Shutdown",
        "Terminated",
        "Evicted",
        "Preempting",
        "Preempted",
        "UnexpectedAdmissionError",
        "NodeAffinity",
        "ContainerStatusUnknown",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfpods",
    }
)
# Reasons of a waiting container that no waiting will cure.
HOPELESS_REASONS = frozenset({"InvalidImageName", "ErrImageNeverPull", "EnvironmentFailed"})


class CommitRecord(msgspec.Struct):
    """The result object that the runtime writes last, create-only."""

    v: Literal[1]
    state: Literal["SUCCEEDED", "FAILED"]
    exit_code: int = 0
    outputs: dict[str, dict[str, Any]] | None = None
    error: dict[str, Any] | None = None


# What container runtimes say when the first word of a command, our `python3`, is not in the image.
_NO_PYTHON = re.compile(r"python3\b.*(?:not found|no such file)", re.IGNORECASE | re.DOTALL)
_WITHOUT_PYTHON = (
    'The image {image} has no python3. Say so in wherry.toml, under [images]: "{image}" = {{ python = false }};'
    " its tasks then bring a Python along."
)
_records = msgspec.json.Decoder(CommitRecord)


class Alive(msgspec.Struct, frozen=True):
    """The pod's process runs, since `started_at`."""

    started_at: float | None


class Over(msgspec.Struct, frozen=True):
    """The pod has ended; `record` is what its termination message carries, `lost` that it was taken away."""

    record: CommitRecord | None
    lost: bool
    error: Error
    started_at: float | None
    finished_at: float | None


class Committed(msgspec.Struct, frozen=True):
    """The attempt is done."""

    outputs: Outputs


class Broke(msgspec.Struct, frozen=True):
    """The attempt failed by the user's code (or what it asked for)."""

    error: Error
    retriable: bool = True


class Lost(msgspec.Struct, frozen=True):
    """The attempt has no result, and its code is not to blame."""

    error: Error


Outcome = Committed | Broke | Lost


def parse_record(data: bytes | str) -> CommitRecord | None:
    """The commit record in `data`; None if it is none (a message of the user's own)."""
    try:
        return _records.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def of_pod(pod: Object) -> Alive | Over | None:
    """What the pod says; None while it has not started."""
    status: dict[str, Any] = pod.get("status") or {}
    phase = status.get("phase")
    if phase not in ("Running", "Succeeded", "Failed"):
        return _hopeless(status)
    main = _main(status)
    state: dict[str, Any] = main.get("state") or {}
    if phase == "Running" and "terminated" not in state:  # a pod that is being deleted keeps its phase to the end
        running = state.get("running")
        return Alive(_time(running.get("startedAt"))) if running else None
    ended: dict[str, Any] = state.get("terminated") or {}
    message = ended.get("message") or ""
    record = parse_record(message) if message.startswith("{") else None
    lost = (
        "deletionTimestamp" in pod["metadata"]
        or status.get("reason") in LOST_REASONS
        or ended.get("reason") in LOST_REASONS
        or any(
            c.get("type") == "DisruptionTarget" and c.get("status") == "True" for c in status.get("conditions") or ()
        )
    )
    error = _error(status, ended, phase)
    if ended.get("startedAt") in (None, "1970-01-01T00:00:00Z") and _NO_PYTHON.search(ended.get("message") or ""):
        error = {"type": "ImageWithoutPython", "message": _WITHOUT_PYTHON.format(image=_image(pod))}
    return Over(record, lost, error, _time(ended.get("startedAt")), _time(ended.get("finishedAt")))


def outcome(over: Over, record: CommitRecord | None) -> Outcome:
    """The attempt's end, with `record` (from the message or the store) where there is one."""
    if record is None:
        return Lost(over.error) if over.lost else Broke(over.error)
    if record.state == "FAILED":
        killed = over.error["type"] == "OOMKilled"  # a command that is killed for memory cannot say so
        return Broke(over.error if killed else record.error or over.error)
    outputs: Outputs = record.outputs or {}
    for name, value in (outputs.get("parameters") or {}).items():
        if _size(value) > PARAMETER_LIMIT_BYTES:
            return Broke(
                {
                    "type": "ParameterTooLarge",
                    "message": f"The output parameter '{name}' is larger than 1 MiB. Use an artifact for it:"
                    " parameters travel through the database, artifacts are files.",
                },
                retriable=False,
            )
    return Committed({"parameters": outputs.get("parameters") or {}, "artifacts": outputs.get("artifacts") or {}})


def vanished(name: str) -> Over:
    """What there is to say about a pod that is not there any more."""
    error = {"type": "PodLost", "message": f"The pod {name} went away before its task had committed."}
    return Over(None, True, error, None, None)


def waiting(pod: Object) -> Error:
    """Why the pod has not started: no node for it, an image that does not come, or what its containers say."""
    status: dict[str, Any] = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return {"type": condition.get("reason") or "Unschedulable", "message": condition.get("message") or ""}
    containers: list[dict[str, Any]] = [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]
    for container in containers:
        state: dict[str, Any] = container.get("state") or {}
        told: dict[str, Any] = state.get("waiting") or {}
        if told.get("reason"):
            return {"type": told["reason"], "message": told.get("message") or ""}
    return {"type": "Pending", "message": ""}


def made_at(pod: Object) -> float:
    """When the pod was made, in seconds since the epoch."""
    return _time(pod["metadata"]["creationTimestamp"]) or 0.0


def passing(refusal: Forbidden) -> bool:
    """Whether a pod that was forbidden may be allowed later: a quota is full until other pods end, and a namespace that
    is new has no service account for a moment."""
    return "exceeded quota" in refusal.message or 'serviceaccount "default" not found' in refusal.message


def _size(value: Any) -> int:
    if isinstance(value, (bool, int, float)) or value is None:
        return 8
    return len(value.encode()) if isinstance(value, str) else len(msgspec.json.encode(value))


def _hopeless(status: dict[str, Any]) -> Over | None:
    state: dict[str, Any] = _main(status).get("state") or {}
    waiting: dict[str, Any] = state.get("waiting") or {}
    reason: str | None = waiting.get("reason")
    if reason not in HOPELESS_REASONS:
        return None
    return Over(None, False, {"type": reason, "message": waiting.get("message") or reason}, None, None)


def _image(pod: Object) -> str:
    return next((each.get("image", "") for each in pod["spec"]["containers"] if each.get("name") == "main"), "")


def _main(status: dict[str, Any]) -> dict[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == "main":
            return container
    return {}


def _error(status: dict[str, Any], ended: dict[str, Any], phase: str) -> Error:
    code = ended.get("exitCode")
    reason = ended.get("reason") or ""
    error: Error = {"type": "TaskFailed", "message": status.get("message") or "The task's pod failed."}
    if code is not None:
        error["exit_code"] = code
    number = ended.get("signal") or (code - 128 if isinstance(code, int) and 128 < code < 160 else 0)
    if status.get("reason"):
        error["type"] = status["reason"]
        if status["reason"] == "DeadlineExceeded":
            error["message"] = "The task ran longer than its deadline (activeDeadlineSeconds) allows."
    elif reason == "OOMKilled":
        error.update(type="OOMKilled", message="The task used more memory than its limit, and was killed.")
    elif number:
        error.update(type="Killed", message=f"The task was killed by signal {number} ({_signal_name(number)}).")
    elif phase == "Succeeded" or code == 0:
        error.update(type="NoResult", message="The task's process ended without leaving a result.")
    elif code is not None:
        text = ended.get("message") or ""
        error.update(type="ExitCode", message=text or f"The task's process exited with code {code}.")
    return error


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _time(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
