"""The kinds that CustomResourceDefinitions make: one row of the registry for each version that is served.

Called by `EmbeddedKube` at its start, when there are definitions, and after each commit that changes one.  Invariants:
objects lie in the storage version and are shown in the one that is asked for, which differs by its apiVersion alone;
the schemas of a definition are read when its first object is, never before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

import msgspec

from wherry.kube.embedded.columns import AGE, NAME, Column, at
from wherry.kube.embedded.json_paths import column_cell
from wherry.kube.embedded.kinds import METADATA_FIELDS, FieldPaths, Kind, ScalePaths
from wherry.kube.errors import Cause
from wherry.kube.protocol import Object
from wherry.kube.resources import Resource
from wherry.kube.schemas import structural
from wherry.kube.schemas.listtypes import duplicates
from wherry.kube.schemas.nodes import Node
from wherry.kube.schemas.structural import EMBEDDED, copied, may_have_rules, member
from wherry.kube.schemas.validation import NO_PATH, validate

RULES = "wherry.kube.cel.rules"  # lazy: only where a schema has some
_NOT_CHECKED = Cause(
    NO_PATH,
    'Invalid value: "null": some validation rules were not checked because the object was invalid; '
    "correct the existing errors to complete validation",
)
_MOST_REPLICAS = 2**31 - 1
_BLOCKING = frozenset(
    ("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid")
)


class _Column(msgspec.Struct, rename="camel"):
    name: str
    type: str
    json_path: str
    format: str = ""
    description: str = ""
    priority: int = 0


class _Scale(msgspec.Struct, rename="camel"):
    spec_replicas_path: str
    status_replicas_path: str
    label_selector_path: str = ""


class _Subresources(msgspec.Struct):
    status: dict[str, Any] | None = None
    scale: _Scale | None = None


class _Selectable(msgspec.Struct, rename="camel"):
    json_path: str


class _Version(msgspec.Struct, rename="camel"):
    name: str
    served: bool = False
    storage: bool = False
    deprecated: bool = False
    deprecation_warning: str = ""
    subresources: _Subresources = msgspec.field(default_factory=_Subresources)
    additional_printer_columns: list[_Column] = msgspec.field(default_factory=list[_Column])
    selectable_fields: list[_Selectable] = msgspec.field(default_factory=list[_Selectable])


class _Names(msgspec.Struct, rename="camel"):
    plural: str = ""
    kind: str = ""
    singular: str = ""
    list_kind: str = ""
    short_names: list[str] = msgspec.field(default_factory=list[str])
    categories: list[str] = msgspec.field(default_factory=list[str])


class _Condition(msgspec.Struct):
    type: str
    status: str


class _Status(msgspec.Struct, rename="camel"):
    accepted_names: _Names = msgspec.field(default_factory=_Names)
    conditions: list[_Condition] = msgspec.field(default_factory=list[_Condition])


class _Spec(msgspec.Struct):
    group: str
    scope: str
    names: _Names
    versions: list[_Version]


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    uid: str
    resource_version: str
    deletion_timestamp: str = ""


class _Head(msgspec.Struct):
    """All of a definition but its schemas, which are most of it."""

    metadata: _Metadata
    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)


class _Schema(msgspec.Struct):
    openAPIV3Schema: dict[str, Any]


class _SchemaVersion(msgspec.Struct):
    name: str
    schema: _Schema


class _Schemas(msgspec.Struct):
    versions: list[_SchemaVersion]


class _Body(msgspec.Struct):
    """The schemas alone."""

    metadata: _Metadata
    spec: _Schemas


_head = msgspec.json.Decoder(_Head)
_body = msgspec.json.Decoder(_Body)


class Definition:
    """What is known of one definition, as it was committed; `read` gives its body when its schemas are needed."""

    def __init__(self, body: bytes, read: Callable[[], bytes | None]) -> None:
        self._read = read
        self._schemas: Mapping[str, Node] = {}
        self._rules: dict[str, Any] = {}
        head = self._head = _head.decode(body)
        self.name = head.metadata.name
        self.version = int(head.metadata.resource_version)
        self.ends = bool(head.metadata.deletion_timestamp)
        self.established = any(c.type == "Established" and c.status == "True" for c in head.status.conditions)
        self.storage = next(version.name for version in head.spec.versions if version.storage)
        self.identity = f"{head.metadata.uid}/{self.version}"

    @property
    def loaded(self) -> bool:
        """Whether its schemas have been read."""
        return bool(self._schemas)

    def schema(self, version: str) -> Node:
        """The schema of one of its versions."""
        found = self._schemas.get(version)
        if found is not None:
            return found
        raw = self._read()
        if raw is None:
            return {}  # it goes in the transaction that asks
        body = _body.decode(raw)
        schemas = {each.name: each.schema.openAPIV3Schema for each in body.spec.versions}
        if int(body.metadata.resource_version) == self.version:
            self._schemas = schemas
        return schemas.get(version, {})

    def rules(self, version: str) -> Any:
        """The validation rules of one of its versions (`wherry.kube.cel.rules.Rules`), None when there are none."""
        schema = self.schema(version)
        if version not in self._rules:
            found = import_module(RULES).compile(schema) if may_have_rules(schema) else None
            self._rules[version] = None if found is None or found.empty else found
        return self._rules[version]

    def kinds(self) -> tuple[Kind, tuple[Kind, ...]]:
        """The row by which its objects lie, and the rows of the versions that are served."""
        rows = {version.name: self._kind(version) for version in self._head.spec.versions}
        served = tuple(rows[version.name] for version in self._head.spec.versions if version.served)
        return rows[self.storage], served if self.established else ()

    def _kind(self, version: _Version) -> Kind:
        spec, parts = self._head.spec, version.subresources
        names = self._head.status.accepted_names if self.established else spec.names
        custom = Custom(self, spec.group, version.name, _scale_paths(parts.scale))
        if version.deprecated:
            kind = f"{spec.group}/{version.name} {names.kind}"
            custom.warning = version.deprecation_warning or f"{kind} is deprecated"
        return Kind(
            Resource(spec.group, version.name, names.kind, names.plural, spec.scope == "Namespaced"),
            fields=_fields(version),
            has_status=parts.status is not None,
            has_generation=True,
            judges_updates=True,
            default=custom.complete,
            validate=custom.check,
            validate_update=custom.check_update,
            scale=custom.scale,
            short_names=tuple(names.short_names),
            categories=tuple(names.categories),
            singular=names.singular,
            list_kind=names.list_kind,
            columns=_columns(version),
            custom=custom,
            table=self.name,
        )


class Custom:
    """One version of a custom kind: how its objects are completed, checked and shown."""

    def __init__(self, definition: Definition, group: str, version: str, scale: ScalePaths | None) -> None:
        self.definition = definition
        self.api_version = f"{group}/{version}"
        self.stored_api_version = f"{group}/{definition.storage}"
        self.version = version
        self.scale = scale
        self.warning = ""  # what clients of a deprecated version are told

    @property
    def identity(self) -> str:
        """Changes with whatever the definition says."""
        return self.definition.identity

    @property
    def schema(self) -> Node:
        """The version's schema as its definition has it."""
        return self.definition.schema(self.version)

    def complete(self, obj: Object) -> None:
        """Prunes and defaults an object that a client has sent, in place, by this version and by that in which it will
        lie."""
        for version in dict.fromkeys((self.version, self.definition.storage)):
            node = self.definition.schema(version)
            structural.prune(node, obj)
            structural.default(node, obj)

    def check(self, obj: Object) -> list[Cause]:
        """What is wrong with a new object."""
        return self._check(validate(self.schema, obj), obj, None)

    def check_update(self, old: Object, new: Object) -> list[Cause]:
        """What is wrong with an object, of what was not so before."""
        return self._check(validate(self.schema, new, old=old), new, old)

    def _check(self, causes: list[Cause], obj: Object, old: Object | None) -> list[Cause]:
        schema = self.schema
        causes += _replicas(self.scale, obj)
        causes += _embedded(schema, obj, "")
        repeated = list(duplicates(schema, obj))
        if old is not None and repeated:
            known = set(duplicates(schema, old))
            repeated = [cause for cause in repeated if cause not in known]
        causes += repeated
        return causes + self._rules(causes, obj, old)

    def _rules(self, causes: list[Cause], obj: Object, old: Object | None) -> list[Cause]:
        """What the rules of the schema have against an object, once it fits the schema."""
        rules = self.definition.rules(self.version)
        if rules is None:
            return []
        if any(cause.reason in _BLOCKING for cause in causes):
            return [_NOT_CHECKED]
        return rules.check(obj, old)

    def show(self, obj: Object) -> Object:
        """A stored object as this version's clients see it; the given one, when it is that already, else a new one."""
        if int(obj["metadata"]["resourceVersion"]) < self.definition.version:
            obj = copied(obj)  # it was written when the definition was another one
            node = self.definition.schema(self.definition.storage)
            structural.prune(node, obj)
            structural.default(node, obj)
        return obj if obj["apiVersion"] == self.api_version else {**obj, "apiVersion": self.api_version}

    def stored(self, obj: Object) -> Object:
        """An object of this version as it lies."""
        if self.api_version == self.stored_api_version:
            return obj
        return {**obj, "apiVersion": self.stored_api_version}


