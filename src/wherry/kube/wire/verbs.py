"""What each verb of the API does with a request: list, watch, get, create, replace, delete, logs.

Called by `wherry.kube.wire.app`.  Source: "Kubernetes API Concepts".  Invariant: every parameter of a request that
changes what happens is honoured, or refused with its name.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, NamedTuple, cast

import msgspec

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.owners import LONGEST_MANAGER_BYTES, Recording, check_manager
from wherry.kube.embedded.scales import SCALE, scale_of
from wherry.kube.errors import KubeError, bad_request, error
from wherry.kube.protocol import Object, Propagation
from wherry.kube.times import seconds_of
from wherry.kube.wire import watches
from wherry.kube.wire.exchange import Exchange
from wherry.kube.wire.fields import Fields
from wherry.kube.wire.paths import Target
from wherry.kube.wire.reviews import Authentic
from wherry.kube.wire.views import View, view_for
from wherry.seams import Clock

# Kinds of the core group whose deletion is answered with the object ("Kubernetes API Reference", Response of delete).
_RETURNED = frozenset(
    (
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "podtemplates",
        "resourcequotas",
        "serviceaccounts",
        "services",
    )
)
encoded = msgspec.json.Encoder().encode
_MATCHES = ("", "NotOlderThan", "Exact")


class Server(NamedTuple):
    """What requests are answered from."""

    kube: EmbeddedKube
    clock: Clock
    authentic: Authentic


class Request(NamedTuple):
    """One request for a resource that exists."""

    server: Server
    exchange: Exchange
    target: Target
    kind: Kind

    @property
    def body(self) -> Kind:
        """The kind of the objects that are sent and answered."""
        return SCALE if self.target.subresource == "scale" else self.kind

    @property
    def view(self) -> View:
        """The form in which the client wants to see objects."""
        return view_for(self.exchange, self.body, self.server.clock)

    def recording(self, verb: str) -> Recording:
        """What is recorded of a write: by the manager that the request names, or the program that sends it.

        verb: Create, Update or Patch.  Raises Invalid for a name that cannot be a manager's.
        """
        manager = self.exchange.query.get("fieldManager", "")
        check_manager(manager, verb)
        manager = manager or _program(self.exchange.header("user-agent"))
        return Recording(self.server.kube.registry, manager, self.target.subresource)


def _program(agent: str) -> str:
    """The first word of a User-Agent, as far as it can be a manager's name."""
    name = "".join(letter for letter in agent.partition("/")[0] if letter.isprintable())
    return name.encode()[:LONGEST_MANAGER_BYTES].decode(errors="ignore")


async def list_(request: Request) -> None:
    """GET of a collection; with `watch` its changes."""
    exchange, target = request.exchange, request.target
    if exchange.flag("watch"):
        await _watch(request)
        return
    query = exchange.query
    continue_ = query.get("continue", "")
    if not continue_:
        _check_list_version(request)
    page = await request.server.kube.list(
        request.kind.resource,
        target.namespace,
        labels=query.get("labelSelector", ""),
        fields=_fields(request),
        limit=exchange.number("limit") or 0,
        continue_=continue_,
    )
    metadata: dict[str, Any] = {"resourceVersion": page.resource_version}
    if page.continue_:
        metadata["continue"] = page.continue_
    await exchange.answer(request.view.list(page.items, metadata))


def _fields(request: Request) -> str:
    """The field selector; a name in the path (old watches) is one more term of it."""
    fields = request.exchange.query.get("fieldSelector", "")
    if not request.target.name:
        return fields
    term = f"metadata.name={request.target.name}"
    return f"{fields},{term}" if fields else term


