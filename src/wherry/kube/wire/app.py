"""The ASGI app: from a path and a method to a verb, and from an error to its Status.

Made by the server and by tests.  Invariant: whatever a client sends, the answer is a Kubernetes object or a stream of
them, and a fault of ours is a Status with code 500 whose traceback is in the log.
"""

from __future__ import annotations

import asyncio
import platform
import traceback
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.registry import MAJOR, MINOR, VERSION
from wherry.kube.errors import KubeError, bad_request, error
from wherry.kube.wire import discovery, openapi, openapi_protobuf, patching, pod_parts, reviews, verbs
from wherry.kube.wire.exchange import BODY_WITHIN_S, JSON, ClientGone, Exchange, Receive, Scope, Send
from wherry.kube.wire.paths import Target, parse
from wherry.kube.wire.sockets import Socket
from wherry.seams import Clock

STREAMING = "wherry.kube.wire.streaming"  # the lazy entry: most servers are never asked for streams
_AS_JSON = (JSON, "application/*", "*/*")
STREAMS = ("exec", "attach", "portforward")  # subresources of pods
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Verb = Callable[[verbs.Request], Awaitable[None]]

# What may be asked of a collection and of an object, by method; and of an object's subresources.
_COLLECTION: dict[str, Verb] = {"GET": verbs.list_, "POST": verbs.create, "DELETE": verbs.delete_collection}
_OBJECT: dict[str, Verb] = {
    "GET": verbs.get,
    "PUT": verbs.replace,
    "PATCH": patching.patch,
    "DELETE": verbs.delete,
}
_PART: dict[str, Verb] = {"GET": verbs.get, "PUT": verbs.replace, "PATCH": patching.patch}
_POD_LOG: dict[str, Verb] = {"GET": verbs.logs}


async def _need_socket(request: verbs.Request) -> None:
    """Streams that are asked for without a WebSocket: an error of the request itself comes first."""
    await import_module(STREAMING).check(request.exchange.query, request.server.kube, request.target)
    upgrade = request.exchange.header("upgrade") or "nothing"
    raise bad_request(
        f"{request.target.subresource} needs an upgrade to a WebSocket, and {upgrade} was asked for: kubectl 1.31 and"
        " later do it by themselves (unless KUBECTL_REMOTE_COMMAND_WEBSOCKETS or KUBECTL_PORT_FORWARD_WEBSOCKETS is"
        f" false); others use wherry {'port-forward' if request.target.subresource == 'portforward' else 'exec'}"
    )


_REFUSED: dict[str, Verb] = dict.fromkeys(("GET", "PUT", "PATCH"), pod_parts.refuse_ephemeral)
_POD_PARTS: dict[str, dict[str, Verb]] = {
    "binding": {"POST": pod_parts.bind},
    "eviction": {"POST": pod_parts.evict},
    "ephemeralcontainers": _REFUSED,
}
_STREAM: dict[str, Verb] = {"GET": _need_socket, "POST": _need_socket}


def _nobodys(token: str) -> bool:
    return False


def make_app(
    kube: EmbeddedKube,
    *,
    clock: Clock,
    stopping: asyncio.Event,
    body_within_s: float = BODY_WITHIN_S,
    authentic: reviews.Authentic = _nobodys,
) -> Application:
    """The app over the objects of `kube`; it has no lifespan: who makes the kube runs it.

    `stopping` set ends all streams.  body_within_s: how long the body of a request may take to arrive.
    `authentic` says of a token whether it is the home's own.
    """
    server = verbs.Server(kube, clock, authentic)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _serve_socket(server, Socket(scope, receive, send))
            return
        exchange = Exchange(scope, receive, send, stopping, body_within_s)
        try:
            await _answer(server, exchange)
        except ClientGone:
            pass
        except KubeError as problem:
            await _refuse(exchange, problem)
        except RecursionError:
            await _refuse(exchange, bad_request("what the request says is nested too deeply"))
        except Exception as problem:  # noqa: BLE001 - the boundary: a fault of ours is told, and never ends the server
            traceback.print_exception(problem)
            await _refuse(exchange, _fault(problem))

    return app


async def _refuse(exchange: Exchange, problem: KubeError) -> None:
    if exchange.answered:
        raise problem  # in the middle of a stream: the connection breaks off
    await exchange.answer(problem.status, problem.code)


async def _serve_socket(server: verbs.Server, socket: Socket) -> None:
    target = parse(socket.path)
    try:
        try:
            reviews.check_impersonation(socket.headers)
            if target is None or not _is_stream(target):
                raise bad_request("only exec, attach and port-forward of pods are served over a WebSocket")
            await import_module(STREAMING).serve(socket, server.kube, target)
        except KubeError as problem:
            if socket.opened:
                raise
            await socket.refuse(problem)
    except ClientGone:
        pass
    except Exception as problem:  # noqa: BLE001 - as above
        traceback.print_exception(problem)
        if not socket.opened:
            await socket.refuse(_fault(problem))


def _is_stream(target: Target) -> bool:
    of_pods = (target.group, target.version, target.plural) == ("", "v1", "pods")
    return of_pods and bool(target.namespace) and target.subresource in STREAMS


