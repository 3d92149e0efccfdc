"""Jobs: pods that run to their end, a number of times.

A row of the registry; the rules of the policies are in `job_policies`.  Source: the validation of batch/v1.  Invariant:
a Job's pods carry its uid, by which its selector chooses them; what it has begun to do never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import AGE, NAME, Column, at, duration
from wherry.kube.embedded.job_policies import default_policies, policy_causes
from wherry.kube.embedded.kinds import METADATA_FIELDS, Kind
from wherry.kube.embedded.workload_rules import (
    SELECTOR,
    bad,
    counts,
    default_pods,
    default_spec,
    mapping,
    own_selector,
    pod_causes,
    required,
    typed,
    unchanged,
    unsupported,
    whole,
    wide_columns,
)
from wherry.kube.errors import Cause
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.resources import JOBS
from wherry.kube.selectors import selector_of
from wherry.kube.times import seconds_of

TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer that keeps a pod until its Job has counted it."""
CONTROLLER_UID, JOB_NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
UNLIMITED = 2**31 - 1
_LEGACY = {CONTROLLER_UID: "controller-uid", JOB_NAME: "job-name"}
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MODES = ("Indexed", "NonIndexed")
_RESTART = ("Never", "OnFailure")
_FIXED = (
    "selector",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "successPolicy",
    "managedBy",
    "manualSelector",
)
_MOST_PARALLEL = 100_000  # of an Indexed Job, so that its status has room for the indexes
# What may change of the template of a Job that has not begun: where its pods may run.
_PLACEMENT = ("nodeSelector", "tolerations", "affinity", "schedulingGates")


def _default_job(obj: Object) -> None:
    default_job_spec(obj)
    spec: Any = obj.get("spec")
    if not isinstance(spec, dict):
        return
    fields, metadata = cast("dict[str, Any]", spec), obj["metadata"]
    template = mapping(fields.get("template"))
    labels: Any = mapping(template.get("metadata")).get("labels")
    if labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels) if isinstance(labels, dict) else labels  # pyright: ignore[reportUnknownArgumentType]
    if fields.get("manualSelector") is not True and isinstance(template.get("metadata"), dict):
        _choose(fields, template["metadata"], metadata)