def _check_list_version(request: Request) -> None:
    """We always answer with the newest state: what asks for an older one exactly is refused."""
    query, current = request.exchange.query, int(request.server.kube.version)
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if match not in _MATCHES:
        raise bad_request(f'resourceVersionMatch: Unsupported value: "{match}": "Exact", "NotOlderThan"')
    if match and not version:
        raise bad_request(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if version in ("", "0"):
        if match == "Exact":
            raise bad_request('resourceVersionMatch: Forbidden: "Exact" is forbidden for resourceVersion "0"')
        return
    if not (version.isascii() and version.isdigit()):
        raise bad_request(f"resourceVersion: Invalid value: {version!r}")
    if int(version) > current:
        raise error("Timeout", f"Too large resource version: {version}, current: {current}")
    if match == "Exact" and int(version) != current:
        raise error("Expired", f"the requested resource version {version} is no longer kept whole (current: {current})")


async def _watch(request: Request) -> None:
    exchange, query = request.exchange, request.exchange.query
    version = query.get("resourceVersion", "")
    if version and not (version.isascii() and version.isdigit()):
        raise bad_request(f"resourceVersion: Invalid value: {version!r}")
    initial = version in ("", "0")
    send_initial = query.get("sendInitialEvents")
    bookmarks = exchange.flag("allowWatchBookmarks")
    if send_initial is not None:
        if query.get("resourceVersionMatch") != "NotOlderThan":
            raise bad_request(
                "resourceVersionMatch: Forbidden: sendInitialEvents requires resourceVersionMatch NotOlderThan"
            )
        initial = exchange.flag("sendInitialEvents")
        if not initial and version in ("", "0"):
            version = request.server.kube.version
    view = request.view
    wish = watches.Wish(
        kind=request.kind,
        namespace=request.target.namespace,
        labels=query.get("labelSelector", ""),
        fields=_fields(request),
        version=version,
        initial=initial,
        initial_end=bool(send_initial) and initial and bookmarks,
        bookmarks=bookmarks,
        timeout_s=exchange.number("timeoutSeconds") or watches.LONGEST_S,
    )
    await watches.stream(exchange, request.server.kube, wish, view.event)


async def get(request: Request) -> None:
    """GET of an object, of its status or of its scale."""
    obj = await request.server.kube.get(request.kind.resource, request.target.name, request.target.namespace)
    if request.body is SCALE:
        obj = scale_of(request.kind, obj)
    await request.exchange.answer(request.view.object(obj))


async def create(request: Request) -> None:
    """POST to a collection."""
    obj = await _sent(request)
    dry_run = is_dry_run(request.exchange.query)
    obj = await request.server.kube.create(obj, dry_run=dry_run, ownership=request.recording("Create"))
    await request.exchange.answer(request.view.object(obj), 201)


async def replace(request: Request) -> None:
    """PUT of an object, of its status or of its scale."""
    obj, target = await _sent(request), request.target
    metadata = obj["metadata"]
    if metadata.get("name", target.name) != target.name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
        )
    metadata["name"] = target.name
    kube, dry_run, ownership = request.server.kube, is_dry_run(request.exchange.query), request.recording("Update")
    if request.body is SCALE:
        resource, place, sent = request.kind.resource, (target.name, target.namespace), obj
        obj, _ = await kube.alter(
            resource, *place, lambda _: sent, subresource="scale", dry_run=dry_run, ownership=ownership
        )
    else:
        obj = await kube.replace(obj, subresource=target.subresource, dry_run=dry_run, ownership=ownership)
    await request.exchange.answer(request.view.object(obj))


class DeleteOptions(NamedTuple):
    """What a deletion may say (meta/v1 DeleteOptions), in the body or in the query."""

    propagation: Propagation
    grace_period_s: int | None
    uid: str
    resource_version: str
    dry_run: bool


async def delete(request: Request) -> None:
    """DELETE of an object: the object while it still ends, a Status when it is gone.

    Of some kinds it is the object in both cases, as clients with types expect.
    """
    options, target, kube = await _delete_options(request), request.target, request.server.kube
    resource, gone = request.kind.resource, None
    if not resource.group and resource.plural in _RETURNED:
        gone = await kube.get(resource, target.name, target.namespace)
    left = await kube.delete(resource, target.name, target.namespace, **options._asdict()) or gone
    if left is not None:
        await request.exchange.answer(request.view.object(left))
        return
    details = {"name": target.name, "group": target.group, "kind": request.kind.resource.plural}
    details = {key: value for key, value in details.items() if value}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    await request.exchange.answer(status)


async def delete_collection(request: Request) -> None:
    """DELETE of a collection: everything that the selectors choose."""
    options, kube, resource = await _delete_options(request), request.server.kube, request.kind.resource
    if request.exchange.number("limit") or request.exchange.query.get("continue"):
        raise bad_request("deletecollection in pages is not served: leave limit and continue out")
    page = await kube.list(
        resource,
        request.target.namespace,
        labels=request.exchange.query.get("labelSelector", ""),
        fields=request.exchange.query.get("fieldSelector", ""),
    )
    for item in page.items:
        metadata = item["metadata"]
        try:
            await kube.delete(resource, metadata["name"], metadata.get("namespace", ""), **options._asdict())
        except KubeError as problem:
            if problem.reason != "NotFound":
                raise
    await request.exchange.answer(request.view.list(page.items, {"resourceVersion": page.resource_version}))


