"""What becomes of a pod: which container starts next, when one starts again, what the status says.

Called by the agent for every fact it learns.  Pure: no clock, no I/O; time comes in as seconds.  Invariant: init
containers run one after the other and before all others; a container has one attempt at a time; a final pod never
starts anything (pod lifecycle in the Kubernetes documentation).
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from wherry.kube.embedded.node.records import Exit
from wherry.kube.protocol import Object
from wherry.seams import iso

NODE = "local"
NODE_IP = "127.0.0.1"
LOST = "Lost"
LOST_CODE = 137
_HEALTH = frozenset({"startupProbe", "readinessProbe", "livenessProbe", "lifecycle"})


class Backoff(msgspec.Struct, frozen=True):
    """How long a container that keeps ending waits before its next attempt, as the kubelet does it."""

    base_s: float = 10.0  # the first wait (the first restart is at once); doubles up to `cap_s`
    cap_s: float = 300.0
    reset_s: float = 600.0  # a container that ran so long starts from the beginning


class State(Enum):
    """Of one container: only RUNNING and STARTING have a process."""

    WAITING = 1
    STARTING = 2
    RUNNING = 3
    ENDED = 4


class Slot(msgspec.Struct):
    """One container of the pod and its present attempt."""

    index: int
    spec: dict[str, Any]
    init: bool
    restart: int = 0
    state: State = State.WAITING
    reason: str = "ContainerCreating"
    message: str = ""
    not_before: float = 0.0
    waits: int = 0
    pid: int = 0
    start: str = ""
    begin: float = 0.0
    end: float = 0.0
    code: int = 0
    signal: int = 0
    last: Object | None = None
    orphan: bool = False
    up: bool = True  # postStart hook and startup probe have succeeded, where there are any
    ready: bool = True  # and so has the readiness probe

    @property
    def name(self) -> str:
        """The container's name."""
        return self.spec["name"]

    @property
    def sidecar(self) -> bool:
        """An init container that stays while the others run (restartPolicy Always)."""
        return self.init and self.spec.get("restartPolicy") == "Always"

    @property
    def watched(self) -> bool:
        """Whether it may have probes or hooks."""
        return not _HEALTH.isdisjoint(self.spec)

    @property
    def busy(self) -> bool:
        """Whether there is, or is about to be, a process."""
        return self.state in (State.STARTING, State.RUNNING)

    @property
    def succeeded(self) -> bool:
        """Ended with 0."""
        return self.state is State.ENDED and self.code == 0

    def started(self, pid: int, start: str, begin: float) -> None:
        """The attempt has a process."""
        self.state = State.RUNNING
        self.pid, self.start, self.begin = pid, start, begin
        if self.watched:
            hooks: dict[str, Any] = self.spec.get("lifecycle") or {}
            self.up = not (self.spec.get("startupProbe") or hooks.get("postStart"))
            self.ready = self.up and not self.spec.get("readinessProbe")

    def ended(self, record: Exit, reason: str, message: str) -> None:
        """The attempt is over."""
        self.state = State.ENDED
        self.pid, self.start, self.begin, self.end = record.pid, record.start, record.begin, record.end
        self.code, self.signal, self.reason, self.message = record.code, record.signal, reason, message

    def lost(self, now: float, message: str) -> None:
        """The attempt is gone and nobody knows how it ended."""
        self.state = State.ENDED
        self.begin, self.end = self.begin or now, now
        self.code, self.signal, self.reason, self.message = LOST_CODE, 0, LOST, message

    def wait(self, reason: str, message: str, not_before: float) -> None:
        """The attempt cannot start yet."""
        self.state, self.reason, self.message, self.not_before = State.WAITING, reason, message, not_before


class Stop(msgspec.Struct, frozen=True):
    """Why the whole pod has to end; `deleted` when its object goes too."""

    reason: str
    message: str
    grace_s: float
    since: float = 0.0
    deleted: bool = False


