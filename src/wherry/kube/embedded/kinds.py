"""The registry of kinds: what the embedded API server knows of each resource, one typed row a kind.

Called by every module of the embedded API server; rows are made beside the rules of their kind (`pods`, `configs`,
`namespaces`, `events`) and collected in `registry`.  Invariant: nothing but a row says how a kind differs from the
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec.structs

from wherry.kube.embedded.columns import DEFAULT, Column
from wherry.kube.errors import Cause, error
from wherry.kube.names import dns_subdomain_error
from wherry.kube.protocol import Object
from wherry.kube.resources import Resource

FieldPaths = Mapping[str, tuple[str, ...]]

METADATA_FIELDS: FieldPaths = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
}


def no_defaults(obj: Object) -> None:
    """Fills in nothing."""


def no_causes(*objects: Object) -> list[Cause]:
    """Finds nothing wrong."""
    return []


def nothing_allocated(transaction: Any, obj: Object, old: Object | None) -> list[Cause]:
    """Needs nothing that others may have."""
    return []


def no_grace(obj: Object, requested_s: int | None) -> int:
    """Objects without a life outside the API server go at once."""
    return 0


class ScalePaths(NamedTuple):
    """Where a kind keeps what its Scale shows: two counts, and a selector (an object or text), if it has one."""

    spec: tuple[str, ...]
    status: tuple[str, ...]
    selector: tuple[str, ...] = ()


class Kind(msgspec.Struct, frozen=True):
    """How one resource behaves.

    `default` completes a new or replaced object in place and never changes what is there; `begin` sets what the
    server says of a new object (its first status).  `validate` looks at a whole object, `validate_update` at the old
    and the new one; both name fields.  `allocate` gives a valid object, in place, what no other may have (addresses,
    ports), looking at the others through its `Transaction`; it has the old object of an update.
    """

    resource: Resource
    fields: FieldPaths = msgspec.field(default_factory=lambda: METADATA_FIELDS)
    has_status: bool = False
    has_generation: bool = False  # metadata.generation counts the changes of the spec
    name_error: Callable[[str], str] = dns_subdomain_error
    default: Callable[[Object], None] = no_defaults
    begin: Callable[[Object], None] = no_defaults
    validate: Callable[[Object], list[Cause]] = no_causes
    validate_update: Callable[[Object, Object], list[Cause]] = no_causes
    allocate: Callable[[Any, Object, Object | None], list[Cause]] = nothing_allocated
    grace_s: Callable[[Object, int | None], int] = no_grace
    scale: ScalePaths | None = None  # it has the scale subresource
    orphans_finalizer: str = ""  # what its controller holds its children with; it goes with the owner
    ttl_s: float | None = None  # objects of this kind vanish when they are that old (by lastTimestamp or creation)
    short_names: tuple[str, ...] = ()  # what users may type instead of the plural
    categories: tuple[str, ...] = ()  # groups of kinds that users may type: all
    columns: tuple[Column, ...] = DEFAULT  # what tables show
    schema: Mapping[str, Any] | None = None  # a custom resource's: its OpenAPI v3 schema
    table: str = ""  # how rows name it; the resource's qualified name

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "table", self.table or self.resource.qualified)


_NOTHING_LATER: Mapping[str, Iterable[Resource]] = MappingProxyType({})


class Registry:
    """The kinds that a server knows, found by resource, by apiVersion and kind, by path, or by table name.

    `later` maps modules to the resources whose rows are in their `KINDS`: such a module is loaded when one of its kinds
    is first asked for, so that a server pays only for the kinds that it is used with.
    """

    def __init__(self, kinds: Iterable[Kind], later: Mapping[str, Iterable[Resource]] = _NOTHING_LATER) -> None:
        self._rows: dict[str, Kind] = {}
        self._modules: dict[str, str] = {}
        self._tables: dict[tuple[Any, ...], str] = {}
        for kind in kinds:
            self._rows[kind.table] = kind
            self._know(kind.resource, kind.table)
        for module, resources in later.items():
            for resource in resources:
                self._modules[resource.qualified] = module
                self._know(resource, resource.qualified)

    @property
    def tables(self) -> list[str]:
        """The table names of all kinds."""
        return list(dict.fromkeys(self._tables.values()))

    @property
    def kinds(self) -> list[Kind]:
        """All rows; loads those that were not needed until now."""
        return [self.of_table(table) for table in self.tables]

    def of_table(self, table: str) -> Kind:
        """The row of a table; raises KeyError for one that is not ours."""
        kind = self._rows.get(table)
        if kind is None:
            rows: Iterable[Kind] = import_module(self._modules[table]).KINDS
            self._rows.update((row.table, row) for row in rows)
            kind = self._rows[table]
        return kind

    def of_resource(self, resource: Resource) -> Kind:
        """The row for a resource; raises NotFound as an API server without it does."""
        kind = self._find(resource)
        if kind is None:
            raise error("NotFound", "the server could not find the requested resource", resource=resource)
        return kind

    def of_object(self, obj: Object) -> Kind:
        """The row for an object by its apiVersion and kind; raises BadRequest without them, NotFound for unknown
        ones."""
        api_version, name = obj.get("apiVersion"), obj.get("kind")
        if not isinstance(api_version, str) or not isinstance(name, str) or not api_version or not name:
            raise error("BadRequest", "the object needs an apiVersion and a kind")
        kind = self._find((api_version, name))
        if kind is None:
            raise error("NotFound", f'no matches for kind "{name}" in version "{api_version}"')
        return kind

    def of_path(self, group: str, version: str, plural: str) -> Kind | None:
        """The row for a resource as a request's path names it, None when this server does not know it."""
        return self._find((group, version, plural))

    def find(self, api_version: str, name: str) -> Kind | None:
        """The row for an apiVersion and kind, None when this server does not know them."""
        return self._find((api_version, name))

    def _know(self, resource: Resource, table: str) -> None:
        path = (resource.group, resource.version, resource.plural)
        for key in (resource, path, (resource.api_version, resource.kind)):
            self._tables[key] = table

    def _find(self, key: tuple[Any, ...]) -> Kind | None:
        table = self._tables.get(key)
        return None if table is None else self.of_table(table)
