"""Kubernetes objects of a server: which kinds there are, and getting, applying and deleting objects.

Called by `wherry.cli.objects`; standard library only.  Invariants: everything goes over the Kubernetes REST API, so any
server of it will do; `apply` changes what it has applied before and nothing that others have set.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, cast

from wherry.client.api import ObjectRefused, quoted
from wherry.client.wire import NO_HEADERS
from wherry.errors import UsageError

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Where `apply` keeps what it has applied, under kubectl's name: either may go on where the other was."""
_TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
_MERGE = {"content-type": "application/merge-patch+json"}
_APPLY = {"content-type": "application/apply-patch+yaml"}  # of which JSON is a part

Object = dict[str, Any]


class Kind(NamedTuple):
    """A kind that the server has; `prefix` is the path of its API version."""

    prefix: str
    group_version: str
    kind: str
    plural: str
    namespaced: bool
    names: frozenset[str]

    @property
    def shown(self) -> str:
        """How lines about objects name the kind: `secret`, `deployment.apps`."""
        group = self.group_version.rpartition("/")[0]
        return f"{self.kind.lower()}.{group}" if group else self.kind.lower()

    def path(self, namespace: str, name: str = "") -> str:
        """The path of a collection, of all namespaces when `namespace` is empty, or of an object."""
        inside = f"/namespaces/{quoted(namespace)}" if self.namespaced and namespace else ""
        return f"{self.prefix}{inside}/{self.plural}" + (f"/{quoted(name)}" if name else "")


