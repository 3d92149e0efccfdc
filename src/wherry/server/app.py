"""The server's HTTP API for the command line and `wherry.Client`: routes, bodies, streams and errors.

Composed by `wherry.server.compose`.  Invariants: every error leaves as `{"error": {type, message, hint}}` with a
fitting status; no body is read beyond its limit; streams are JSON lines (events) or raw bytes (logs) and end when
their client goes.  Nothing is decided here: requests go to `Runs`, the run service.
"""

from __future__ import annotations

import hashlib
import os
import re
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wherry._version import __version__
from wherry.errors import UsageError, WherryError
from wherry.pipelines.service import NoSuchRun
from wherry.server.parts import Parts
from wherry.server.streams import EventStream
from wherry.server.submission import Prune, Submission

DOCUMENT_LIMIT = 160 << 20  # bytes of a submission: 64 MiB of YAML may be more as JSON, and arguments come on top
CODE_LIMIT = 64 << 20  # bytes of a code archive; bigger things are data and belong in the artifact store
SMALL_LIMIT = 1 << 20
T = TypeVar("T")
_DIGEST = re.compile(r"[0-9a-f]{64}")


# The first words of the paths that belong to the Kubernetes API, and the paths below them that are KFP's.
KUBERNETES = frozenset(("api", "apis", "openapi", "version", "healthz", "readyz", "livez"))
KFP = ("/apis/v2beta1/", "/apis/v1alpha1/runs/")


def make_app(parts: Parts) -> ASGIApp:
    """The ASGI app over its parts; it has no lifespan of its own: who makes the parts runs them."""
    own, faces = _own_app(parts), dict[Callable[[], ASGIApp], ASGIApp]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        make = _face(parts, scope.get("path", ""))
        if make is None:
            await own(scope, receive, send)
            return
        if make not in faces:
            faces[make] = make()
        await faces[make](scope, receive, send)

    return app


def _face(parts: Parts, path: str) -> Callable[[], ASGIApp] | None:
    """Whose path it is: what makes the app of a public API, None for our own."""
    if path.startswith(KFP):
        return parts.kfp
    return parts.kubernetes if path.lstrip("/").partition("/")[0] in KUBERNETES else None


def _own_app(parts: Parts) -> Starlette:
    api = _Api(parts)
    routes = [
        Route("/v1/status", api.status),
        Route("/v1/runs", api.submit, methods=["POST"]),
        Route("/v1/runs", api.list),
        Route("/v1/runs/{run}/events", api.events),
        Route("/v1/runs/{run}/logs", api.logs),
        Route("/v1/runs/{run}:cancel", api.cancel, methods=["POST"]),
        Route("/v1/runs/{run}:retry", api.retry, methods=["POST"]),
        Route("/v1/runs/{run}", api.get),
        Route("/v1/runs/{run}", api.delete, methods=["DELETE"]),
        Route("/v1/prune", api.prune, methods=["POST"]),
        Route("/v1/shutdown", api.shutdown, methods=["POST"]),
        Route("/v1/code/{digest}", api.has_code, methods=["HEAD"]),
        Route("/v1/code/{digest}", api.put_code, methods=["PUT"]),
    ]
    handlers = {WherryError: _known, HTTPException: _http, msgspec.ValidationError: _malformed, Exception: _unknown}
    return Starlette(routes=routes, exception_handlers=handlers)


