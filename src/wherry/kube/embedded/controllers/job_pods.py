"""The pods of a Job as its controller sees them: ended, counted or not, of which index, judged by the failure policy.

Called by `jobs` and `job_status`; pure.  Source: the documentation of Jobs (pod failure policy, backoff, completion
mode).  Invariant: a pod that its Job has still to count carries the finalizer; without it, it was counted or never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from wherry.kube.controller import controller_of
from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.pods import active, created, deleting, finished, from_template, phase
from wherry.kube.embedded.job_policies import read_indexes
from wherry.kube.embedded.jobs import TRACKING
from wherry.kube.embedded.workload_rules import mapping
from wherry.kube.protocol import Object
from wherry.kube.times import seconds_of

INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
BACKOFF_S, MOST_BACKOFF_S = 10.0, 600.0


class Spec(NamedTuple):
    """What a Job wants."""

    parallelism: int
    completions: int | None
    indexed: bool
    backoff_limit: int
    per_index: int | None
    only_failed: bool  # an ending pod is replaced when it has failed, and not before
    policy: list[Object]
    obj: Object


def spec_of(job: Object) -> Spec:
    """The Job's spec, which is complete."""
    spec = job["spec"]
    return Spec(
        spec.get("parallelism", 1),
        spec.get("completions"),
        spec.get("completionMode") == "Indexed",
        spec.get("backoffLimit", 6),
        spec.get("backoffLimitPerIndex"),
        spec.get("podReplacementPolicy") == "Failed",
        objects(mapping(spec.get("podFailurePolicy")), "rules"),
        job,
    )


def mine(job: Object, children: Iterable[Object]) -> list[Object]:
    """The pods that the Job controls."""
    uid = job["metadata"]["uid"]
    return [pod for pod in children if controller_of(pod) == uid]


def tracked(pod: Object) -> bool:
    """Whether its Job has still to count it."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def untracked(pod: Object) -> Object:
    """The patch that takes the Job's finalizer away."""
    left = [name for name in pod["metadata"].get("finalizers") or () if name != TRACKING]
    return {"metadata": {"finalizers": left or None}}