class Run(msgspec.Struct):
    """A pod on this node."""

    pod: Object
    slots: list[Slot]
    begin: float = 0.0
    ip: str = NODE_IP
    stop: Stop | None = None
    waiting_for: str = "not yet scheduled"
    phase: str = "Pending"
    reason: str = ""
    message: str = ""

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return self.pod["metadata"]["uid"]

    @property
    def final(self) -> bool:
        """Succeeded or Failed, for ever."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def busy(self) -> bool:
        """Whether anything of it runs."""
        return any(slot.busy for slot in self.slots)


class Plan(msgspec.Struct, frozen=True):
    """What to do now, and when to look again (seconds since the epoch)."""

    start: tuple[Slot, ...] = ()
    stop: tuple[Slot, ...] = ()
    again_at: float | None = None


def run_of(pod: Object) -> Run:
    """A pod that has not started."""
    spec = pod["spec"]
    inits: list[dict[str, Any]] = spec.get("initContainers") or []
    mains: list[dict[str, Any]] = spec["containers"]
    slots = [Slot(index, each, init=True) for index, each in enumerate(inits)]
    waiting = "PodInitializing" if inits else "ContainerCreating"
    slots += [Slot(len(inits) + index, each, init=False, reason=waiting) for index, each in enumerate(mains)]
    return Run(pod, slots)


def advance(run: Run, now: float, backoff: Backoff) -> Plan:
    """Brings phase and waiting containers up to date; says what starts, what stops, and when to look again."""
    if run.final:
        return Plan()
    deadline_s = run.pod["spec"].get("activeDeadlineSeconds")
    if run.stop is None and deadline_s is not None and now >= run.begin + deadline_s:
        message = "Pod was active on the node longer than the specified deadline"
        run.stop = Stop("DeadlineExceeded", message, run.pod["spec"]["terminationGracePeriodSeconds"], now)
    if run.stop is not None:
        if not run.busy:
            _finish(run, succeeded=False, reason=run.stop.reason, message=run.stop.message)
            return Plan()
        return Plan(stop=_to_stop(run, run.stop))
    plan = _next(run, now, backoff)
    if deadline_s is not None and not run.final:
        again = run.begin + deadline_s
        plan = Plan(plan.start, plan.stop, again if plan.again_at is None else min(again, plan.again_at))
    return plan


def _to_stop(run: Run, stop: Stop) -> tuple[Slot, ...]:
    """Sidecars end after all others, the last one first; without a grace period everything ends at once."""
    busy = tuple(slot for slot in run.slots if slot.busy)
    others = tuple(slot for slot in busy if not slot.sidecar)
    return busy if stop.grace_s <= 0 else others or busy[-1:]


def _next(run: Run, now: float, backoff: Backoff) -> Plan:
    policy = run.pod["spec"]["restartPolicy"]
    starts: list[Slot] = []
    times: list[float] = []
    mains = [slot for slot in run.slots if not slot.init]
    for slot in mains:
        _again(slot, policy, now, backoff)
    if all(slot.state is State.ENDED for slot in mains):
        sidecars = tuple(slot for slot in run.slots if slot.sidecar and slot.busy)
        if sidecars:
            return Plan(stop=sidecars[-1:])  # in the reverse order of their beginning
        failed = next((slot for slot in mains if slot.code != 0), None)
        _finish(run, succeeded=failed is None, **(_lost(failed) if failed else {}))
        return Plan()
    for slot in (slot for slot in run.slots if slot.init):
        _again(slot, "Always" if slot.sidecar else "OnFailure" if policy == "Always" else policy, now, backoff)
        if slot.state is State.WAITING:
            _due(slot, now, starts, times)
        if slot.state is State.RUNNING and slot.up if slot.sidecar else slot.succeeded:
            continue
        if slot.state is State.ENDED:  # failed for good: a failed init container fails the pod
            _finish(run, succeeded=False, **_lost(slot))
            return Plan()
        return Plan(tuple(starts), (), min(times, default=None))
    for slot in mains:
        if slot.state is State.WAITING:
            _due(slot, now, starts, times)
    if any(slot.state in (State.RUNNING, State.ENDED) or slot.last for slot in mains):
        run.phase = "Running"
    return Plan(tuple(starts), (), min(times, default=None))


def _due(slot: Slot, now: float, starts: list[Slot], times: list[float]) -> None:
    if slot.not_before <= now:
        starts.append(slot)
    else:
        times.append(slot.not_before)


def _lost(slot: Slot) -> dict[str, str]:
    return {"reason": LOST, "message": slot.message} if slot.reason == LOST else {}


def _finish(run: Run, *, succeeded: bool, reason: str = "", message: str = "") -> None:
    run.phase = "Succeeded" if succeeded else "Failed"
    run.reason, run.message = reason, message


def _again(slot: Slot, policy: str, now: float, backoff: Backoff) -> None:
    """An ended container that its policy restarts waits for its next attempt."""
    if slot.state is not State.ENDED or policy == "Never" or (policy == "OnFailure" and slot.code == 0):
        return
    if slot.end - slot.begin >= backoff.reset_s:
        slot.waits = 0
    wait_s = min(backoff.base_s * 2 ** (slot.waits - 1), backoff.cap_s) if slot.waits else 0.0
    slot.waits += 1
    slot.last = _terminated(slot)
    slot.restart += 1
    message = f"back-off {wait_s:g}s restarting failed container={slot.name}" if wait_s else ""
    slot.wait("CrashLoopBackOff", message, slot.end + wait_s)


# --- the status


def status(run: Run) -> Object:
    """The pod's whole status as the node sees it."""
    started = bool(run.begin)
    mains = [slot for slot in run.slots if not slot.init]
    inits = [slot for slot in run.slots if slot.init]
    initialized = all(slot.succeeded or (slot.sidecar and slot.up) for slot in inits)
    serving = [slot for slot in run.slots if slot.sidecar or not slot.init]
    ready = started and not run.final and all(slot.state is State.RUNNING and slot.ready for slot in serving)
    at = iso(run.begin) if started else None
    scheduled: Object = {"type": "PodScheduled", "status": "True" if started else "False", "lastTransitionTime": at}
    if not started:
        scheduled |= {"reason": "Unschedulable", "message": run.waiting_for}
        return {"phase": "Pending", "conditions": [scheduled]}
    result: Object = {
        "phase": run.phase,
        "startTime": at,
        "hostIP": NODE_IP,
        "hostIPs": [{"ip": NODE_IP}],
        "podIP": run.ip,
        "podIPs": [{"ip": run.ip}],
        "conditions": [
            scheduled,
            {"type": "Initialized", "status": "True" if initialized else "False", "lastTransitionTime": at},
            _ready("Ready", run, ready),
            _ready("ContainersReady", run, ready),
        ],
        "containerStatuses": [_container(slot) for slot in mains],
    }
    if inits:
        result["initContainerStatuses"] = [_container(slot) for slot in inits]
    if run.reason:
        result["reason"], result["message"] = run.reason, run.message
    return result


