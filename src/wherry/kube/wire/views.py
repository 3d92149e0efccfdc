"""The forms in which a client may see objects: whole, metadata alone, or the rows of a table.

Called by `wherry.kube.wire.verbs`.  Source: "Kubernetes API Concepts", Receiving resources as Tables.  Invariant: the
first form in the client's `Accept` that we have is taken; when there is none, the request is refused as not acceptable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wherry.kube.embedded.kinds import Kind
from wherry.kube.errors import error
from wherry.kube.protocol import Object
from wherry.kube.wire import tables
from wherry.kube.wire.exchange import Exchange
from wherry.seams import Clock

_META = "meta.k8s.io/v1"
_WHOLE = ("application/json", "application/*", "*/*")


class View:
    """How one client sees objects of one kind."""

    def __init__(self, kind: Kind, form: str, include: str, clock: Clock) -> None:
        self._kind, self._form, self._include, self._clock = kind, form, include, clock
        self._first = True

    def object(self, obj: Object) -> Any:
        """One object."""
        if self._form == "Table":
            return self._table([obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
        return _partial(obj) if self._form else obj

    def list(self, items: list[Object], metadata: dict[str, Any]) -> Any:
        """A page of objects with the list's metadata."""
        if self._form == "Table":
            return self._table(items, metadata)
        resource = self._kind.resource
        if self._form:
            partials = [_partial(item) for item in items]
            return {"kind": "PartialObjectMetadataList", "apiVersion": _META, "metadata": metadata, "items": partials}
        return {
            "kind": self._kind.list_kind,
            "apiVersion": resource.api_version,
            "metadata": metadata,
            "items": items,
        }

    def event(self, type: str, obj: Object) -> Any:
        """The object of a watch event; of tables only the first names its columns."""
        if type == "ERROR":
            return obj
        if self._form != "Table":
            return _partial(obj) if self._form else obj
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        rows = [] if type == "BOOKMARK" else [obj]
        table = self._table(rows, metadata)
        if type == "BOOKMARK" and "annotations" in obj["metadata"]:
            table["metadata"]["annotations"] = obj["metadata"]["annotations"]
        if not self._first:
            table["columnDefinitions"] = None
        self._first = False
        return table

    def _table(self, items: list[Object], metadata: dict[str, Any]) -> dict[str, Any]:
        embed: dict[str, Callable[[Object], Any]] = {"Object": _same, "None": _nothing}
        return tables.table(self._kind, items, metadata, embed.get(self._include, _partial), self._clock.time())


def view_for(exchange: Exchange, kind: Kind, clock: Clock) -> View:
    """The view that the client asks for; raises NotAcceptable."""
    for media, parameters in exchange.accepts():
        if media not in _WHOLE:
            continue
        form = _form(parameters)
        if form is not None:
            return View(kind, form, exchange.query.get("includeObject", "Metadata"), clock)
    raise error(
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/json;as=Table;v=v1;g=meta.k8s.io,"
        " application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    )


def _form(parameters: Mapping[str, str]) -> str | None:
    """Empty for whole objects, None for what we do not have."""
    form = parameters.get("as", "")
    if not form:
        return ""
    known = form in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
    return form if known and parameters.get("g") == "meta.k8s.io" and parameters.get("v") == "v1" else None


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def _same(obj: Object) -> Object:
    return obj


def _nothing(obj: Object) -> None:
    return None
