"""Recurring runs: `/apis/v2beta1/recurringruns`.

Called by `wherry.pipelines.rest.app`.  Invariant: a schedule, a pipeline and arguments that could never make a run are
refused when the recurring run is made, not when it fires.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.errors import UsageError
from wherry.pipelines import schedules
from wherry.pipelines.rest import experiments, lists, messages, packages, sources
from wherry.pipelines.rest.context import Asked, Context, compact, decoded, time
from wherry.pipelines.rest.lists import Field
from wherry.pipelines.rest.messages import moment
from wherry.pipelines.rest.refusal import UNKNOWN, invalid, not_found, status
from wherry.pipelines.rest.runs import options
from wherry.pipelines.schedules import Schedule
from wherry.storage import documents
from wherry.storage import schedules as table
from wherry.storage.database import Tx
from wherry.storage.listing import Predicate, select
from wherry.storage.schedules import RecurringRow

NAME_LIMIT = 128
LARGEST_CONCURRENCY = 10
_MODES = {"ENABLE": 1, 1: 1, "DISABLE": 0, 2: 0, "MODE_UNSPECIFIED": 1, "": 1, 0: 1}


def _stored_status(text: str) -> int:
    if text not in ("ENABLED", "DISABLED"):
        raise invalid(f"status: {text!r} is not ENABLED or DISABLED")
    return int(text == "ENABLED")


FIELDS = {
    "recurring_run_id": Field("id"),
    "id": Field("id"),
    "display_name": Field("name"),
    "name": Field("name"),
    "description": Field("description"),
    "namespace": Field("namespace"),
    "experiment_id": Field("experiment"),
    "pipeline_id": Field("coalesce(pipeline, '')"),
    "pipeline_version_id": Field("coalesce(version, '')"),
    "service_account": Field("service_account"),
    "status": Field("enabled", stored=_stored_status),
    "created_at": Field("created_at", "time"),
    "updated_at": Field("updated_at", "time"),
}


async def create(context: Context, asked: Asked) -> dict[str, Any]:
    """POST recurringruns."""
    wish = messages.read(asked.body, messages.RecurringRun)
    name = wish.display_name.strip()
    if not name or len(name) > NAME_LIMIT:
        raise invalid(f"display_name: a recurring run needs a name of at most {NAME_LIMIT} characters")
    if wish.plugins_input:
        raise invalid("plugins_input: this server has no plugins")
    experiment = await experiments.usable(context, wish.experiment_id)
    enabled = _MODES.get(wish.mode)
    if enabled is None:
        raise invalid(f"mode: {wish.mode!r} is not ENABLE or DISABLE")
    schedule = _schedule(wish.trigger)
    source = sources.asked(wish)
    found = await sources.resolve(context, source)
    try:
        chosen = options(experiment.namespace, wish.runtime_config.pipeline_root, wish.service_account, None)
        await context.runs.check(found.document, arguments=wish.runtime_config.parameters, options=chosen)
    except UsageError as error:
        raise invalid(str(error)) from None
    now = context.clock.time()
    row = RecurringRow(
        context.ids.uuid(),
        name,
        wish.namespace or experiment.namespace,
        wish.description,
        experiment.id,
        found.pipeline if source.inline is None else None,
        source.version or None,
        None,
        msgspec.json.encode(wish.runtime_config.parameters).decode(),
        wish.runtime_config.pipeline_root,
        wish.service_account,
        min(max(wish.max_concurrency, 1), LARGEST_CONCURRENCY),
        int(not wish.no_catchup),
        enabled,
        msgspec.json.encode(schedule).decode(),
        0,
        schedules.first_base(schedule, now),
        None,
        now,
        now,
    )

    def insert(tx: Tx) -> RecurringRow:
        document = documents.put(tx, packages.encoded(source.inline)) if source.inline is not None else None
        table.insert(tx, row._replace(document=document))
        return row._replace(document=document)

    stored = await context.db.write(insert)
    context.alarm.poke()
    return await context.db.read(lambda tx: _view(tx, stored))


async def get(context: Context, asked: Asked) -> dict[str, Any]:
    """GET recurringruns/ID."""
    row = await find(context, asked.path["id"])
    return await context.db.read(lambda tx: _view(tx, row))


async def list_(context: Context, asked: Asked) -> dict[str, Any]:
    """GET recurringruns."""
    query = lists.query(asked.query, FIELDS, "created_at")
    conditions = [*query.conditions, *experiments.in_namespace(asked)]
    if asked.query.get("experiment_id"):
        conditions.append(Predicate("experiment", "=", (asked.query["experiment_id"],)))

    def read(tx: Tx) -> tuple[Any, list[dict[str, Any]]]:
        found = select(tx, table.SOURCE, conditions, query.order, query.page)
        return found, [_view(tx, RecurringRow(*row)) for row in found.rows]

    found, items = await context.db.read(read)
    return lists.answer("recurringRuns", items, found, query)


async def enable(context: Context, asked: Asked) -> dict[str, Any]:
    """POST recurringruns/ID:enable."""
    row = await find(context, asked.path["id"])
    await experiments.usable(context, row.experiment)
    now = context.clock.time()
    await context.db.write(lambda tx: table.enable(tx, row.id, now))
    context.alarm.poke()
    return {}


async def disable(context: Context, asked: Asked) -> dict[str, Any]:
    """POST recurringruns/ID:disable."""
    row = await find(context, asked.path["id"])
    now = context.clock.time()
    await context.db.write(lambda tx: table.disable(tx, row.id, now))
    return {}


async def delete(context: Context, asked: Asked) -> dict[str, Any]:
    """DELETE recurringruns/ID: its runs stay."""
    row = await find(context, asked.path["id"])
    await context.db.write(lambda tx: table.delete(tx, row.id))
    return {}


async def find(context: Context, id: str) -> RecurringRow:
    """The recurring run with this id.  Raises Refusal."""
    found = await context.db.read(lambda tx: table.get(tx, id))
    if found is None:
        raise not_found("RecurringRun", id)
    return found


def _schedule(trigger: messages.Trigger) -> Schedule:
    cron, periodic = trigger.cron_schedule, trigger.periodic_schedule
    if (cron is None) == (periodic is None):
        raise invalid("trigger: it needs either a cron_schedule or a periodic_schedule")
    given = cron or periodic
    assert given is not None
    start, end = moment(given.start_time, "trigger.start_time"), moment(given.end_time, "trigger.end_time")
    if cron is not None:
        schedule = Schedule(cron=cron.cron, start=start, end=end)
    else:
        schedule = Schedule(interval_s=periodic.interval_second if periodic is not None else 0, start=start, end=end)
    try:
        schedules.check(schedule)
    except UsageError as error:
        raise invalid(f"trigger: {error}") from None
    return schedule


def _view(tx: Tx, row: RecurringRow) -> dict[str, Any]:
    schedule = msgspec.json.decode(row.schedule, type=Schedule)
    bounds = {"start_time": time(schedule.start), "end_time": time(schedule.end)}
    if schedule.cron:
        trigger = {"cron_schedule": compact({**bounds, "cron": schedule.cron})}
    else:
        trigger = {"periodic_schedule": compact({**bounds, "interval_second": str(schedule.interval_s)})}
    reference = compact({"pipeline_id": row.pipeline, "pipeline_version_id": row.version})
    message = {
        "recurring_run_id": row.id,
        "display_name": row.name,
        "description": row.description,
        "pipeline_spec": msgspec.Raw(documents.get(tx, row.document)) if row.document else None,
        "pipeline_version_reference": reference,
        "runtime_config": compact({"parameters": decoded(row.arguments), "pipeline_root": row.pipeline_root}),
        "service_account": row.service_account,
        "max_concurrency": str(row.max_concurrency),
        "trigger": trigger,
        "mode": "ENABLE" if row.enabled else "DISABLE",
        "status": "ENABLED" if row.enabled else "DISABLED",
        "no_catchup": not row.catch_up,
        "created_at": time(row.created_at),
        "updated_at": time(row.updated_at),
        "namespace": row.namespace,
        "experiment_id": row.experiment,
        "error": status(UNKNOWN, row.error) if row.error else None,
    }
    return compact(message)