class Api(Protocol):
    """A Kubernetes API: `wherry.client.Client` of a home, or `wherry.client.targets.Elsewhere`."""

    def kubernetes(
        self, method: str, path: str, value: object = None, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> Any:
        """A request and its answer.  Raises ObjectRefused."""
        ...

    def kubernetes_lines(self, path: str, every_s: float) -> Iterator[bytes | None]:
        """The lines of a watch, None each time none has come for so many seconds.  Raises ObjectRefused."""
        ...


class Objects:
    """The objects of the server that `client` reaches."""

    def __init__(self, client: Api) -> None:
        self._client = client
        self._kinds: list[Kind] = []

    def kinds(self) -> list[Kind]:
        """All kinds that the server has."""
        if not self._kinds:
            groups = self._client.kubernetes("GET", "/apis")["groups"]
            versions = [version["groupVersion"] for group in groups for version in group["versions"]]
            for prefix in ("/api/v1", *(f"/apis/{version}" for version in versions)):
                self._kinds.extend(_kinds(prefix, self._client.kubernetes("GET", prefix)))
        return self._kinds

    def kind(self, word: str) -> Kind:
        """The kind that a user means: by plural, singular, short name or kind.  Raises UsageError."""
        found = next((kind for kind in self.kinds() if word.lower() in kind.names), None)
        if found is None:
            known = ", ".join(sorted({kind.plural for kind in self.kinds()}))
            raise UsageError(f"the server has no kind {word!r}", hint=f"It has: {known}.")
        return found

    def kind_of(self, obj: Mapping[str, Any]) -> Kind:
        """The kind of an object by its apiVersion and kind.  Raises UsageError."""
        wanted = (obj.get("apiVersion"), obj.get("kind"))
        found = next((kind for kind in self.kinds() if (kind.group_version, kind.kind) == wanted), None)
        if found is None:
            raise UsageError(f"the server has no kind {wanted[1]!r} in version {wanted[0]!r}")
        return found

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object.  Raises ObjectRefused."""
        return self._client.kubernetes("GET", kind.path(namespace, name))

    def list(self, kind: Kind, namespace: str, *, selector: str = "", fields: str = "") -> list[Object]:
        """Objects in order of their names; `namespace` empty means all.  Raises ObjectRefused."""
        items: list[Object] = self._client.kubernetes("GET", kind.path(namespace) + _query(selector, fields))["items"]
        return [{"apiVersion": kind.group_version, "kind": kind.kind, **item} for item in items]

    def table(self, kind: Kind, namespace: str, name: str = "", *, selector: str = "") -> Object:
        """Objects, or one, as the server's Table.  Raises ObjectRefused."""
        path = kind.path(namespace, name) + ("" if name else _query(selector, ""))
        return self._client.kubernetes("GET", path, headers=_TABLE)

    def apply(self, obj: Object, namespace: str) -> str:
        """Makes the object, or brings it to what `obj` says: `created`, `configured` or `unchanged`.

        Raises ObjectRefused, UsageError.
        """
        kind = self.kind_of(obj)
        name = _name(obj)
        text = json.dumps(obj, separators=(",", ":"), sort_keys=True)
        wanted = _annotated(obj, text)
        try:
            there = self.get(kind, namespace, name)
        except ObjectRefused as refused:
            if refused.reason != "NotFound":
                raise
            self._client.kubernetes("POST", kind.path(namespace), wanted)
            return "created"
        annotations: dict[str, str] = there["metadata"].get("annotations") or {}
        change = merge_patch(json.loads(annotations.get(LAST_APPLIED) or "{}"), wanted)
        after = self._client.kubernetes("PATCH", kind.path(namespace, name), change, headers=_MERGE)
        same = after["metadata"]["resourceVersion"] == there["metadata"]["resourceVersion"]
        return "unchanged" if same else "configured"

    def apply_on_server(self, obj: Object, namespace: str, manager: str, *, force: bool = False) -> str:
        """Has the server bring the object to what `manager` wants of it: `serverside-applied`, whatever it was before.

        `force` takes fields from other managers.  Raises ObjectRefused (Conflict: others want them differently),
        UsageError.
        """
        kind, query = self.kind_of(obj), f"?fieldManager={quoted(manager)}" + ("&force=true" if force else "")
        self._client.kubernetes("PATCH", kind.path(namespace, _name(obj)) + query, obj, headers=_APPLY)
        return "serverside-applied"

    def states(self, kind: Kind, namespace: str, name: str, timeout_s: float) -> Iterator[Object | None]:
        """The object as it is and as it changes, None while it is not there, for so many seconds.

        Raises ObjectRefused.
        """
        until = time.monotonic() + timeout_s
        collection, query = kind.path(namespace), f"?fieldSelector=metadata.name={quoted(name)}"
        listed = self._client.kubernetes("GET", collection + query)
        yield listed["items"][0] if listed["items"] else None
        path = f"{collection}{query}&watch=1&resourceVersion={listed['metadata']['resourceVersion']}"
        for line in self._client.kubernetes_lines(path, min(timeout_s, 1.0)):
            if line:
                event = json.loads(line)
                yield None if event["type"] == "DELETED" else event["object"]
            if time.monotonic() >= until:
                return

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Asks for the object's end.  Raises ObjectRefused."""
        self._client.kubernetes("DELETE", kind.path(namespace, name))


def merge_patch(before: Object, wanted: Object) -> Object:
    """The JSON merge patch that sets what is wanted and removes what was set before and is wanted no longer."""
    patch: Object = {key: None for key in before if key not in wanted}
    for key, value in wanted.items():
        old = before.get(key)
        if isinstance(value, dict):
            known = cast("Object", old) if isinstance(old, dict) else {}
            patch[key] = merge_patch(known, cast("Object", value))
        else:
            patch[key] = value
    return patch


def flattened(documents: list[Any]) -> Iterator[Object]:
    """The objects of a file: its documents, those of lists one by one.  Raises UsageError for what is none."""
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not isinstance(cast("Object", document).get("kind"), str):
            raise UsageError("a document of the file is no Kubernetes object (it needs apiVersion and kind)")
        obj = cast("Object", document)
        if obj["kind"] == "List" and isinstance(obj.get("items"), list):
            yield from flattened(obj["items"])
        else:
            yield obj


def _name(obj: Object) -> str:
    metadata: Any = obj.get("metadata")
    name: Any = cast("Object", metadata).get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise UsageError(f"the {obj.get('kind')} of the file has no metadata.name")
    return name


def _annotated(obj: Object, text: str) -> Object:
    metadata = cast("Object", obj["metadata"])
    return {**obj, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), LAST_APPLIED: text}}}


def _query(selector: str, fields: str) -> str:
    asked = [f"{key}={quoted(text)}" for key, text in (("labelSelector", selector), ("fieldSelector", fields)) if text]
    return "?" + "&".join(asked) if asked else ""


def _kinds(prefix: str, listed: Object) -> Iterator[Kind]:
    version: str = listed["groupVersion"]
    group = version.rpartition("/")[0]
    for item in listed["resources"]:
        if "list" in item["verbs"]:  # reviews are only answered; subresources are none of their own
            names = {item["name"], item["singularName"] or item["kind"].lower(), *(item.get("shortNames") or ())}
            if group:
                names.add(f"{item['name']}.{group}")
            yield Kind(prefix, version, item["kind"], item["name"], item["namespaced"], frozenset(names))
