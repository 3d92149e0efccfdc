"""Pipelines and their versions: `/apis/v2beta1/pipelines`, uploads included.

Called by `wherry.pipelines.rest.app`.  Invariant: what is stored as a version has been read and checked, so a run of
it fails for its arguments at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from wherry.errors import WherryError
from wherry.pipelines.rest import lists, messages, packages
from wherry.pipelines.rest.context import Asked, Context, compact, decoded, time
from wherry.pipelines.rest.experiments import in_namespace
from wherry.pipelines.rest.lists import Field
from wherry.pipelines.rest.refusal import ALREADY_EXISTS, FAILED_PRECONDITION, Refusal, invalid, not_found
from wherry.storage import catalog, documents
from wherry.storage.catalog import PipelineRow, VersionRow
from wherry.storage.database import Tx
from wherry.storage.errors import ConstraintViolated
from wherry.storage.listing import Predicate, select

T = TypeVar("T")
NAME_LIMIT = 128
_TAGS, _TAG_CHARS = 20, 63
PIPELINE_FIELDS = {
    "pipeline_id": Field("id"),
    "id": Field("id"),
    "name": Field("name"),
    "display_name": Field("display_name"),
    "description": Field("description"),
    "namespace": Field("namespace"),
    "created_at": Field("created_at", "time"),
}
VERSION_FIELDS = {
    "pipeline_version_id": Field("id"),
    "id": Field("id"),
    "pipeline_id": Field("pipeline"),
    "name": Field("name"),
    "display_name": Field("display_name"),
    "description": Field("description"),
    "code_source_url": Field("code_source_url"),
    "created_at": Field("created_at", "time"),
}


class Upload(NamedTuple):
    """A file that was uploaded, and what the query says of it."""

    filename: str
    data: bytes
    query: dict[str, str]


async def create(context: Context, asked: Asked) -> dict[str, Any]:
    """POST pipelines: a pipeline without a version."""
    row = _pipeline(context, messages.read(asked.body, messages.Pipeline))
    await _insert(context, lambda tx: catalog.insert_pipeline(tx, row), row.name)
    return view(row)


async def create_with_version(context: Context, asked: Asked) -> dict[str, Any]:
    """POST pipelines/create: a pipeline with its first version."""
    wish = messages.read(asked.body, messages.PipelineAndVersion)
    spec = await _spec_of(context, wish.pipeline_version)
    row = _pipeline(context, wish.pipeline)
    version = _version(context, row.id, wish.pipeline_version, row.name)
    await _insert(context, lambda tx: _both(tx, row, version, spec), row.name)
    return view(row)


async def get(context: Context, asked: Asked) -> dict[str, Any]:
    """GET pipelines/ID."""
    return view(await find(context, asked.path["id"]))


async def get_by_name(context: Context, asked: Asked) -> dict[str, Any]:
    """GET pipelines/names/NAME."""
    name, namespace = asked.path["name"], asked.query.get("namespace", "")
    found = await context.db.read(lambda tx: catalog.pipeline_named(tx, name, namespace))
    if found is None:
        raise not_found("Pipeline", name)
    return view(found)


async def list_(context: Context, asked: Asked) -> dict[str, Any]:
    """GET pipelines."""
    query = lists.query(asked.query, PIPELINE_FIELDS, "created_at")
    conditions = [*query.conditions, *in_namespace(asked)]
    found = await context.db.read(lambda tx: select(tx, catalog.PIPELINES, conditions, query.order, query.page))
    return lists.answer("pipelines", [view(PipelineRow(*row)) for row in found.rows], found, query)


async def update(context: Context, asked: Asked) -> dict[str, Any]:
    """PATCH pipelines/ID: display name, description and tags."""
    row = await find(context, asked.path["id"])
    wish = messages.read(asked.body, messages.Pipeline)
    changed = _retold(row, wish)
    row = row._replace(display_name=changed[0], description=changed[1], tags=changed[2])
    await context.db.write(lambda tx: catalog.update_pipeline(tx, row.id, *changed))
    return view(row)


async def delete(context: Context, asked: Asked) -> dict[str, Any]:
    """DELETE pipelines/ID: refused while it has versions, unless `cascade` says to delete them."""
    row = await find(context, asked.path["id"])
    cascade = asked.query.get("cascade", "").lower() in ("true", "1")

    def work(tx: Tx) -> None:
        if not cascade and catalog.latest_version(tx, row.id) is not None:
            raise Refusal(
                FAILED_PRECONDITION,
                f"The pipeline {row.id} has versions: delete them first, or delete it with cascade=true",
            )
        catalog.delete_pipeline(tx, row.id)

    await context.db.write(work)
    return {}


async def create_version(context: Context, asked: Asked) -> dict[str, Any]:
    """POST pipelines/ID/versions: a document inline or by URL."""
    pipeline = await find(context, asked.path["id"])
    wish = messages.read(asked.body, messages.PipelineVersion)
    spec = await _spec_of(context, wish)
    version = _version(context, pipeline.id, wish, wish.display_name)
    return await _with_document(context, version, spec)


async def get_version(context: Context, asked: Asked) -> dict[str, Any]:
    """GET pipelines/ID/versions/ID."""
    row = await find_version(context, asked.path["version"], asked.path["id"])
    return version_view(row, await context.db.read(lambda tx: documents.get(tx, row.document)))


async def list_versions(context: Context, asked: Asked) -> dict[str, Any]:
    """GET pipelines/ID/versions."""
    await find(context, asked.path["id"])
    query = lists.query(asked.query, VERSION_FIELDS, "created_at")
    conditions = [*query.conditions, Predicate("pipeline", "=", (asked.path["id"],))]

    def read(tx: Tx) -> tuple[Any, list[dict[str, Any]]]:
        found = select(tx, catalog.VERSIONS, conditions, query.order, query.page)
        rows = [VersionRow(*row) for row in found.rows]
        return found, [version_view(row, documents.get(tx, row.document)) for row in rows]

    found, items = await context.db.read(read)
    return lists.answer("pipeline_versions", items, found, query)


async def update_version(context: Context, asked: Asked) -> dict[str, Any]:
    """PATCH pipelines/ID/versions/ID: display name, description and tags."""
    row = await find_version(context, asked.path["version"], asked.path["id"])
    wish = messages.read(asked.body, messages.PipelineVersion)
    changed = _retold(row, wish)
    row = row._replace(display_name=changed[0], description=changed[1], tags=changed[2])
    await context.db.write(lambda tx: catalog.update_version(tx, row.id, *changed))
    return version_view(row, await context.db.read(lambda tx: documents.get(tx, row.document)))


async def delete_version(context: Context, asked: Asked) -> dict[str, Any]:
    """DELETE pipelines/ID/versions/ID."""
    row = await find_version(context, asked.path["version"], asked.path["id"])
    await context.db.write(lambda tx: catalog.delete_version(tx, row.id))
    return {}


async def upload(context: Context, file: Upload) -> dict[str, Any]:
    """POST pipelines/upload: a pipeline and its first version from a package."""
    spec = await asyncio.to_thread(packages.document, file.data)
    query = file.query
    name = query.get("name") or query.get("display_name") or file.filename
    wish = messages.Pipeline(
        name=name,
        display_name=query.get("display_name") or name,
        description=query.get("description", ""),
        namespace=query.get("namespace", ""),
        tags=_tags_of(query),
    )
    row = _pipeline(context, wish)
    first = messages.PipelineVersion(
        name=name,
        display_name=wish.display_name,
        description=wish.description,
        code_source_url=query.get("code_source_url", ""),
    )
    version = _version(context, row.id, first, name)
    await _insert(context, lambda tx: _both(tx, row, version, spec), name)
    return view(row)


async def upload_version(context: Context, file: Upload) -> dict[str, Any]:
    """POST pipelines/upload_version: one more version from a package."""
    query = file.query
    if not query.get("pipelineid"):
        raise invalid("pipelineid: the query needs the pipeline's id")
    pipeline = await find(context, query["pipelineid"])
    spec = await asyncio.to_thread(packages.document, file.data)
    name = query.get("name") or query.get("display_name") or file.filename
    wish = messages.PipelineVersion(
        name=name,
        display_name=query.get("display_name") or name,
        description=query.get("description", ""),
        code_source_url=query.get("code_source_url", ""),
        tags=_tags_of(query),
    )
    return await _with_document(context, _version(context, pipeline.id, wish, name), spec)


async def find(context: Context, id: str) -> PipelineRow:
    """The pipeline with this id.  Raises Refusal."""
    found = await context.db.read(lambda tx: catalog.pipeline(tx, id))
    if found is None:
        raise not_found("Pipeline", id)
    return found


async def find_version(context: Context, id: str, pipeline: str = "") -> VersionRow:
    """The version with this id, in the pipeline if one is named; the latest one of that for an empty id."""
    if id:
        found = await context.db.read(lambda tx: catalog.version(tx, id))
    else:
        found = await context.db.read(lambda tx: catalog.latest_version(tx, pipeline))
    if found is None or (pipeline and found.pipeline != pipeline):
        raise not_found("PipelineVersion", id or f"of pipeline {pipeline}")
    return found


def view(row: PipelineRow) -> dict[str, Any]:
    """The message."""
    return compact(
        {
            "pipeline_id": row.id,
            "display_name": row.display_name,
            "name": row.name,
            "description": row.description,
            "created_at": time(row.created_at),
            "namespace": row.namespace,
            "tags": decoded(row.tags),
        }
    )


def version_view(row: VersionRow, body: bytes) -> dict[str, Any]:
    """The message, its document included."""
    return compact(
        {
            "pipeline_id": row.pipeline,
            "pipeline_version_id": row.id,
            "display_name": row.display_name,
            "name": row.name,
            "description": row.description,
            "created_at": time(row.created_at),
            "package_url": {"pipeline_url": row.package_url} if row.package_url else None,
            "code_source_url": row.code_source_url,
            "pipeline_spec": msgspec.Raw(body),
            "tags": decoded(row.tags),
        }
    )


def _retold(row: PipelineRow | VersionRow, wish: messages.Pipeline | messages.PipelineVersion) -> tuple[str, str, str]:
    """Display name, description and tags, changed where the message says something."""
    return (
        _named(wish.display_name or row.display_name, "display_name"),
        wish.description or row.description,
        _tags(wish.tags) if wish.tags else row.tags,
    )


def _pipeline(context: Context, wish: messages.Pipeline) -> PipelineRow:
    name = _named(wish.name or wish.display_name, "name")
    return PipelineRow(
        context.ids.uuid(),
        name,
        wish.namespace,
        _named(wish.display_name or name, "display_name"),
        wish.description,
        _tags(wish.tags),
        context.clock.time(),
    )


def _version(context: Context, pipeline: str, wish: messages.PipelineVersion, default_name: str) -> VersionRow:
    name = _named(wish.name or wish.display_name or default_name, "name")
    return VersionRow(
        context.ids.uuid(),
        pipeline,
        name,
        _named(wish.display_name or name, "display_name"),
        wish.description,
        wish.code_source_url,
        wish.package_url.pipeline_url,
        "",
        _tags(wish.tags),
        context.clock.time(),
    )


async def _spec_of(context: Context, wish: messages.PipelineVersion) -> dict[str, Any]:
    """The document of a version that is asked for.  Raises Refusal."""
    url = wish.package_url.pipeline_url
    if (wish.pipeline_spec is None) == (not url):
        raise invalid("A version needs either a pipeline_spec or a package_url with a pipeline_url")
    if not url:
        return packages.checked(wish.pipeline_spec)
    try:
        text = await asyncio.to_thread(context.fetch, url)
    except (WherryError, ConnectionError, ValueError) as error:
        raise invalid(f"package_url.pipeline_url: {error}") from None
    return await asyncio.to_thread(packages.document, text.encode())


async def _with_document(context: Context, version: VersionRow, spec: dict[str, Any]) -> dict[str, Any]:
    body = packages.encoded(spec)

    def work(tx: Tx) -> VersionRow:
        row = version._replace(document=documents.put(tx, body))
        catalog.insert_version(tx, row)
        return row

    return version_view(await _insert(context, work, version.name), body)


def _both(tx: Tx, pipeline: PipelineRow, version: VersionRow, spec: dict[str, Any]) -> None:
    catalog.insert_pipeline(tx, pipeline)
    catalog.insert_version(tx, version._replace(document=documents.put(tx, packages.encoded(spec))))


async def _insert(context: Context, work: Callable[[Tx], T], name: str) -> T:
    try:
        return await context.db.write(work)
    except ConstraintViolated:
        raise Refusal(ALREADY_EXISTS, f"name: {name!r} is taken already; choose another name") from None


def _named(name: str, field: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise invalid(f"{field}: a name of 1 to {NAME_LIMIT} printable characters is needed, not {name[:200]!r}")
    return name


def _tags(tags: dict[str, str]) -> str:
    if len(tags) > _TAGS or any(not 0 < len(key) <= _TAG_CHARS or len(tags[key]) > _TAG_CHARS for key in tags):
        raise invalid(f"tags: at most {_TAGS} of them, each of at most {_TAG_CHARS} characters")
    return msgspec.json.encode(tags).decode()


def _tags_of(query: dict[str, str]) -> dict[str, str]:
    try:
        return msgspec.json.decode(query.get("tags") or "{}", type=dict[str, str])
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid(f"tags: {error}") from None