def _ready(kind: str, run: Run, ready: bool) -> Object:
    ends = [slot.end or slot.begin for slot in run.slots if slot.begin]
    found: Object = {"type": kind, "status": "True" if ready else "False"}
    found["lastTransitionTime"] = iso(max(ends, default=run.begin))
    if not ready:
        found["reason"] = "PodCompleted" if run.phase == "Succeeded" else "ContainersNotReady"
    return found


def container_id(slot: Slot) -> str:
    """How the status names the attempt's process, so that a later server finds it again."""
    return f"wherry://{slot.pid}/{slot.start}" if slot.pid else ""


def parse_container_id(text: str) -> tuple[int, str]:
    """Pid and start time of a `container_id`; (0, "") for anything else."""
    pid, _, start = text.removeprefix("wherry://").partition("/")
    return (int(pid), start) if text.startswith("wherry://") and pid.isdecimal() else (0, "")


def _container(slot: Slot) -> Object:
    running = slot.state is State.RUNNING
    state: Object
    if running:
        state = {"running": {"startedAt": iso(slot.begin)}}
    elif slot.state is State.ENDED:
        state = _terminated(slot)
    else:
        state = {"waiting": {"reason": slot.reason} | ({"message": slot.message} if slot.message else {})}
    found: Object = {
        "name": slot.name,
        "image": slot.spec["image"],
        "imageID": "",
        "ready": slot.succeeded if slot.init and not slot.sidecar else running and slot.ready,
        "started": running and slot.up,
        "restartCount": slot.restart,
        "state": state,
        "lastState": slot.last or {},
    }
    if slot.pid:
        found["containerID"] = container_id(slot)
    return found


def _terminated(slot: Slot) -> Object:
    found: Object = {
        "exitCode": slot.code,
        "reason": "ContainerStatusUnknown" if slot.reason == LOST else slot.reason,
        "startedAt": iso(slot.begin),
        "finishedAt": iso(slot.end),
    }
    if slot.signal:
        found["signal"] = slot.signal
    if slot.message:
        found["message"] = slot.message
    if slot.pid:
        found["containerID"] = container_id(slot)
    return {"terminated": found}