class _Api:
    def __init__(self, parts: Parts) -> None:
        self._parts, self._runs = parts, parts.runs

    async def status(self, request: Request) -> Response:
        facts = {"pid": os.getpid(), "version": __version__, "active_runs": self._runs.active}
        return _json({**facts, **self._parts.facts()})

    async def submit(self, request: Request) -> Response | EventStream:
        submission = await _decoded(request, DOCUMENT_LIMIT, Submission)
        run = await self._runs.submit(
            submission.document,
            arguments=submission.arguments,
            name=submission.name,
            options=submission.options,
            run_id=submission.id,
        )
        if _flag(request, "follow"):  # saves a client the second request: the events of the new run
            return self._stream(self._runs.events(run), {"x-wherry-run": run})
        return _json({"id": run}, 201)

    async def list(self, request: Request) -> Response:
        limit = _number(request, "limit", 100)
        found = await self._runs.list(limit=limit or 100, before=request.query_params.get("before"))
        return _json({"runs": found})

    async def get(self, request: Request) -> Response:
        return _json(await self._runs.get(_run(request), with_tasks=_flag(request, "tasks")))

    async def delete(self, request: Request) -> Response:
        await self._runs.delete(_run(request))
        return _json({})

    async def cancel(self, request: Request) -> Response:
        await self._runs.cancel(_run(request), kill=_flag(request, "kill"))
        return _json({})

    async def retry(self, request: Request) -> Response:
        await self._runs.retry(_run(request))
        return _json({})

    async def events(self, request: Request) -> EventStream:
        run = await self._runs.get(_run(request))  # an unknown run is a 404, not a broken stream
        after = _number(request, "after", 0) or 0
        return self._stream(self._runs.events(run["id"], after, follow=_flag(request, "follow")), {})

    def _stream(self, events: AsyncGenerator[dict[str, Any], None], headers: dict[str, str]) -> EventStream:
        return EventStream(events, self._parts, headers)

    async def logs(self, request: Request) -> Response:
        run = await self._runs.get(_run(request))
        task = request.query_params.get("task")
        if not task:
            raise UsageError("which task's logs? the query needs task=PATH")
        logs = self._runs.logs(
            run["id"],
            task,
            attempt=_number(request, "attempt", None),
            follow=_flag(request, "follow"),
            tail=_number(request, "tail", None),
        )
        try:
            first = await anext(logs, b"")  # an unknown task is an error response, not a broken stream
        except BaseException:
            await logs.aclose()
            raise
        return StreamingResponse(_after(first, logs), media_type="application/octet-stream")

    async def prune(self, request: Request) -> Response:
        wish = await _decoded(request, SMALL_LIMIT, Prune)
        gone: list[str] = []
        if wish.runs:
            gone = await self._runs.prune(
                keep=wish.keep, older_than_s=wish.older_than_s, dry_run=wish.dry_run, target=wish.target
            )
        freed = await self._runs.collect(without=gone, dry_run=wish.dry_run, target=wish.target)
        cleared: list[str] = []
        if wish.target is not None:
            cleared = await self._runs.clear(wish.target, older_than_s=wish.older_than_s, dry_run=wish.dry_run)
        unused = []
        if wish.environments_s is not None:
            unused = await self._parts.prune_environments(wish.environments_s, wish.dry_run)
        sources = {"files": freed.files, "bytes": freed.size_bytes}
        environments = [{"name": each.name, "bytes": each.size_bytes} for each in unused]
        return _json({"runs": gone, "sources": sources, "environments": environments, "objects": cleared})

    async def shutdown(self, request: Request) -> Response:
        wish = await _decoded(request, SMALL_LIMIT, _Shutdown)
        active = self._runs.active
        if wish.only_idle and active:
            return _error(409, "Busy", f"{active} runs are going", None)
        self._parts.stopping.set()
        return _json({"pid": os.getpid(), "active_runs": active})

    async def has_code(self, request: Request) -> Response:
        return Response(status_code=200 if await self._parts.code.has(_digest(request)) else 404)

    async def put_code(self, request: Request) -> Response:
        digest = _digest(request)
        data = await _body(request, CODE_LIMIT)
        if hashlib.sha256(data).hexdigest() != digest:
            raise UsageError(f"the code archive is damaged: its digest is not {digest}")
        await self._parts.code.put(digest, data)
        return _json({}, 201)


class _Shutdown(msgspec.Struct, forbid_unknown_fields=True):
    only_idle: bool = False


async def _body(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise HTTPException(413, f"the request has more than {limit >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


async def _decoded(request: Request, limit: int, type: type[T]) -> T:
    data = await _body(request, limit)
    try:
        return msgspec.json.decode(data or b"{}", type=type)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"the request is not JSON that we take: {error}") from None


def _run(request: Request) -> str:
    return request.path_params["run"]


def _digest(request: Request) -> str:
    digest: str = request.path_params["digest"]
    if not _DIGEST.fullmatch(digest):
        raise UsageError("a code archive is named by its sha256, 64 hexadecimal digits")
    return digest


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "0") not in ("0", "", "false")


def _number(request: Request, name: str, default: int | None) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise UsageError(f"{name} must be a number that is not negative, not {text!r}")
    return int(text)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _after(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for data in rest:
            yield data


def _error(status: int, type: str, message: str, hint: str | None) -> Response:
    return _json({"error": {"type": type, "message": message, "hint": hint}}, status)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, WherryError)
    status = 404 if isinstance(error, NoSuchRun) else 400 if isinstance(error, UsageError) else 422
    return _error(status, type(error).__name__, error.message, error.hint)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, "HTTP", error.detail, None)


async def _malformed(request: Request, error: Exception) -> Response:
    return _error(400, "UsageError", f"the request is malformed: {error}", None)


async def _unknown(request: Request, error: Exception) -> Response:
    """The boundary: a fault of ours is told to the client, with its traceback in the server's log."""
    if not isinstance(error, ClientDisconnect):
        traceback.print_exception(error)
    where = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    place = f" at {os.path.basename(where.filename)}:{where.lineno}" if where else ""
    return _error(
        500,
        "Internal",
        f"a fault of wherry's own: {type(error).__name__}: {error}{place}",
        "the server's log in the home has the traceback; please report it",
    )
