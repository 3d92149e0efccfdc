"""Runs: `/apis/v2beta1/runs`.

Called by `wherry.pipelines.rest.app`.  Invariant: runs of the command line and runs of the API are the same runs; what
KFP's clients cannot wait for (CANCELED, which theirs never see) is told as FAILED, with the code of a cancellation.
"""

from __future__ import annotations

import re
import time as clock
from collections.abc import Mapping
from typing import Any

import msgspec

from wherry.errors import UsageError
from wherry.pipelines.flights import DEFAULT_NAMESPACE, SubmitOptions
from wherry.pipelines.rest import experiments, lists, messages, sources
from wherry.pipelines.rest.context import Asked, Context, compact, decoded, time
from wherry.pipelines.rest.details import Facts, rpc_error, state, task_details
from wherry.pipelines.rest.lists import Field
from wherry.pipelines.rest.refusal import FAILED_PRECONDITION, Refusal, invalid, not_found
from wherry.pipelines.views import FINAL_RUN
from wherry.storage import artifact_records, documents, history, records
from wherry.storage.database import Tx
from wherry.storage.listing import Predicate, select
from wherry.storage.records import Origin, Record

NAME_LIMIT = 256
_MACRO = re.compile(r"\[\[(RunUUID|Index|CurrentTime|ScheduledTime)(?:\.([^\]]{1,100}))?\]\]")
_GO = {
    "2006": "%Y",
    "06": "%y",
    "January": "%B",
    "Jan": "%b",
    "01": "%m",
    "Monday": "%A",
    "Mon": "%a",
    "02": "%d",
    "15": "%H",
    "03": "%I",
    "04": "%M",
    "05": "%S",
    "PM": "%p",
    "MST": "UTC",
    "-07:00": "+00:00",
    "-0700": "+0000",
    "Z07:00": "Z",
}
_LAYOUT = re.compile("|".join(map(re.escape, sorted(_GO, key=len, reverse=True))))
_TOLD = {"CANCELED": "FAILED"}
FIELDS = {
    "run_id": Field("run.id"),
    "id": Field("run.id"),
    "display_name": Field("run.name"),
    "name": Field("run.name"),
    "description": Field("run.description"),
    "namespace": Field("run.namespace"),
    "experiment_id": Field("run.experiment"),
    "pipeline_id": Field("coalesce(run.pipeline_id, '')"),
    "pipeline_version_id": Field("coalesce(run.version_id, '')"),
    "recurring_run_id": Field("coalesce(run.recurring_run, '')"),
    "service_account": Field("run.service_account"),
    "state": Field("CASE run.state WHEN 'CANCELED' THEN 'FAILED' ELSE run.state END", stored=str.upper),
    "storage_state": Field("run.archived", stored=experiments.stored_state),
    "created_at": Field("run.created_at", "time"),
    "scheduled_at": Field("coalesce(run.scheduled_at, run.created_at)", "time"),
    "finished_at": Field("coalesce(run.finished_at, 0)", "time"),
}
_METRIC = (
    "coalesce((SELECT max(json_extract(artifact.metadata, '$.\"{}\"')) FROM artifact WHERE artifact.run = run.number"
    " AND artifact.type = 'system.Metrics'), -1e308)"
)


async def create(context: Context, asked: Asked) -> dict[str, Any]:
    """POST runs."""
    wish = messages.read(asked.body, messages.Run)
    if wish.plugins_input:
        raise invalid("plugins_input: this server has no plugins")
    experiment = await experiments.usable(context, wish.experiment_id or asked.query.get("experiment_id", ""))
    found = await sources.resolve(context, sources.asked(wish))
    scheduled_at = messages.moment(wish.scheduled_at, "scheduled_at")
    origin = Origin(
        experiment.id, wish.description, found.pipeline, found.version, None, wish.service_account, scheduled_at
    )
    run_id = context.ids.uuid()
    now = context.clock.time()
    given = expand(wish.runtime_config.parameters, run_id=run_id, now=now, scheduled=scheduled_at or now, index=0)
    try:
        await context.runs.submit(
            found.document,
            arguments=given,
            name=wish.display_name,
            options=options(
                experiment.namespace, wish.runtime_config.pipeline_root, wish.service_account, scheduled_at
            ),
            run_id=run_id,
            origin=origin,
        )
    except UsageError as error:
        raise invalid(str(error)) from None
    return await _told(context, run_id)


def options(namespace: str, pipeline_root: str, service_account: str, scheduled_at: float | None) -> SubmitOptions:
    """How a run of the API is run."""
    return SubmitOptions(
        scheduled_at=scheduled_at,
        namespace=namespace or DEFAULT_NAMESPACE,
        pipeline_root=pipeline_root or None,
        service_account=service_account,
    )