def _scale_paths(scale: _Scale | None) -> ScalePaths | None:
    if scale is None:
        return None
    spec, status, selector = (
        tuple(path.removeprefix(".").split(".")) if path else ()
        for path in (scale.spec_replicas_path, scale.status_replicas_path, scale.label_selector_path)
    )
    return ScalePaths(spec, status, selector)


def _fields(version: _Version) -> FieldPaths:
    paths = [field.json_path.removeprefix(".") for field in version.selectable_fields]
    return {**METADATA_FIELDS, **{path: tuple(path.split(".")) for path in paths}}


def _columns(version: _Version) -> tuple[Column, ...]:
    columns = version.additional_printer_columns
    if not columns:
        return (NAME, AGE)
    return (
        NAME,
        *(
            Column(each.name, column_cell(each.json_path, each.type), each.type, each.format, each.priority)
            for each in columns
        ),
    )


def _replicas(scale: ScalePaths | None, obj: Object) -> list[Cause]:
    """The counts of the scale subresource are counts."""
    causes: list[Cause] = []
    for path in (scale.spec, scale.status) if scale else ():
        value = at(obj, *path)
        if not isinstance(value, int) or isinstance(value, bool):
            continue
        field = f".{'.'.join(path)}"
        if value < 0:
            causes.append(Cause(field, f"Invalid value: {value}: should be a non-negative integer"))
        elif value > _MOST_REPLICAS:
            why = f"should be less than or equal to {_MOST_REPLICAS}"
            causes.append(Cause(field, f"Invalid value: {value}: {why}"))
    return causes


def _embedded(node: Node, value: Any, path: str) -> list[Cause]:
    """Objects within objects say what they are."""
    causes: list[Cause] = []
    if isinstance(value, dict):
        obj = cast("dict[str, Any]", value)
        if node.get(EMBEDDED) and path:
            for key in ("apiVersion", "kind"):
                if not obj.get(key):
                    causes.append(Cause(f"{path}.{key}", "Required value: must not be empty", "FieldValueRequired"))
        for key, item in obj.items():
            if isinstance(item, (dict, list)) and (child := member(node, key)) is not None:
                causes += _embedded(child, item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and (items := node.get("items")) is not None:
        for index, item in enumerate(cast("list[Any]", value)):
            causes += _embedded(items, item, f"{path}[{index}]")
    return causes
