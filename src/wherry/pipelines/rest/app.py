"""The ASGI app of KFP's v2beta1 API: routes, bodies, answers, refusals.

Made by `wherry.server.compose` when the API is first asked for.  Invariants: every refusal has gRPC's code and the
gateway's body; no body is read beyond its limit; what the swagger has and this server does not is a 501 that names it.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from wherry._version import __version__
from wherry.errors import WherryError
from wherry.pipelines.rest import artifacts, catalog, experiments, recurring, runs
from wherry.pipelines.rest.context import Asked, Context
from wherry.pipelines.rest.refusal import INTERNAL, INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED, Refusal
from wherry.storage.errors import StorageError

ROOT = "/apis/v2beta1"
BODY_LIMIT = 160 << 20  # a document of 64 MiB of YAML may be more as JSON
UPLOAD_LIMIT = 32 << 20
Handler = Callable[[Context, Asked], Awaitable[Any]]
_JSON = "application/json"

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/experiments", experiments.create),
    ("GET", "/experiments", experiments.list_),
    ("POST", "/experiments/{id}:archive", experiments.archive),
    ("POST", "/experiments/{id}:unarchive", experiments.unarchive),
    ("GET", "/experiments/{id}", experiments.get),
    ("DELETE", "/experiments/{id}", experiments.delete),
    ("POST", "/pipelines", catalog.create),
    ("GET", "/pipelines", catalog.list_),
    ("POST", "/pipelines/create", catalog.create_with_version),
    ("GET", "/pipelines/names/{name}", catalog.get_by_name),
    ("GET", "/pipelines/{id}", catalog.get),
    ("PATCH", "/pipelines/{id}", catalog.update),
    ("DELETE", "/pipelines/{id}", catalog.delete),
    ("POST", "/pipelines/{id}/versions", catalog.create_version),
    ("GET", "/pipelines/{id}/versions", catalog.list_versions),
    ("GET", "/pipelines/{id}/versions/{version}", catalog.get_version),
    ("PATCH", "/pipelines/{id}/versions/{version}", catalog.update_version),
    ("DELETE", "/pipelines/{id}/versions/{version}", catalog.delete_version),
    ("POST", "/runs", runs.create),
    ("GET", "/runs", runs.list_),
    ("POST", "/runs/{id}:archive", runs.archive),
    ("POST", "/runs/{id}:unarchive", runs.unarchive),
    ("POST", "/runs/{id}:terminate", runs.terminate),
    ("POST", "/runs/{id}:retry", runs.retry),
    ("GET", "/runs/{id}/nodes/{node}/artifacts/{name}:read", artifacts.read),
    ("GET", "/runs/{id}", runs.get),
    ("DELETE", "/runs/{id}", runs.delete),
    ("POST", "/recurringruns", recurring.create),
    ("GET", "/recurringruns", recurring.list_),
    ("POST", "/recurringruns/{id}:enable", recurring.enable),
    ("POST", "/recurringruns/{id}:disable", recurring.disable),
    ("GET", "/recurringruns/{id}", recurring.get),
    ("DELETE", "/recurringruns/{id}", recurring.delete),
    ("GET", "/artifacts", artifacts.list_),
    ("GET", "/artifacts/{id}:download", artifacts.download),
    ("GET", "/artifacts/{id}", artifacts.get),
)
# What KFP's swagger has beside these, and who would use it.
UNSERVED: tuple[tuple[str, str, str], ...] = (
    ("GET", "/auth", "AuthService.Authorize: this server has one user, and its token"),
    ("GET", "/filters", "DummyFilterService.GetFilter: it only documents the filter message"),
    ("POST", "/visualizations/{namespace}", "VisualizationService.CreateVisualizationV1"),
    ("POST", "/workflows", "ReportService.ReportWorkflow: there are no Argo workflows to report"),
    (
        "POST",
        "/scheduledworkflows",
        "ReportService.ReportScheduledWorkflow: there are no scheduled workflows to report",
    ),
)


def make_app(context: Context) -> ASGIApp:
    """The app over the server's parts."""
    routes = [
        Route(f"{ROOT}/healthz", _health),
        Route(f"{ROOT}/pipelines/upload", functools.partial(_uploaded, context, catalog.upload), methods=["POST"]),
        Route(
            f"{ROOT}/pipelines/upload_version",
            functools.partial(_uploaded, context, catalog.upload_version),
            methods=["POST"],
        ),
        *(
            Route(f"{ROOT}{path}", functools.partial(_served, context, work), methods=[verb])
            for verb, path, work in ROUTES
        ),
        *(Route(f"{ROOT}{path}", functools.partial(_unserved, why), methods=[verb]) for verb, path, why in UNSERVED),
        Route("/apis/v1alpha1/runs/{id}/nodes/{node}/log", functools.partial(_served, context, artifacts.log)),
    ]
    handlers: dict[Any, Any] = {
        Refusal: _refused,
        StorageError: _failed,
        WherryError: _wrong,
        HTTPException: _no_route,
        Exception: _fault,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


async def _health(request: Request) -> Response:
    return _json({"commit_sha": "", "tag_name": __version__, "multi_user": False, "pipeline_store": "database"})


async def _served(context: Context, work: Handler, request: Request) -> Response:
    body = await _body(request, BODY_LIMIT)
    found = await work(context, Asked(request.path_params, dict(request.query_params), body))
    return _sent(found) if isinstance(found, artifacts.Content) else _json(found)


async def _uploaded(
    context: Context, work: Callable[[Context, catalog.Upload], Awaitable[Any]], request: Request
) -> Response:
    """A multipart upload; its errors have a body of their own, as KFP's upload server writes it."""
    try:
        file = await _file(request)
        return _json(await work(context, file))
    except Refusal as refusal:
        status = {400: 400, 404: 400, 409: 409}.get(refusal.status, 500)
        return _json({"error_message": refusal.message, "error_details": refusal.message}, status)


async def _file(request: Request) -> catalog.Upload:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > UPLOAD_LIMIT + (1 << 20):
        raise _too_large(UPLOAD_LIMIT)
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            found = form.get("uploadfile")
            if not isinstance(found, UploadFile):
                raise Refusal(INVALID_ARGUMENT, "uploadfile: the form needs a file of that name")
            data = await found.read(UPLOAD_LIMIT + 1)
            if len(data) > UPLOAD_LIMIT:
                raise _too_large(UPLOAD_LIMIT)
            return catalog.Upload(found.filename or "", data, dict(request.query_params))
    except MultiPartException as error:
        raise Refusal(INVALID_ARGUMENT, f"The request is not a multipart form: {error.message}") from None


async def _unserved(why: str, request: Request) -> Response:
    raise Refusal(UNIMPLEMENTED, f"Not served here: {why}")


async def _body(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> Refusal:
    return Refusal(INVALID_ARGUMENT, f"The request has more than {limit >> 20} MiB")


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type=_JSON)


def _sent(content: artifacts.Content) -> Response:
    headers = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox"}
    if content.filename:
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(content.filename, safe='')}"

    async def chunks() -> AsyncGenerator[bytes, None]:
        async with aclosing(content.chunks):
            async for chunk in content.chunks:
                yield chunk

    return StreamingResponse(chunks(), media_type=content.media_type, headers=headers)


async def _refused(request: Request, error: Refusal) -> Response:
    return _json(error.body(), error.status)


async def _failed(request: Request, error: StorageError) -> Response:
    return _json(Refusal(UNAVAILABLE, str(error)).body(), 503)


async def _wrong(request: Request, error: WherryError) -> Response:
    return _json(Refusal(INVALID_ARGUMENT, str(error)).body(), 400)


async def _no_route(request: Request, error: HTTPException) -> Response:
    code = UNIMPLEMENTED if error.status_code == 405 else NOT_FOUND
    return _json(Refusal(code, error.detail).body(), 501 if error.status_code == 405 else error.status_code)


async def _fault(request: Request, error: Exception) -> Response:
    """The boundary: a fault of ours is told, with its traceback in the server's log."""
    if not isinstance(error, ClientDisconnect):
        traceback.print_exception(error)
    return JSONResponse(Refusal(INTERNAL, f"A fault of wherry's own: {type(error).__name__}").body(), 500)
