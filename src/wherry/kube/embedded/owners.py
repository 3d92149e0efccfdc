"""Who owns which field: what is recorded of a write, and what an apply makes of an object.

Loaded by `writes` and the wire face when the first write is recorded.  Invariant: a write of wherry's own, in
this process, is recorded exactly where others were before it (docs/decisions/0025-who-owns-what.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from wherry.kube import managedfields
from wherry.kube.embedded.codec import own
from wherry.kube.embedded.kinds import Kind, Registry
from wherry.kube.errors import Cause, bad_request, error, from_status, invalid
from wherry.kube.managedfields import ApplyConflict, Conflicts, FieldErrors, Scene, Shape, UnknownOperation, path_text
from wherry.kube.managedfields.entries import encoded
from wherry.kube.protocol import Object
from wherry.kube.resources import Resource

LONGEST_MANAGER_BYTES = 128
_OPTIONS = {verb: Resource("meta.k8s.io", "v1", f"{verb}Options", "", False) for verb in ("Create", "Update", "Patch")}
_shapes: dict[str, tuple[Any, Shape]] = {}  # of custom kinds by table and version, with what their definition was


def shape_of(kind: Kind) -> Shape:
    """What server-side apply sees in objects of a kind."""
    custom = kind.custom
    if custom is None:
        found = managedfields.builtin_shape(kind.resource.api_version, kind.resource.kind)
        return found or managedfields.custom_shape(None)
    key = f"{kind.table}/{kind.resource.version}"
    known = _shapes.get(key)
    if known is None or known[0] != custom.identity:
        known = _shapes[key] = (custom.identity, managedfields.custom_shape(custom.schema))
    return known[1]


def check_manager(manager: str, verb: str, *, applies: bool = False, force: bool | None = None) -> None:
    """Raises Invalid for a field manager that cannot be recorded; verb: Create, Update or Patch."""
    causes: list[Cause] = []
    if applies and not manager:
        causes.append(Cause("fieldManager", "Required value: is required for apply patch", "FieldValueRequired"))
    if force is not None and not applies:
        why = "Forbidden: may not be specified for non-apply patch"
        causes.append(Cause("force", why, "FieldValueForbidden"))
    if len(manager.encode()) > LONGEST_MANAGER_BYTES:
        why = f"Too long: may not be more than {LONGEST_MANAGER_BYTES} bytes"
        causes.append(Cause("fieldManager", why, "FieldValueTooLong"))
    for position, letter in enumerate(manager):
        if not letter.isprintable():
            said = f"invalid character U+{ord(letter):04X} (at position {position})"
            causes.append(Cause("fieldManager", f"Invalid value: {json.dumps(manager)}: {said}"))
    if causes:
        options = _OPTIONS[verb]
        texts = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
        text = texts if len(causes) == 1 else f"[{texts}]"
        why = f'{options.kind}.{options.group} "" is invalid: {text}'
        raise error("Invalid", why, resource=options, causes=causes)


class Recording:
    """What is recorded of one write by `manager`: the `writes.Ownership` of it."""

    def __init__(self, registry: Registry, manager: str, subresource: str) -> None:
        self._registry = registry
        self._manager = manager
        self._subresource = subresource

    def __call__(self, kind: Kind, old: Object | None, new: Object, said: Any, now: str) -> Sequence[Object]:
        try:
            return managedfields.updated(self._scene(kind), old, new, said, self._manager, now)
        except UnknownOperation as problem:
            why = f"Invalid value: {json.dumps(str(problem))}: must be `Apply` or `Update`"
            cause = Cause("metadata.managedFields.operation", why)
            raise invalid(kind.resource, new["metadata"]["name"], [cause]) from problem

    def _scene(self, kind: Kind) -> Scene:
        def serves(version: str) -> bool:
            return self._registry.find(version, kind.resource.kind) is not None

        return Scene(shape_of(kind), kind.resource.api_version, self._subresource, kind.has_status, serves)


class Applying(Recording):
    """One apply: `change` makes the object, and what is recorded is what that found."""

    def __init__(
        self,
        registry: Registry,
        kind: Kind,
        config: Any,
        place: tuple[str, str],
        manager: str,
        subresource: str,
        *,
        force: bool,
        now: str,
    ) -> None:
        """config: what the manager wants of the object at `place` (name, namespace); it is not changed.

        Raises BadRequest for what is no config of the kind or of another object.
        """
        super().__init__(registry, manager, subresource)
        self._kind = kind
        self._name, namespace = place
        self._config = _config(kind, config, self._name, namespace)
        self._force = force
        self._now = now
        self._entries: list[Object] = []

    def change(self, live: Object | None) -> Object:
        """What the apply makes of the object, or of none; raises Conflict, BadRequest."""
        metadata = self._config["metadata"]
        if live is None and not metadata.get("name"):
            raise bad_request("the name of the object is undeterminable: name must be provided")
        metadata["name"] = self._name
        try:
            found = managedfields.applied(
                self._scene(self._kind), live, self._config, self._manager, force=self._force, now=self._now
            )
        except FieldErrors as problem:
            api_version, name = self._kind.resource.api_version, self._kind.resource.kind
            where = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {_kind_text(api_version, name)}"
            # A server answers with 500 here, as for a fault of its own; but it is the request's.
            raise bad_request(f"failed to create typed patch object ({where}): {problem}") from problem
        except Conflicts as problem:
            raise _conflict(problem.found) from problem
        self._entries = encoded(found.managed)
        return found.object

    def __call__(self, kind: Kind, old: Object | None, new: Object, said: Any, now: str) -> Sequence[Object]:
        return self._entries


def _config(kind: Kind, config: Any, name: str, namespace: str) -> Object:
    if not isinstance(config, dict):
        raise bad_request("error decoding YAML: what is applied is an object")
    obj = cast("Object", own(config))
    resource = kind.resource
    said = (str(obj.get("apiVersion") or ""), str(obj.get("kind") or ""))
    if said[0] != resource.api_version:
        why = f"Specified patch version: {said[0]}, expected: {resource.api_version}"
        raise bad_request(f"Incorrect version specified in apply patch. {why}")
    if said[1] != resource.kind:
        raise bad_request(f"invalid object type: {_kind_text(*said)}")
    metadata = obj.setdefault("metadata", {})
    if metadata is None:
        metadata = obj["metadata"] = {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata is not an object")
    if cast("Object", metadata).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    values = cast("Object", metadata)
    if values.get("name", name) != name:
        raise bad_request(f"the name of the object ({values['name']}) does not match the name on the URL ({name})")
    if namespace and values.setdefault("namespace", namespace) != namespace:
        raise bad_request(
            f"the namespace of the object ({values['namespace']}) does not match the namespace on the request"
            f" ({namespace})"
        )
    return obj


def _kind_text(api_version: str, kind: str) -> str:
    """How Go prints a group, version and kind."""
    return f"{api_version if '/' in api_version else '/' + api_version}, Kind={kind}"


def _conflict(found: list[ApplyConflict]) -> Exception:
    """The 409 that names the owners, as an API server tells them."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {conflict.writer}",
            "field": path_text(conflict.path),
        }
        for conflict in found
    ]
    if len(found) == 1:
        text = f"1 conflict: conflict with {found[0].writer}: {path_text(found[0].path)}"
    else:
        lines: list[str] = []
        for writer in dict.fromkeys(conflict.writer for conflict in found):
            lines.append(f"conflicts with {writer}:")
            lines += [f"- {path_text(conflict.path)}" for conflict in found if conflict.writer == writer]
        text = f"{len(found)} conflicts: " + "\n".join(lines)
    return from_status(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f"Apply failed with {text}",
            "reason": "Conflict",
            "details": {"causes": causes},
            "code": 409,
        }
    )