def expand(parameters: Mapping[str, Any], *, run_id: str, now: float, scheduled: float, index: int) -> dict[str, Any]:
    """Arguments with KFP's macros in texts replaced: [[RunUUID]], [[CurrentTime]], [[ScheduledTime]], [[Index]].

    A time may have a layout in Go's words: [[CurrentTime.2006-01-02]]; without one it is 20060102150405.
    """
    from_times = {"CurrentTime": now, "ScheduledTime": scheduled}
    plain = {"RunUUID": run_id, "Index": str(index)}
    return {
        name: _MACRO.sub(lambda match: _macro(match, plain, from_times), value) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


async def get(context: Context, asked: Asked) -> dict[str, Any]:
    """GET runs/ID."""
    return await _told(context, asked.path["id"])


async def list_(context: Context, asked: Asked) -> dict[str, Any]:
    """GET runs."""
    fields = dict(FIELDS)
    sort_by = asked.query.get("sort_by") or asked.query.get("sortBy") or ""
    if sort_by.startswith("metric:"):
        key = sort_by.split()[0]
        fields[key] = Field(_METRIC.format(_metric_name(key.removeprefix("metric:"))), "number")
    query = lists.query(asked.query, fields, "created_at")
    conditions = [*query.conditions, *experiments.in_namespace(asked, "run.namespace")]
    if asked.query.get("experiment_id"):
        conditions.append(Predicate("run.experiment", "=", (asked.query["experiment_id"],)))

    def read(tx: Tx) -> tuple[Any, list[dict[str, Any]]]:
        found = select(tx, records.SOURCE, conditions, query.order, query.page)
        return found, [_view(tx, records.record(row)) for row in found.rows]

    found, items = await context.db.read(read)
    return lists.answer("runs", items, found, query)


async def archive(context: Context, asked: Asked) -> dict[str, Any]:
    """POST runs/ID:archive."""
    return await _put_away(context, asked, True)


async def unarchive(context: Context, asked: Asked) -> dict[str, Any]:
    """POST runs/ID:unarchive."""
    record = await find(context, asked.path["id"])
    if (await experiments.find(context, record.origin.experiment)).archived:
        raise Refusal(FAILED_PRECONDITION, "The run's experiment is archived; unarchive that first")
    return await _put_away(context, asked, False)


async def terminate(context: Context, asked: Asked) -> dict[str, Any]:
    """POST runs/ID:terminate."""
    record = await find(context, asked.path["id"])
    if record.run.state in FINAL_RUN:
        raise Refusal(FAILED_PRECONDITION, f"The run {record.run.id} is over: it is {record.run.state}")
    await context.runs.cancel(record.run.id)
    return {}


async def retry(context: Context, asked: Asked) -> dict[str, Any]:
    """POST runs/ID:retry: go on from what has succeeded."""
    record = await find(context, asked.path["id"])
    try:
        await context.runs.retry(record.run.id)
    except UsageError as error:
        raise Refusal(FAILED_PRECONDITION, str(error)) from None
    return {}


async def delete(context: Context, asked: Asked) -> dict[str, Any]:
    """DELETE runs/ID: a run that goes on is ended first."""
    record = await find(context, asked.path["id"])
    if record.run.state not in FINAL_RUN:
        await context.runs.end(record.run.id)
    await context.runs.delete(record.run.id)
    return {}


async def find(context: Context, id: str) -> Record:
    """The run with this id.  Raises Refusal."""
    found = await context.db.read(lambda tx: records.get(tx, id))
    if found is None:
        raise not_found("Run", id)
    return found


async def _put_away(context: Context, asked: Asked, archived: bool) -> dict[str, Any]:
    await find(context, asked.path["id"])
    await context.db.write(lambda tx: records.archive(tx, asked.path["id"], archived))
    return {}


async def _told(context: Context, run_id: str) -> dict[str, Any]:
    """The run with its tasks."""
    record = await find(context, run_id)
    view = await context.runs.get(run_id, with_tasks=True)

    def read(tx: Tx) -> dict[str, Any]:
        number = record.run.number
        facts = Facts(artifact_records.of_run(tx, number), history.task_states(tx, number))
        # The record is read again: tasks and state are of one moment, and a run that is over has no task that goes on.
        message = _view(tx, records.get(tx, run_id) or record)
        details = task_details(run_id, record.run.created_at, view["tasks"], facts)
        return {**message, **({"run_details": {"task_details": details}} if details else {})}

    return await context.db.read(read)


def _view(tx: Tx, record: Record) -> dict[str, Any]:
    run, origin = record.run, record.origin
    stored = msgspec.json.decode(run.options, type=SubmitOptions)
    reference = {"pipeline_id": origin.pipeline_id, "pipeline_version_id": origin.version_id}
    message = {
        "experiment_id": origin.experiment,
        "run_id": run.id,
        "display_name": run.name,
        "storage_state": experiments.storage_state(record.archived),
        "description": origin.description,
        "pipeline_version_reference": reference if origin.version_id else None,
        "pipeline_spec": None if origin.version_id else msgspec.Raw(documents.get(tx, run.document)),
        "runtime_config": compact({"parameters": decoded(run.arguments), "pipeline_root": stored.pipeline_root}),
        "service_account": origin.service_account,
        "created_at": time(run.created_at),
        "scheduled_at": time(origin.scheduled_at or run.created_at),
        "finished_at": time(run.finished_at),
        "state": _TOLD.get(run.state, run.state),
        "error": rpc_error(decoded(run.error), run.state),
        "recurring_run_id": origin.recurring_run,
        "state_history": [state(each) for each in history.states(tx, run.number)],
    }
    return compact(message)


def _metric_name(name: str) -> str:
    if not name or not all(letter.isalnum() or letter in "-_. " for letter in name):
        raise invalid(f"sort_by: {name!r} is not the name of a metric")
    return name


def _macro(match: Any, plain: Mapping[str, str], times: Mapping[str, float]) -> str:
    name, format = match[1], match[2]
    if name in plain:
        return plain[name]
    moment = clock.gmtime(times[name])
    return _LAYOUT.sub(lambda word: clock.strftime(_GO[word[0]], moment), format or "20060102150405")
