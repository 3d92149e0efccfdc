"""Makes the run of a recurring run's fire.

Called by the scheduler.  Invariant: what the recurring run says is read when it fires, so a version that was made
meanwhile is the one that runs, where it names a pipeline and no version.
"""

from __future__ import annotations

import msgspec

from wherry.pipelines.rest.context import Context, decoded
from wherry.pipelines.rest.experiments import find
from wherry.pipelines.rest.runs import expand, options
from wherry.pipelines.rest.sources import Source, resolve
from wherry.pipelines.scheduler import Fire
from wherry.storage import documents
from wherry.storage.records import Origin


async def launch(context: Context, fire: Fire) -> str:
    """The id of the run.  Raises WherryError."""
    row = fire.row
    inline = None
    if row.document is not None:
        sha256 = row.document
        inline = msgspec.json.decode(await context.db.read(lambda tx: documents.get(tx, sha256)))
    found = await resolve(context, Source(inline, row.pipeline or "", row.version or ""))
    experiment = await find(context, row.experiment)
    run_id, now = context.ids.uuid(), context.clock.time()
    arguments = expand(decoded(row.arguments), run_id=run_id, now=now, scheduled=fire.scheduled_at, index=fire.number)
    origin = Origin(
        experiment.id, row.description, found.pipeline, found.version, row.id, row.service_account, fire.scheduled_at
    )
    return await context.runs.submit(
        found.document,
        arguments=arguments,
        name=f"{row.name}-{fire.number}",
        options=options(row.namespace, row.pipeline_root, row.service_account, fire.scheduled_at),
        run_id=run_id,
        origin=origin,
        within=fire.within,
    )
