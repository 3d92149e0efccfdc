"""The messages that clients send: experiments, pipelines and their versions, runs, recurring runs.

Called by the handlers of `wherry.pipelines.rest`.  Source: the v2beta1 swagger of KFP.  Invariants: fields may have
their proto name or their JSON name, an unknown one is refused; fields that only the server says are read and not
looked at, as clients send objects back that they were given.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from wherry.ir.protojson import canonical
from wherry.kube.times import seconds_of
from wherry.pipelines.rest.refusal import invalid

M = TypeVar("M", bound="Message")


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One message."""


class Experiment(Message, frozen=True):
    """An experiment; id, times and storage_state are the server's."""

    experiment_id: str = ""
    display_name: str = ""
    description: str = ""
    created_at: str = ""
    namespace: str = ""
    storage_state: str = ""
    last_run_created_at: str = ""


class Pipeline(Message, frozen=True):
    """A pipeline; id, time and error are the server's."""

    pipeline_id: str = ""
    display_name: str = ""
    name: str = ""
    description: str = ""
    created_at: str = ""
    namespace: str = ""
    error: Any = None
    tags: dict[str, str] = {}


class Url(Message, frozen=True):
    """Where a package is fetched."""

    pipeline_url: str = ""


class PipelineVersion(Message, frozen=True):
    """A version of a pipeline: its document, inline or by URL."""

    pipeline_id: str = ""
    pipeline_version_id: str = ""
    display_name: str = ""
    name: str = ""
    description: str = ""
    created_at: str = ""
    package_url: Url = Url()
    code_source_url: str = ""
    pipeline_spec: Any = None
    error: Any = None
    tags: dict[str, str] = {}


class PipelineAndVersion(Message, frozen=True):
    """A pipeline made with its first version."""

    pipeline: Pipeline = Pipeline()
    pipeline_version: PipelineVersion = PipelineVersion()


class VersionReference(Message, frozen=True):
    """Which version; the latest of the pipeline without a version's id."""

    pipeline_id: str = ""
    pipeline_version_id: str = ""


class RuntimeConfig(Message, frozen=True):
    """Arguments of the pipeline, and where its artifacts go."""

    parameters: dict[str, Any] = {}
    pipeline_root: str = ""


class Run(Message, frozen=True):
    """A run that is asked for; ids, times, states and details are the server's."""

    experiment_id: str = ""
    run_id: str = ""
    display_name: str = ""
    storage_state: str = ""
    description: str = ""
    pipeline_version_id: str = ""
    pipeline_spec: Any = None
    pipeline_version_reference: VersionReference = VersionReference()
    runtime_config: RuntimeConfig = RuntimeConfig()
    service_account: str = ""
    created_at: str = ""
    scheduled_at: str = ""
    finished_at: str = ""
    state: str = ""
    error: Any = None
    run_details: Any = None
    recurring_run_id: str = ""
    state_history: Any = None
    plugins_input: dict[str, Any] = {}
    plugins_output: Any = None


class CronSchedule(Message, frozen=True):
    """Times by cron, between two moments."""

    start_time: str = ""
    end_time: str = ""
    cron: str = ""


class PeriodicSchedule(Message, frozen=True):
    """Times by interval, between two moments."""

    start_time: str = ""
    end_time: str = ""
    interval_second: int = 0


class Trigger(Message, frozen=True):
    """One of the two."""

    cron_schedule: CronSchedule | None = None
    periodic_schedule: PeriodicSchedule | None = None


class RecurringRun(Message, frozen=True):
    """A recurring run that is asked for; ids, times and status are the server's."""

    recurring_run_id: str = ""
    display_name: str = ""
    description: str = ""
    pipeline_version_id: str = ""
    pipeline_spec: Any = None
    pipeline_version_reference: VersionReference = VersionReference()
    runtime_config: RuntimeConfig = RuntimeConfig()
    service_account: str = ""
    max_concurrency: int = 0
    trigger: Trigger = Trigger()
    mode: str | int = ""
    created_at: str = ""
    updated_at: str = ""
    status: str = ""
    error: Any = None
    no_catchup: bool = False
    namespace: str = ""
    experiment_id: str = ""
    plugins_input: dict[str, Any] = {}


def read(body: bytes, kind: type[M]) -> M:
    """The message in a request's body.  Raises Refusal that names the field."""
    try:
        value = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid(f"The request's body is not JSON: {error}") from None
    try:
        return msgspec.convert(canonical(value, kind), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise invalid(f"The request is malformed: {_plainly(str(error))}") from None


def moment(text: str, field: str) -> float | None:
    """A timestamp as epoch seconds; None for an empty one.  Raises Refusal."""
    if not text:
        return None
    try:
        return float(seconds_of(text))
    except (ValueError, OverflowError, OSError):
        raise invalid(f"{field}: {text!r} is not a time in RFC 3339") from None


def _plainly(fault: str) -> str:
    return fault.replace("Object contains ", "").replace("Expected", "expected").replace("`", "'")
