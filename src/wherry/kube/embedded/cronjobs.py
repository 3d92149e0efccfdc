"""CronJobs: Jobs that are made at certain times.

A row of the registry; what a schedule is, is in `cron`.  Source: the validation of batch/v1.  Invariant: a stored
schedule can be computed, in the time zone that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.columns import AGE, NAME, Cell, Column, at, since, text
from wherry.kube.embedded.cron import Malformed, parse, zone
from wherry.kube.embedded.job_policies import default_policies
from wherry.kube.embedded.jobs import job_spec_causes
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.metadata import annotation_causes, label_causes
from wherry.kube.embedded.workload_rules import (
    bad,
    counts,
    default_pods,
    default_spec,
    mapping,
    required,
    typed,
    unsupported,
    wide_columns,
)
from wherry.kube.errors import Cause
from wherry.kube.names import dns_subdomain_error
from wherry.kube.protocol import Object
from wherry.kube.resources import CRONJOBS

NAME_LENGTH = 52  # 11 characters more are the name of a Job
_POLICIES = ("Allow", "Forbid", "Replace")
_DEFAULTS = {
    "concurrencyPolicy": "Allow",
    "suspend": False,
    "successfulJobsHistoryLimit": 3,
    "failedJobsHistoryLimit": 1,
}


def _name_error(name: str) -> str:
    if len(name) > NAME_LENGTH:
        return f"must be no more than {NAME_LENGTH} characters"
    return dns_subdomain_error(name)


def _default_cronjob(obj: Object) -> None:
    spec = default_spec(obj, _DEFAULTS)
    job: Any = mapping(spec.get("jobTemplate")).get("spec")
    if isinstance(job, dict):
        default_policies(cast("dict[str, Any]", job))
        default_pods(cast("dict[str, Any]", job))


def _begin_cronjob(obj: Object) -> None:
    obj["status"] = {}


def _validate_cronjob(obj: Object) -> list[Cause]:
    return list(_spec(obj["spec"]))


def _spec(spec: dict[str, Any]) -> Iterator[Cause]:
    yield from _schedule(spec)
    yield from counts(spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    if spec.get("concurrencyPolicy") not in _POLICIES:
        yield unsupported("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _POLICIES)
    if not isinstance(spec.get("suspend"), bool):
        yield bad("spec.suspend", spec.get("suspend"), "must be a boolean")
    template = mapping(spec.get("jobTemplate"))
    job: Any = template.get("spec")
    field = "spec.jobTemplate"
    if not isinstance(job, dict):
        yield required(f"{field}.spec")
        return
    metadata = mapping(template.get("metadata"))
    if metadata.get("labels") is not None:
        yield from label_causes(f"{field}.metadata.labels", metadata["labels"])
    if metadata.get("annotations") is not None:
        yield from annotation_causes(f"{field}.metadata.annotations", metadata["annotations"])
    fields = cast("dict[str, Any]", job)
    if fields.get("manualSelector"):
        yield Cause(
            f"{field}.spec.manualSelector",
            'Unsupported value: true: supported values: "nil", "false"',
            "FieldValueNotSupported",
        )
    elif fields.get("selector") is not None:
        yield bad(f"{field}.spec.selector", fields["selector"], "`selector` will be auto-generated")
    yield from job_spec_causes(fields, f"{field}.spec")


def _schedule(spec: dict[str, Any]) -> Iterator[Cause]:
    schedule: Any = spec.get("schedule")
    if not schedule:
        yield required("spec.schedule")
    elif not isinstance(schedule, str):
        yield bad("spec.schedule", schedule, "must be a string")
    elif "TZ" in schedule:
        yield bad("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    else:
        try:
            parse(schedule)
        except Malformed as problem:
            yield bad("spec.schedule", schedule, str(problem))
    name: Any = spec.get("timeZone")
    if name is None:
        return
    if not isinstance(name, str) or not name:
        yield bad("spec.timeZone", name, "timeZone must be nil or non-empty string")
    elif name.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield bad("spec.timeZone", name, why)
    else:
        try:
            zone(name)
        except Malformed as problem:
            yield bad("spec.timeZone", name, str(problem))


def _suspended(cronjob: Object, now: float) -> str:
    return str(at(cronjob, "spec", "suspend") is True)


def _active(cronjob: Object, now: float) -> int:
    active: Any = at(cronjob, "status", "active")
    return len(cast("list[Any]", active)) if isinstance(active, list) else 0


def _ago(*path: str) -> Cell:
    def cell(obj: Object, now: float) -> str:
        moment = at(obj, *path)
        return since(moment, now) if moment else "<none>"

    return cell


CRONJOB = Kind(
    CRONJOBS,
    short_names=("cj",),
    categories=("all",),
    columns=(
        NAME,
        Column("Schedule", text("spec", "schedule")),
        Column("Timezone", text("spec", "timeZone", default="<none>")),
        Column("Suspend", _suspended),
        Column("Active", _active, type="integer"),
        Column("Last Schedule", _ago("status", "lastScheduleTime")),
        AGE,
        *wide_columns("spec", "jobTemplate", "spec", "template", "spec"),
    ),
    has_status=True,
    has_generation=True,
    name_error=_name_error,
    default=_default_cronjob,
    begin=_begin_cronjob,
    validate=typed(_validate_cronjob),
)
KINDS = (CRONJOB,)
