"""Experiments: `/apis/v2beta1/experiments`.

Called by `wherry.pipelines.rest.app`.  Invariant: there is a Default experiment whenever one is looked for.
"""

from __future__ import annotations

from typing import Any

from wherry.pipelines.rest import lists, messages
from wherry.pipelines.rest.context import Asked, Context, compact, time
from wherry.pipelines.rest.lists import Field
from wherry.pipelines.rest.refusal import ALREADY_EXISTS, FAILED_PRECONDITION, Refusal, invalid, not_found
from wherry.storage import experiments
from wherry.storage.database import Tx
from wherry.storage.errors import ConstraintViolated
from wherry.storage.experiments import ExperimentRow
from wherry.storage.listing import Predicate, select

NAME_LIMIT = 128
_STATES = {"AVAILABLE": 0, "STORAGE_STATE_UNSPECIFIED": 0, "ARCHIVED": 1}


def stored_state(text: str) -> int:
    """A storage_state as the column `archived` has it.  Raises Refusal."""
    state = _STATES.get(text)
    if state is None:
        raise invalid(f"storage_state: {text!r} is not AVAILABLE or ARCHIVED")
    return state


STORAGE_STATE = Field("archived", stored=stored_state)
FIELDS = {
    "experiment_id": Field("id"),
    "id": Field("id"),
    "display_name": Field("name"),
    "name": Field("name"),
    "description": Field("description"),
    "namespace": Field("namespace"),
    "storage_state": STORAGE_STATE,
    "created_at": Field("created_at", "time"),
    "last_run_created_at": Field("coalesce(last_run_at, 0)", "time"),
}


async def create(context: Context, asked: Asked) -> dict[str, Any]:
    """POST experiments."""
    wish = messages.read(asked.body, messages.Experiment)
    name = wish.display_name.strip()
    if not name or len(name) > NAME_LIMIT:
        raise invalid(f"display_name: an experiment needs a name of at most {NAME_LIMIT} characters")
    row = ExperimentRow(context.ids.uuid(), name, wish.namespace, wish.description, 0, context.clock.time(), None)
    if name == experiments.DEFAULT_NAME and not wish.namespace:
        row = row._replace(id=experiments.DEFAULT_ID)
    try:
        await context.db.write(lambda tx: experiments.insert(tx, row))
    except ConstraintViolated:
        raise Refusal(
            ALREADY_EXISTS, f"display_name: an experiment is called {name!r} already; choose another name"
        ) from None
    return view(row)


async def get(context: Context, asked: Asked) -> dict[str, Any]:
    """GET experiments/ID."""
    return view(await find(context, asked.path["id"]))


async def list_(context: Context, asked: Asked) -> dict[str, Any]:
    """GET experiments."""
    query = lists.query(asked.query, FIELDS, "created_at")
    conditions = [*query.conditions, *in_namespace(asked)]
    now = context.clock.time()
    await context.db.write(lambda tx: experiments.ensure_default(tx, now))
    found = await context.db.read(lambda tx: select(tx, experiments.SOURCE, conditions, query.order, query.page))
    return lists.answer("experiments", [view(ExperimentRow(*row)) for row in found.rows], found, query)


async def archive(context: Context, asked: Asked) -> dict[str, Any]:
    """POST experiments/ID:archive."""
    return await _put_away(context, asked, True)


async def unarchive(context: Context, asked: Asked) -> dict[str, Any]:
    """POST experiments/ID:unarchive."""
    return await _put_away(context, asked, False)


async def delete(context: Context, asked: Asked) -> dict[str, Any]:
    """DELETE experiments/ID: its runs stay."""
    await find(context, asked.path["id"])
    await context.db.write(lambda tx: experiments.delete(tx, asked.path["id"]))
    return {}


async def find(context: Context, id: str) -> ExperimentRow:
    """The experiment with this id, the Default one for an empty one.  Raises Refusal."""
    found = await context.db.read(lambda tx: experiments.get(tx, id or experiments.DEFAULT_ID))
    if found is None and id in ("", experiments.DEFAULT_ID):
        now = context.clock.time()

        def make(tx: Tx) -> ExperimentRow | None:
            experiments.ensure_default(tx, now)
            return experiments.get(tx, experiments.DEFAULT_ID)

        found = await context.db.write(make)
    if found is None:
        raise not_found("Experiment", id)
    return found


async def usable(context: Context, id: str) -> ExperimentRow:
    """The experiment in which something is to be made.  Raises Refusal for one that is archived."""
    found = await find(context, id)
    if found.archived:
        raise Refusal(
            FAILED_PRECONDITION, f"experiment_id: the experiment {found.name!r} is archived; unarchive it first"
        )
    return found


def in_namespace(asked: Asked, column: str = "namespace") -> list[Predicate]:
    """The condition that a request's namespace sets."""
    namespace = asked.query.get("namespace", "")
    return [Predicate(column, "=", (namespace,))] if namespace else []


def view(row: ExperimentRow) -> dict[str, Any]:
    """The message."""
    return compact(
        {
            "experiment_id": row.id,
            "display_name": row.name,
            "description": row.description,
            "created_at": time(row.created_at),
            "namespace": row.namespace,
            "storage_state": storage_state(row.archived),
            "last_run_created_at": time(row.last_run_at or 0.0),
        }
    )


def storage_state(archived: int) -> str:
    """The enum's name."""
    return "ARCHIVED" if archived else "AVAILABLE"


async def _put_away(context: Context, asked: Asked, archived: bool) -> dict[str, Any]:
    await find(context, asked.path["id"])
    await context.db.write(lambda tx: experiments.archive(tx, asked.path["id"], archived))
    context.alarm.poke()
    return {}