def _fault(problem: Exception) -> KubeError:
    return error("InternalError", f"a fault of wherry's own: {type(problem).__name__}")


async def _answer(server: verbs.Server, exchange: Exchange) -> None:
    reviews.check_impersonation(exchange.headers.items())
    target = parse(exchange.path)
    if target is None:
        await _describe(server, exchange)
        return
    if reviews.is_review(target):
        await reviews.answer(exchange, target, server.authentic)
        return
    await server.kube.ready()
    kind = server.kube.registry.of_path(target.group, target.version, target.plural)
    if kind is None or (target.namespace and not kind.resource.namespaced):
        raise _nothing_here()
    if kind.custom is not None and kind.custom.warning:
        exchange.warnings.append(kind.custom.warning)
    request = verbs.Request(server, exchange, target, kind)
    method = "GET" if exchange.method == "HEAD" else exchange.method
    if method == "GET" and target.name and not target.subresource and exchange.flag("watch"):
        await verbs.list_(request)
        return
    table = _verbs_of(request)
    if method not in table or (kind.resource.namespaced and not target.namespace and method != "GET"):
        raise error("MethodNotAllowed", "the server does not allow this method on the requested resource")
    await table[method](request)


def _verbs_of(request: verbs.Request) -> dict[str, Verb]:
    target, kind = request.target, request.kind
    if not target.name:
        return _COLLECTION
    if not target.subresource:
        return _OBJECT
    if (target.subresource == "status" and kind.has_status) or (target.subresource == "scale" and kind.scale):
        return _PART
    if kind.table == "pods":
        if target.subresource == "log":
            return _POD_LOG
        if target.subresource in STREAMS:
            return _STREAM
        if target.subresource in _POD_PARTS:
            return _POD_PARTS[target.subresource]
    if target.subresource == "token" and kind.table == "serviceaccounts":
        raise error("Forbidden", reviews.NO_TOKENS)
    raise _nothing_here()


def _nothing_here() -> KubeError:
    return error("NotFound", "the server could not find the requested resource")


async def _describe(server: verbs.Server, exchange: Exchange) -> None:
    """Everything that is not a resource: health, version, discovery."""
    if exchange.method not in ("GET", "HEAD"):
        raise error("MethodNotAllowed", "the server does not allow this method on the requested resource")
    words = exchange.path.strip("/").split("/")
    if words[0] in ("healthz", "readyz", "livez"):
        await exchange.send(b"ok", content_type="text/plain; charset=utf-8")
        return
    if words == ["version"]:
        await exchange.answer(_version())
        return
    await server.kube.ready()
    if words == ["openapi", "v2"] and _is_binary_wanted(exchange):
        document = openapi_protobuf.encoded(openapi.swagger(server.kube.registry))
        await exchange.send(document, content_type=openapi_protobuf.CONTENT_TYPE)
        return
    found = _discover(server, exchange, words)
    if found is None:
        raise _nothing_here()
    content_type = JSON
    if found.get("kind") == "APIGroupDiscoveryList":
        version = found["apiVersion"].rpartition("/")[2]
        content_type = f"{JSON};g={discovery.AGGREGATED};v={version};as=APIGroupDiscoveryList"
    await exchange.send(verbs.encoded(found), content_type=content_type)


def _discover(server: verbs.Server, exchange: Exchange, words: list[str]) -> dict[str, Any] | None:
    registry = server.kube.registry
    match words:
        case ["api"] | ["apis"]:
            for media, parameters in exchange.accepts():
                if media == JSON and parameters.get("g") == discovery.AGGREGATED:
                    if parameters.get("v") in ("v2", "v2beta1"):
                        return discovery.aggregated(registry, core=words == ["api"], version=parameters["v"])
                elif media in _AS_JSON:
                    break
            return (
                discovery.core_versions(exchange.header("host")) if words == ["api"] else discovery.group_list(registry)
            )
        case ["api", version]:
            return discovery.resource_list(registry, "", version)
        case ["apis", group]:
            return discovery.group(registry, group)
        case ["apis", group, version]:
            return discovery.resource_list(registry, group, version)
        case ["openapi", "v2"]:
            _check_json(exchange)
            return openapi.swagger(registry)
        case ["openapi", "v3"]:
            _check_json(exchange)
            return openapi.index(registry)
        case ["openapi", "v3", *root]:
            _check_json(exchange)
            return openapi.document(registry, "/".join(root))
        case _:
            return None


def _is_binary_wanted(exchange: Exchange) -> bool:
    """Whether the first form that the client takes, of those that there are, is protobuf."""
    forms = (media for media, _ in exchange.accepts() if media in (*_AS_JSON, *openapi_protobuf.ASKED_FOR_BY))
    return next(forms, JSON) not in _AS_JSON


def _check_json(exchange: Exchange) -> None:
    """Raises NotAcceptable for a client that takes documents only in another form."""
    if not any(media in _AS_JSON for media, _ in exchange.accepts()):
        raise error("NotAcceptable", f"only the following media types are accepted: {JSON}")


def _version() -> dict[str, str]:
    return {
        "major": MAJOR,
        "minor": MINOR,
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "python",
        "platform": f"linux/{'arm64' if platform.machine() in ('arm64', 'aarch64') else 'amd64'}",
    }