async def logs(request: Request) -> None:
    """GET of a pod's log."""
    exchange, target = request.exchange, request.target
    exchange.flag("insecureSkipTLSVerifyBackend")  # it is about the way to a node, and there is none
    if exchange.query.get("stream", "All") not in ("", "All"):
        raise bad_request('stream: Unsupported value: a container\'s output is one log here: supported values: "All"')
    limit = exchange.number("limitBytes")
    if limit == 0:
        raise bad_request("limitBytes must be greater than 0")
    chunks = request.server.kube.logs(
        target.name,
        target.namespace,
        container=exchange.query.get("container", ""),
        follow=exchange.flag("follow"),
        tail=exchange.number("tailLines"),
        timestamps=exchange.flag("timestamps"),
        since_s=_since_s(request),
        previous=exchange.flag("previous"),
    )
    async with aclosing(chunks):
        first = await anext(chunks, b"")  # what is wrong with the request is an error answer, not a broken stream

        async def send() -> None:
            left = limit
            chunk: bytes | None = first
            while chunk is not None:
                await exchange.part(chunk[:left])
                if left is not None:
                    left -= len(chunk[:left])
                    if not left:
                        break
                chunk = await anext(chunks, None)

        await exchange.stream("text/plain", send, None)


def _since_s(request: Request) -> float | None:
    seconds, moment = request.exchange.number("sinceSeconds"), request.exchange.query.get("sinceTime")
    if seconds is not None and moment:
        raise bad_request("at most one of sinceTime or sinceSeconds may be specified")
    if seconds is not None:
        return float(seconds)
    if not moment:
        return None
    try:
        return max(0.0, request.server.clock.time() - seconds_of(moment))
    except ValueError as problem:
        raise bad_request(f"sinceTime: {moment!r} is not a time: {problem}") from problem


async def _sent(request: Request) -> Object:
    """The object in the body, of the kind and in the namespace that the path names.  Raises BadRequest."""
    fields = Fields(request.exchange, request.body)
    obj, target, resource = await request.exchange.mapping(fields.read), request.target, request.body.resource
    obj.setdefault("apiVersion", resource.api_version)
    obj.setdefault("kind", resource.kind)
    if (obj["apiVersion"], obj["kind"]) != (resource.api_version, resource.kind):
        raise bad_request(
            f"{obj['kind']} in version {obj['apiVersion']!r} cannot be handled as a {resource.kind}"
            f" in version {resource.api_version!r}"
        )
    metadata = obj.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise bad_request("metadata is not an object")
    if resource.namespaced:
        given = cast("dict[str, Any]", metadata).setdefault("namespace", target.namespace)
        if given != target.namespace:
            raise bad_request(
                f"the namespace of the provided object does not match the namespace sent on the request: {given!r}"
                f" is not {target.namespace!r}"
            )
    return fields.check(obj)


def is_dry_run(query: dict[str, Any]) -> bool:
    """Whether nothing is to be kept.  Raises BadRequest."""
    wish = query.get("dryRun")
    if wish in (None, "", [], ["All"], "All"):
        return bool(wish)
    raise bad_request(f'dryRun: Unsupported value: "{wish}": supported values: "All"')


async def _delete_options(request: Request) -> DeleteOptions:
    said: Any = await request.exchange.content()
    if said is None:
        said = {}
    if not isinstance(said, dict):
        raise bad_request("DeleteOptions is an object")
    return delete_options(request, cast("dict[str, Any]", said))


def delete_options(request: Request, options: dict[str, Any]) -> DeleteOptions:
    """What the request and its options say.  Raises BadRequest."""
    query = request.exchange.query
    grace: Any = options.get("gracePeriodSeconds", request.exchange.number("gracePeriodSeconds"))
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise bad_request(f"gracePeriodSeconds: {grace!r} is not a number of seconds")
    orphan = options.get("orphanDependents")
    propagation: Any = options.get("propagationPolicy") or query.get("propagationPolicy")
    if propagation is None and isinstance(orphan, bool):
        propagation = "Orphan" if orphan else "Background"
    conditions: Any = options.get("preconditions") or {}
    if not isinstance(conditions, dict):
        raise bad_request("preconditions is an object")
    expected = cast("dict[str, Any]", conditions)
    return DeleteOptions(
        propagation or "Background",
        grace,
        str(expected.get("uid") or ""),
        str(expected.get("resourceVersion") or ""),
        is_dry_run(query) or is_dry_run(options),
    )
