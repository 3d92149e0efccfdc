"""Artifacts: `/apis/v2beta1/artifacts`, what a node of a run has made, and its log.

Called by `wherry.pipelines.rest.app`.  Invariants: what users have made is sent as bytes to be saved, or as plain text,
never as something that a browser runs; only what a run has recorded can be read.
"""

from __future__ import annotations

import base64
import posixpath
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

from wherry.pipelines.rest import lists
from wherry.pipelines.rest.context import Asked, Context, compact, decoded, time
from wherry.pipelines.rest.details import task_id
from wherry.pipelines.rest.experiments import in_namespace
from wherry.pipelines.rest.lists import Field
from wherry.pipelines.rest.refusal import FAILED_PRECONDITION, Refusal, invalid, not_found
from wherry.pipelines.rest.runs import find
from wherry.storage import artifact_records
from wherry.storage.artifact_records import Shown
from wherry.storage.errors import StorageError
from wherry.storage.listing import select

READ_LIMIT = 32 << 20
VIEWS = ("ARTIFACT_VIEW_UNSPECIFIED", "BASIC", "DOWNLOAD", "RENDER", "")
FIELDS = {
    "artifact_id": Field("artifact.id", "number"),
    "name": Field("artifact.name"),
    "type": Field("artifact.type"),
    "uri": Field("artifact.uri"),
    "namespace": Field("run.namespace"),
    "run_id": Field("run.id"),
    "created_at": Field("run.created_at", "time"),
}


class Content(NamedTuple):
    """Bytes for a client: a stream, what they are, and under which name to save them."""

    chunks: AsyncGenerator[bytes, None]
    media_type: str
    filename: str


async def list_(context: Context, asked: Asked) -> dict[str, Any]:
    """GET artifacts."""
    query = lists.query(asked.query, FIELDS, "artifact_id")
    conditions = [*query.conditions, *in_namespace(asked, "run.namespace")]
    found = await context.db.read(lambda tx: select(tx, artifact_records.SOURCE, conditions, query.order, query.page))
    items = [_view(artifact_records.shown(row), download=False) for row in found.rows]
    return lists.answer("artifacts", items, found, query)


async def get(context: Context, asked: Asked) -> dict[str, Any]:
    """GET artifacts/ID; with view=DOWNLOAD or RENDER, where its bytes are."""
    view = asked.query.get("view", "")
    if view not in VIEWS:
        raise invalid(f"view: {view!r} is none of {', '.join(VIEWS[1:4])}")
    return _view(await _shown(context, asked.path["id"]), download=view in ("DOWNLOAD", "RENDER"))


async def download(context: Context, asked: Asked) -> Content:
    """GET artifacts/ID:download: its bytes."""
    shown = await _shown(context, asked.path["id"])
    return await _content(context, shown.artifact.uri, posixpath.basename(shown.artifact.uri))


async def read(context: Context, asked: Asked) -> dict[str, Any]:
    """GET runs/ID/nodes/NODE/artifacts/NAME:read: what a task's output holds, in base64."""
    record = await find(context, asked.path["id"])
    node, name = asked.path["node"], asked.path["name"]
    rows = await context.db.read(lambda tx: artifact_records.of_run(tx, record.run.number))
    uris = [uri for _, path, _, output, uri in rows if output == name and task_id(record.run.id, path) == node]
    if not uris:
        raise not_found("Artifact", f"{name} of node {node}")
    try:
        data = await context.store.read(uris[-1], limit=READ_LIMIT)
    except StorageError as error:
        raise Refusal(FAILED_PRECONDITION, error.message) from None
    return {"data": base64.b64encode(data).decode()}


async def log(context: Context, asked: Asked) -> Content:
    """GET /apis/v1alpha1/runs/ID/nodes/NODE/log: what the task (or its pod) has written."""
    record = await find(context, asked.path["id"])
    node = asked.path["node"]
    view = await context.runs.get(record.run.id, with_tasks=True)
    for task in view["tasks"]:
        path = task["path"]
        if node in (task["pod"], task_id(record.run.id, path)) and task["kind"] == "task":
            attempt = task["attempt"] if node == task["pod"] else None
            follow = asked.query.get("follow", "").lower() in ("true", "1")
            chunks = context.runs.logs(record.run.id, path, attempt=attempt, follow=follow)
            return Content(chunks, "text/plain; charset=utf-8", "")
    raise not_found("Node", node)


async def _shown(context: Context, id: str) -> Shown:
    known = id.isascii() and id.isdigit() and len(id) < 19
    found = await context.db.read(lambda tx: artifact_records.get(tx, int(id))) if known else None
    if found is None:
        raise not_found("Artifact", id)
    return found


async def _content(context: Context, uri: str, filename: str) -> Content:
    chunks = context.store.stream(uri)
    try:
        first = await anext(chunks, b"")
    except StorageError as error:
        raise Refusal(FAILED_PRECONDITION, error.message) from None

    async def whole() -> AsyncGenerator[bytes, None]:
        yield first
        async for chunk in chunks:
            yield chunk

    return Content(whole(), "application/octet-stream", filename)


def _view(shown: Shown, *, download: bool) -> dict[str, Any]:
    artifact = shown.artifact
    url = f"/apis/v2beta1/artifacts/{shown.id}:download"
    return compact(
        {
            "artifact_id": str(shown.id),
            "name": artifact.name,
            "type": artifact.type,
            "uri": artifact.uri,
            "metadata": decoded(artifact.metadata),
            "namespace": shown.namespace,
            "run_id": shown.run_id,
            "task_id": task_id(shown.run_id, artifact.path),
            "output": artifact.output,
            "digest": artifact.digest,
            "created_at": time(shown.created_at),
            "download_url": url if download else "",
        }
    )
