"""From where a run or a recurring run has its pipeline: inline, or a version of a pipeline.

Called by the handlers of runs and recurring runs, and by the scheduler at each fire.  Invariant: a version is looked up
when the run is made, so a reference without a version's id means the latest one at that moment.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from wherry.pipelines.rest import messages, packages
from wherry.pipelines.rest.catalog import find, find_version
from wherry.pipelines.rest.context import Context
from wherry.pipelines.rest.refusal import invalid
from wherry.storage import documents


class Source(NamedTuple):
    """A pipeline: a document (`inline`), or a reference to a version of a pipeline."""

    inline: dict[str, Any] | None = None
    pipeline: str = ""
    version: str = ""


class Found(NamedTuple):
    """The document, and the version that it is of, if it is of one."""

    document: dict[str, Any]
    pipeline: str | None = None
    version: str | None = None


def asked(wish: messages.Run | messages.RecurringRun) -> Source:
    """What a message says; exactly one of the ways.  Raises Refusal."""
    reference = wish.pipeline_version_reference
    version = reference.pipeline_version_id or wish.pipeline_version_id
    named = bool(version or reference.pipeline_id)
    if (wish.pipeline_spec is not None) == named:
        raise invalid("A run needs either a pipeline_spec or a pipeline_version_reference")
    if named:
        return Source(None, reference.pipeline_id, version)
    return Source(packages.checked(wish.pipeline_spec))


async def resolve(context: Context, source: Source) -> Found:
    """The document of a source.  Raises Refusal for a version that is not there."""
    if source.inline is not None:
        return Found(source.inline)
    if source.pipeline:
        await find(context, source.pipeline)
    row = await find_version(context, source.version, source.pipeline)
    body = await context.db.read(lambda tx: documents.get(tx, row.document))
    return Found(msgspec.json.decode(body), row.pipeline, row.id)