def _choose(spec: dict[str, Any], template: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Gives the pods of a Job the labels that are its own alone, and a selector by them."""
    labels: Any = template.setdefault("labels", {})
    if not isinstance(labels, dict):
        return
    said = cast("dict[str, Any]", labels)
    for label, value in ((CONTROLLER_UID, metadata["uid"]), (JOB_NAME, metadata.get("name"))):
        said.setdefault(label, value)
        said.setdefault(_LEGACY[label], value)
    if spec.get("selector") is None:
        spec["selector"] = {"matchLabels": {CONTROLLER_UID: metadata["uid"]}}


def default_job_spec(holder: Object) -> None:
    """Completes the spec of a Job, or of the template of one."""
    spec = default_spec(holder, {"completionMode": "NonIndexed", "suspend": False})
    if not spec:
        return
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", UNLIMITED if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    default_policies(spec)
    default_pods(spec)


def _begin_job(obj: Object) -> None:
    obj["status"] = {}


def _validate_job(obj: Object) -> list[Cause]:
    spec: dict[str, Any] = obj["spec"]
    return [*job_spec_causes(spec), *_own(spec, obj["metadata"])]


def _own(spec: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Cause]:
    """The selector, and the labels of the template that it chooses by."""
    causes = list(own_selector(spec, empty="empty selector is not valid for job"))
    yield from causes
    template = mapping(spec.get("template"))
    labels = mapping(mapping(template.get("metadata")).get("labels"))
    field = "spec.template.metadata.labels"
    if spec.get("manualSelector") is not True:
        for label, value in ((CONTROLLER_UID, metadata.get("uid")), (JOB_NAME, metadata.get("name"))):
            for name in (_LEGACY[label], label):
                if labels.get(name) != value:
                    yield bad(field, labels, f"must be '{value}'" if name in labels else f"must have the label {name}")
    if not causes and not selector_of(spec["selector"]).matches(labels):
        yield bad(field, labels, "`selector` does not match template `labels`")


def job_spec_causes(spec: dict[str, Any], prefix: str = "spec") -> Iterator[Cause]:
    """What is wrong with the spec of a Job, or with that in a template of Jobs at `prefix`."""
    yield from counts(spec, *_COUNTS, prefix=prefix)
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        yield unsupported(f"{prefix}.completionMode", mode, _MODES)
    elif mode == "Indexed":
        yield from _indexed(spec, prefix)
    for key in ("suspend", "manualSelector"):
        if not isinstance(spec.get(key, False), bool):
            yield bad(f"{prefix}.{key}", spec[key], "must be a boolean")
    yield from policy_causes(spec, prefix)
    yield from pod_causes(spec, field=f"{prefix}.template")
    policy = mapping(mapping(spec.get("template")).get("spec")).get("restartPolicy")
    if policy == "Always":  # the default of pods, which no Job can have
        yield required(f"{prefix}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy not in _RESTART and isinstance(spec.get("template"), dict):
        yield unsupported(f"{prefix}.template.spec.restartPolicy", policy, _RESTART)


def _indexed(spec: dict[str, Any], prefix: str) -> Iterator[Cause]:
    if spec.get("completions") is None:
        yield required(f"{prefix}.completions", "when completion mode is Indexed")
    parallelism: Any = spec.get("parallelism")
    if whole(parallelism) and parallelism > _MOST_PARALLEL:
        why = f"must be less than or equal to {_MOST_PARALLEL} when completion mode is Indexed"
        yield bad(f"{prefix}.parallelism", parallelism, why)


def _update_job(old: Object, new: Object) -> list[Cause]:
    before, after = old["spec"], new["spec"]
    causes = unchanged(old, new, *_FIXED)
    resized = before.get("completionMode") == "Indexed" and after.get("completions") == after.get("parallelism")
    if not resized:
        causes += unchanged(old, new, "completions")
    if not same(before["template"], after["template"]):
        free = before.get("suspend") is True and not at(old, "status", "startTime")
        if not free or not same(_fixed_part(before["template"]), _fixed_part(after["template"])):
            causes.append(bad("spec.template", after["template"], "field is immutable"))
    return causes


def _fixed_part(template: Object) -> Object:
    """What never changes of a template."""
    return {key: value for key, value in template["spec"].items() if key not in _PLACEMENT}


# --- columns


def _word(job: Object, now: float) -> str:
    held = {item.get("type") for item in objects(mapping(job.get("status")), "conditions") if item["status"] == "True"}
    for word in ("Complete", "Failed"):
        if word in held:
            return word
    if at(job, "metadata", "deletionTimestamp"):
        return "Terminating"
    return next((word for word in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if word in held), "Running")


def _completions(job: Object, now: float) -> str:
    succeeded, wanted = at(job, "status", "succeeded") or 0, at(job, "spec", "completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism: Any = at(job, "spec", "parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(job: Object, now: float) -> str:
    start, end = at(job, "status", "startTime"), at(job, "status", "completionTime")
    try:
        return duration(max(0.0, (seconds_of(end) if end else now) - seconds_of(start))) if start else ""
    except (TypeError, ValueError):
        return ""


JOB = Kind(
    JOBS,
    categories=("all",),
    columns=(
        NAME,
        Column("Status", _word),
        Column("Completions", _completions),
        Column("Duration", _duration),
        AGE,
        *wide_columns("spec", "template", "spec"),
        SELECTOR,
    ),
    fields={**METADATA_FIELDS, "status.successful": ("status", "succeeded")},
    has_status=True,
    has_generation=True,
    orphans_finalizer=TRACKING,
    default=_default_job,
    begin=_begin_job,
    validate=typed(_validate_job),
    validate_update=_update_job,
)
KINDS = (JOB,)
