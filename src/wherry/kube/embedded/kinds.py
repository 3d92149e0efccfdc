"""The registry of kinds: what the embedded API server knows of each resource, one typed row a kind.

Called by every module of the embedded API server; rows are made beside the rules of their kind (`pods`, `configs`,
`namespaces`, `events`) and collected in `registry`.  Invariant: nothing but a row says how a kind differs from the
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

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


class Form(Protocol):
    """How objects of a row look beside how they are stored."""

    def show(self, obj: Object) -> Object: ...
    def stored(self, obj: Object) -> Object: ...


class Version(Form, Protocol):
    """One version of a custom kind (`custom.Custom`): its schema, and the form of its objects in the store."""

    @property
    def schema(self) -> Mapping[str, Any]: ...
    @property
    def identity(self) -> str: ...
    @property
    def warning(self) -> str: ...


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
    ports, names), looking at the others through its `Transaction`; it has the old object of an update.
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
    judges_updates: bool = False  # validate_update judges an update alone, and that of a status as that of the object
    grace_s: Callable[[Object, int | None], int] = no_grace
    scale: ScalePaths | None = None  # it has the scale subresource
    orphans_finalizer: str = ""  # what its controller holds its children with; it goes with the owner
    ttl_s: float | None = None  # objects of this kind vanish when they are that old (by lastTimestamp or creation)
    short_names: tuple[str, ...] = ()  # what users may type instead of the plural
    categories: tuple[str, ...] = ()  # groups of kinds that users may type: all
    singular: str = ""  # what users may type for one; the kind in lower case
    list_kind: str = ""  # the kind of a list; the kind and List
    columns: tuple[Column, ...] = DEFAULT  # what tables show
    custom: Version | None = None  # what a CustomResourceDefinition says of it
    form: Form | None = None  # of objects that are stored as another kind's, whose `table` it names
    table: str = ""  # how rows name it; the resource's qualified name

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "table", self.table or self.resource.qualified)
        msgspec.structs.force_setattr(self, "singular", self.singular or self.resource.kind.lower())
        msgspec.structs.force_setattr(self, "list_kind", self.list_kind or f"{self.resource.kind}List")

    def shown(self, obj: Object) -> Object:
        """A stored object as clients of this kind see it; it may be the given one, which is then left alone."""
        form = self.custom or self.form
        return obj if form is None else form.show(obj)

    def stored(self, obj: Object) -> Object:
        """An object as it is stored."""
        form = self.custom or self.form
        return obj if form is None else form.stored(obj)


_NOTHING_LATER: Mapping[str, Iterable[Resource]] = MappingProxyType({})


class Registry:
    """The kinds that a server knows, found by resource, by apiVersion and kind, by path, or by table name.

    `later` maps modules to the resources whose rows are in their `KINDS`: such a module is loaded when one of its kinds
    is first asked for, so that a server pays only for the kinds that it is used with.  The kinds of definitions are
    added by `define` to a registry of one's own (`fork`): one row a version over one table.
    """

    def __init__(self, kinds: Iterable[Kind], later: Mapping[str, Iterable[Resource]] = _NOTHING_LATER) -> None:
        self._rows: dict[str, Kind] = {}
        self._modules: dict[str, str] = {}
        self._tables: dict[tuple[Any, ...], str] = {}
        self._served: dict[tuple[Any, ...], Kind] = {}
        self._custom: dict[str, tuple[Kind, ...]] = {}
        for kind in kinds:
            self._rows[kind.resource.qualified] = kind
            self._know(kind.resource, kind.resource.qualified)
        for module, resources in later.items():
            for resource in resources:
                self._modules[resource.qualified] = module
                self._know(resource, resource.qualified)

    def fork(self) -> Registry:
        """The same kinds, to which others can be added."""
        new = Registry(())
        new._rows, new._modules, new._tables = dict(self._rows), self._modules, dict(self._tables)
        return new

    def define(self, table: str, stored: Kind, served: tuple[Kind, ...]) -> None:
        """Puts the kinds of a definition in the place of what was known of it: the row of all its objects, and those
        of the versions that are served."""
        self.forget(table)
        self._rows[table] = stored
        self._custom[table] = served
        for kind in served:
            self._served.update((key, kind) for key in _keys(kind.resource))

    def forget(self, table: str) -> None:
        """Takes the kinds of a definition away."""
        self._rows.pop(table, None)
        for kind in self._custom.pop(table, ()):
            for key in _keys(kind.resource):
                self._served.pop(key, None)

    @property
    def tables(self) -> list[str]:
        """The table names of all kinds but those of definitions."""
        return list(dict.fromkeys(self._tables.values()))

    @property
    def kinds(self) -> list[Kind]:
        """All rows; loads those that were not needed until now."""
        custom = [kind for kinds in self._custom.values() for kind in kinds]
        return [*(self.of_table(table) for table in self.tables), *custom]

    def of_table(self, table: str) -> Kind:
        """The row of a table; raises KeyError for one that is not ours."""
        kind = self._rows.get(table)
        if kind is None:
            rows: Iterable[Kind] = import_module(self._modules[table]).KINDS
            self._rows.update((row.resource.qualified, row) for row in rows)
            kind = self._rows[table]
        return kind

    def of_resource(self, resource: Resource) -> Kind:
        """The row for a resource; raises NotFound as an API server without it does."""
        kind = self._find(resource)
        if kind is None:
            raise error("NotFound", "the server could not find the requested resource", resource=resource)
        return kind

    def current(self, kind: Kind) -> Kind:
        """The row that has come into a row's place since it was looked up."""
        return kind if kind.custom is None else self._served.get(kind.resource, kind)

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
        self._tables.update((key, table) for key in _keys(resource))

    def _find(self, key: tuple[Any, ...]) -> Kind | None:
        table = self._tables.get(key)
        return self._served.get(key) if table is None else self.of_table(table)


def _keys(resource: Resource) -> Iterator[tuple[Any, ...]]:
    """By what a kind is found: a resource, a path's words, an object's apiVersion and kind."""
    yield resource
    yield (resource.group, resource.version, resource.plural)
    yield (resource.api_version, resource.kind)