def index_of(pod: Object) -> int:
    """The index that the pod completes; -1 when it says none."""
    text = str(at(pod, "metadata", "annotations", INDEX) or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def failed(pod: Object, spec: Spec) -> bool:
    """Whether the pod counts as failed: one that is ending does, unless it is replaced only when it has failed."""
    if phase(pod) == "Failed":
        return True
    return not spec.only_failed and deleting(pod) and phase(pod) != "Succeeded"


def ending(pod: Object) -> bool:
    """Whether it is being deleted and has not ended yet."""
    return deleting(pod) and not finished(pod)


def indexes(job: Object, key: str, spec: Spec) -> set[int]:
    """The indexes that the status lists."""
    return read_indexes(str(at(job, "status", key) or ""), spec.completions or 0) or set()


def restarts(pods: Iterable[Object]) -> int:
    """How often containers of the pods that run or wait were started again."""
    statuses = [
        status
        for pod in pods
        if phase(pod) in ("Running", "Pending")
        for key in ("containerStatuses", "initContainerStatuses")
        for status in objects(mapping(pod.get("status")), key)
    ]
    return sum(int(status.get("restartCount") or 0) for status in statuses)


class Verdict(NamedTuple):
    """What the failure policy says of a failed pod; an empty action is the default, Count."""

    action: str = ""
    message: str = ""


def judge(pod: Object, spec: Spec) -> Verdict:
    """The first rule that matches a pod; only one that has ended is judged by it."""
    if phase(pod) != "Failed":
        return Verdict()
    for number, rule in enumerate(spec.policy):
        why = _matches(pod, rule)
        if why and (rule["action"] != "FailIndex" or spec.per_index is not None):
            return Verdict(rule["action"], f"{why} matching {rule['action']} rule at index {number}")
    return Verdict()


def _matches(pod: Object, rule: Object) -> str:
    status, metadata = mapping(pod.get("status")), pod["metadata"]
    name = f"{metadata.get('namespace')}/{metadata['name']}"
    codes = mapping(rule.get("onExitCodes"))
    for item in (*objects(status, "initContainerStatuses"), *objects(status, "containerStatuses")) if codes else ():
        code: Any = at(item, "state", "terminated", "exitCode")
        if not code or codes.get("containerName") not in (None, item.get("name")):
            continue
        if (code in codes["values"]) is (codes["operator"] == "In"):
            return f"Container {item['name']} for pod {name} failed with exit code {code}"
    for pattern in objects(rule, "onPodConditions"):
        for item in objects(status, "conditions"):
            if (item.get("type"), item.get("status")) == (pattern["type"], pattern["status"]):
                return f"Pod {name} has condition {pattern['type']}"
    return ""


def index_failures(pod: Object) -> int:
    """How many pods of the same index had failed before this one."""
    text = str(at(pod, "metadata", "annotations", INDEX_FAILURES) or "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def failures_with(pod: Object, spec: Spec) -> int:
    """How many pods of its index have failed with this one; what the policy ignores does not count."""
    return index_failures(pod) + (judge(pod, spec).action != "Ignore")


def ended_at(pod: Object) -> int:
    """When the pod ended, as well as its status tells (seconds since the epoch)."""
    statuses = objects(mapping(pod.get("status")), "containerStatuses")
    texts = [at(item, "state", "terminated", "finishedAt") for item in statuses]
    texts = texts if texts and all(texts) else [pod["metadata"].get("deletionTimestamp")]
    found = [seconds_of(str(text)) for text in texts if text]
    ready = [item for item in objects(mapping(pod.get("status")), "conditions") if item.get("type") == "Ready"]
    found = found or [seconds_of(str(item["lastTransitionTime"])) for item in ready if item.get("lastTransitionTime")]
    return max(found, default=created(pod))


def backoff_left_s(pods: Sequence[Object], spec: Spec, now: float) -> float:
    """How long no pod is made after failures in a row: 10 s, 20 s, 40 s, ... up to 10 minutes."""
    ends = sorted((ended_at(pod), phase(pod) == "Succeeded") for pod in pods if finished(pod) or failed(pod, spec))
    row = 0
    for _, succeeded in reversed(ends):
        if succeeded:
            break
        row += 1
    return _left_s(row, ends[-1][0], now) if row else 0.0


def index_backoff_left_s(failures: int, pods: Sequence[Object], now: float) -> float:
    """The same for one index of a Job whose indexes fail each for itself."""
    return _left_s(failures, max(map(ended_at, pods)), now) if failures and pods else 0.0


def _left_s(failures: int, last: float, now: float) -> float:
    wait_s = min(BACKOFF_S * 2.0 ** min(failures - 1, 30), MOST_BACKOFF_S)
    return max(0.0, last + wait_s - now)


def first_missing(pods: Iterable[Object], taken: set[int], spec: Spec, count: int) -> list[int]:
    """The first indexes that no pod is at work on and that are not over (`taken`)."""
    held = {index_of(pod) for pod in pods if active(pod) or (spec.only_failed and ending(pod))}
    found: list[int] = []
    index = 0
    while len(found) < count and index < (spec.completions or 0):
        if index not in held and index not in taken:
            found.append(index)
        index += 1
    return found


def surplus(pods: Sequence[Object], spec: Spec) -> list[Object]:
    """Pods of an index that another one has, too, or that there is no longer."""
    seen: set[int] = set()
    found: list[Object] = []
    for pod in sorted(pods, key=lambda pod: (created(pod), pod["metadata"]["name"])):
        index = index_of(pod)
        if index in seen or not 0 <= index < (spec.completions or 0):
            found.append(pod)
        seen.add(index)
    return found


def new_pod(job: Object, index: int | None = None, failures: int | None = None) -> Object:
    """A pod of the Job; for an index it knows which, by annotation, label, host name and environment."""
    name: str = job["metadata"]["name"]
    made = from_template(job["spec"]["template"])
    metadata: Object = {**made["metadata"], "generateName": f"{name}-"}
    metadata["finalizers"] = [*(metadata.get("finalizers") or ()), TRACKING]
    if index is None:
        return {**made, "metadata": metadata}
    own = {INDEX: str(index), **({} if failures is None else {INDEX_FAILURES: str(failures)})}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **own}
    metadata["labels"] = {**(metadata.get("labels") or {}), INDEX: str(index)}
    metadata["generateName"] = f"{name}-{index}-"
    variable = {"name": "JOB_COMPLETION_INDEX"}
    variable |= {"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}}
    spec: Object = {**made["spec"], "hostname": f"{name}-{index}"}
    for key in ("containers", "initContainers"):
        if spec.get(key):
            spec[key] = [_with_variable(container, variable) for container in spec[key]]
    return {**made, "metadata": metadata, "spec": spec}


def _with_variable(container: Object, variable: Object) -> Object:
    known = objects(container, "env")
    if any(item.get("name") == variable["name"] for item in known):
        return container
    return {**container, "env": [*known, variable]}
