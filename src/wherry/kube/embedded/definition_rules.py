"""What a CustomResourceDefinition must be: names, versions, subresources, columns, and schemas.

Called by `definitions`, whose row it completes.  Source: "Kubernetes API Reference", CustomResourceDefinition v1;
"Versions in CustomResourceDefinitions".  Invariant: a definition without causes can be served; what this server does
not do (conversion by webhook) is refused by the name of its field.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, cast

from wherry.kube.errors import Cause
from wherry.kube.names import dns_1035_label_error, dns_subdomain_error
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.resources import CUSTOMRESOURCEDEFINITIONS
from wherry.kube.schemas import FieldTypeError, builtin, builtin_groups, prune
from wherry.kube.schemas.golang import bad, quoted
from wherry.kube.schemas.nodes import Node
from wherry.kube.schemas.structural import copied, may_have_rules, properties
from wherry.kube.schemas.structural_rules import causes as schema_causes

RULES = "wherry.kube.cel.rules"  # lazy: only where a schema has some
_VALUES = ("default", "enum", "example")  # keywords whose value may hold nulls
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE_TYPES = ("string", "boolean", "integer")
_MOST_SELECTABLE = 8
_APPROVAL = "api-approved.kubernetes.io"
_PROTECTED = (".k8s.io", ".kubernetes.io")


def default(obj: Object) -> None:
    """Fills in the names that follow from the kind, and the conversion."""
    spec: Any = obj.get("spec")
    if not isinstance(spec, dict):
        return
    fields = cast("dict[str, Any]", spec)
    _drop_nulls(fields)
    fields.setdefault("conversion", {"strategy": "None"})
    names: Any = fields.get("names")
    if isinstance(names, dict):
        given = cast("dict[str, Any]", names)
        kind = given.get("kind")
        if isinstance(kind, str) and kind:
            given["singular"] = given.get("singular") or kind.lower()
            given["listKind"] = given.get("listKind") or f"{kind}List"


def _drop_nulls(value: Any) -> None:
    """Takes members away that say null, but for those that are a value of the objects."""
    if isinstance(value, dict):
        obj = cast("dict[str, Any]", value)
        for key in [key for key, item in obj.items() if item is None]:
            del obj[key]
        for key, item in obj.items():
            if key not in _VALUES:
                _drop_nulls(item)
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        for index, item in enumerate(items):
            if item is None:
                items[index] = {}  # as the API server reads it
            _drop_nulls(item)


def _mistyped(obj: Object) -> list[Cause]:
    schema = builtin(CUSTOMRESOURCEDEFINITIONS.api_version, CUSTOMRESOURCEDEFINITIONS.kind)
    if schema is not None:
        try:
            prune(schema, copied(obj))
        except FieldTypeError as problem:
            return [Cause("spec", f"Invalid value: {problem}")]
    return []


def validate(obj: Object) -> list[Cause]:
    """What is wrong with a definition."""
    if causes := _mistyped(obj):
        return causes
    spec: dict[str, Any] = obj.get("spec") or {}
    return [
        *_name(obj["metadata"], spec),
        *_approval(obj["metadata"], spec),
        *_group(spec),
        *_scope(spec),
        *_versions(spec),
        *_names(spec.get("names") or {}, "spec.names"),
        *_conversion(spec),
        *_preserve(spec),
    ]


def validate_update(old: Object, new: Object) -> list[Cause]:
    """What is wrong with a change: the parts that say where the objects are stay as they are."""
    unchanged = same(old["spec"], new.get("spec"))
    causes = _mistyped(new) if unchanged else validate(new)
    if causes:
        return causes
    before, after = old["spec"], new["spec"]
    status: dict[str, Any] = old.get("status") or {}
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    established = any(each.get("type") == "Established" and each.get("status") == "True" for each in conditions)
    paths = [("group",), ("names", "plural"), *([("scope",), ("names", "kind")] if established else [])]
    found: list[Cause] = []
    for path in paths:
        was, value = before, after
        for key in path:
            was, value = was[key], value[key]
        if not same(was, value):
            found.append(_invalid(f"spec.{'.'.join(path)}", value, "field is immutable"))
    return found + _stored(new.get("status") or {}, before, after)


def _stored(status: Object, before: dict[str, Any], spec: dict[str, Any]) -> list[Cause]:
    """Versions in which objects may lie stay."""
    listed: list[str] = status.get("storedVersions") or []
    storage = next(version["name"] for version in before["versions"] if version.get("storage"))
    if storage not in listed:
        why = f"must have the storage version {storage}"
        return [_invalid("status.storedVersions", listed, why)]
    known = [version["name"] for version in spec["versions"]]
    why = (
        "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions until a"
        " storage migration ensures no data remains persisted in {0} and removes {0} from status.storedVersions"
    )
    return [
        _invalid(f"status.storedVersions[{index}]", name, why.format(name))
        for index, name in enumerate(listed)
        if name not in known
    ]


def _invalid(field: str, value: Any, why: str) -> Cause:
    return Cause(field, f"Invalid value: {bad(value)}: {why}")


def _required(field: str, why: str = "") -> Cause:
    return Cause(field, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def _unsupported(field: str, value: Any, known: tuple[str, ...]) -> Cause:
    listed = ", ".join(map(quoted, known))
    return Cause(field, f"Unsupported value: {bad(value)}: supported values: {listed}", "FieldValueNotSupported")


def _name(metadata: dict[str, Any], spec: dict[str, Any]) -> Iterator[Cause]:
    names: dict[str, Any] = spec.get("names") or {}
    wanted = f"{names.get('plural') or ''}.{spec.get('group') or ''}"
    if metadata.get("name") != wanted:
        yield _invalid("metadata.name", metadata.get("name"), 'must be spec.names.plural+"."+spec.group')


def _approval(metadata: dict[str, Any], spec: dict[str, Any]) -> Iterator[Cause]:
    """Kubernetes' own domain is for APIs that its community has approved."""
    group: str = spec.get("group") or ""
    if f".{group}".endswith(_PROTECTED):
        annotations: Any = metadata.get("annotations")
        said: Any = cast("dict[str, Any]", annotations).get(_APPROVAL) if isinstance(annotations, dict) else None
        field = f"metadata.annotations[{_APPROVAL}]"
        if not said:
            yield _required(
                field,
                'protected groups must have approval annotation "api-approved.kubernetes.io",'
                " see https://github.com/kubernetes/enhancements/pull/1111",
            )
        elif not str(said).startswith(("unapproved", "https://", "http://")):
            yield _invalid(
                field,
                said,
                'protected groups must have approval annotation "api-approved.kubernetes.io"'
                ' with either a URL or a reason starting with "unapproved"',
            )


def _group(spec: dict[str, Any]) -> Iterator[Cause]:
    group: str = spec.get("group") or ""
    if not group:
        yield _required("spec.group")
    elif problem := dns_subdomain_error(group):
        yield _invalid("spec.group", group, problem)
    elif "." not in group:
        yield _invalid("spec.group", group, "should be a domain with at least one dot")
    elif group in builtin_groups():
        yield _invalid("spec.group", group, "the API server itself serves this group")


def _scope(spec: dict[str, Any]) -> Iterator[Cause]:
    if not spec.get("scope"):
        yield _required("spec.scope")
    elif spec["scope"] not in ("Cluster", "Namespaced"):
        yield _unsupported("spec.scope", spec["scope"], ("Cluster", "Namespaced"))


def _versions(spec: dict[str, Any]) -> Iterator[Cause]:
    versions: list[dict[str, Any]] = spec.get("versions") or []
    if not versions:
        yield _required("spec.versions")
        return
    for index, version in enumerate(versions):
        name: str = version.get("name") or ""
        if problem := dns_1035_label_error(name):
            yield _invalid(f"spec.versions[{index}].name", name, problem)
    names = [version.get("name") for version in versions]
    if len({*names}) < len(names):
        yield _invalid("spec.versions", names, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield _invalid("spec.versions", names, "must have exactly one version marked as storage version")
    for key, place, check in (
        ("schema", "validation", _schema),
        ("subresources", "subresources", _subresources),
        ("additionalPrinterColumns", "additionalPrinterColumns", _columns),
    ):
        values = [version.get(key) for version in versions]
        # What all versions have in common is named once, as the API server does.
        if all(value is not None and same(value, values[0]) for value in values):
            yield from check(values[0], f"spec.{place}")
        else:
            for index, value in enumerate(values):
                yield from check(value, f"spec.versions[{index}].{key}")
    for index, version in enumerate(versions):
        yield from _one_version(version, f"spec.versions[{index}]")


def _schema(value: Any, path: str) -> Iterator[Cause]:
    schema: Any = cast("dict[str, Any]", value).get("openAPIV3Schema") if value else None
    if schema is None:
        yield _required(f"{path}.openAPIV3Schema", "schemas are required")
        return
    place = f"{path}.openAPIV3Schema"
    causes = schema_causes(schema, place)
    yield from causes
    if not causes and may_have_rules(schema):
        yield from import_module(RULES).compile(schema, place).faults


def _subresources(value: Any, path: str) -> Iterator[Cause]:
    scale: dict[str, Any] | None = cast("dict[str, Any]", value or {}).get("scale")
    if scale is None:
        return
    for key, parts in (
        ("specReplicasPath", ("spec",)),
        ("statusReplicasPath", ("status",)),
        ("labelSelectorPath", ("spec", "status")),
    ):
        field = f"{path}.scale.{key}"
        given: str = scale.get(key) or ""
        if not given:
            if key != "labelSelectorPath":
                yield _required(field)
        elif not given.startswith("."):
            yield _invalid(field, given, "must be a simple json path starting with .")
        elif not given.startswith(tuple(f".{part}." for part in parts)):
            where = " or ".join(f".{part}" for part in parts)
            yield _invalid(field, given, f"should be a json path under {'either ' if len(parts) > 1 else ''}{where}")


def _columns(value: Any, path: str) -> Iterator[Cause]:
    columns: list[dict[str, Any]] = value or []
    for index, column in enumerate(columns):
        field = f"{path}[{index}]"
        if not column.get("name"):
            yield _required(f"{field}.name")
        type = column.get("type")
        if not type:
            yield _required(f"{field}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
        elif type not in _COLUMN_TYPES:
            yield _invalid(f"{field}.type", type, f"must be one of {','.join(_COLUMN_TYPES)}")
        form = column.get("format")
        if form and form not in _COLUMN_FORMATS:
            yield _invalid(f"{field}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
        place: str = column.get("jsonPath") or ""
        if not place:
            yield _required(f"{field}.JSONPath")
        elif not place.startswith("."):
            yield _invalid(f"{field}.JSONPath", place, "must be a simple json path starting with .")


def _one_version(version: dict[str, Any], path: str) -> Iterator[Cause]:
    warning = version.get("deprecationWarning")
    if warning is not None:
        field = f"{path}.deprecationWarning"
        if not version.get("deprecated"):
            yield _invalid(field, warning, "can only be set for deprecated versions")
        if len(warning) > 256:
            yield _invalid(field, warning, "must be <= 256 characters long")
        if not warning:
            yield _invalid(field, warning, "must not be an empty string")
        elif not warning.isprintable():
            yield _invalid(field, warning, "must only contain printable UTF-8 characters")
    fields: list[dict[str, Any]] = version.get("selectableFields") or []
    schema: dict[str, Any] = version.get("schema") or {}
    root: Node = schema.get("openAPIV3Schema") or {}
    seen: set[str] = set()
    for index, selectable in enumerate(fields):
        field = f"{path}.selectableFields[{index}].jsonPath"
        place: str = selectable.get("jsonPath") or ""
        yield from _selectable(field, place, root)
        if place and place in seen:
            yield Cause(field, f"Duplicate value: {bad(place)}", "FieldValueDuplicate")
        seen.add(place)
    if len(seen) > _MOST_SELECTABLE:
        why = f"Too many: {len(seen)}: must have at most {_MOST_SELECTABLE} items"
        yield Cause(f"{path}.selectableFields", why, "FieldValueTooMany")


def _selectable(field: str, place: str, root: Node) -> Iterator[Cause]:
    if not place:
        yield _required(field)
        return
    words = place.split(".")
    node: Node | None = root if not words[0] and len(words) > 1 else None
    for word in words[1:]:
        node = None if node is None else properties(node).get(word)
    if node is None:
        yield _invalid(field, place, "is an invalid path: does not refer to a valid field")
    elif words[1] == "metadata":
        yield _invalid(field, place, "must not point to fields in metadata")
    elif node.get("type") not in _SELECTABLE_TYPES:
        why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats"
        yield _invalid(field, place, f"{why} are allowed.")


def _names(names: dict[str, Any], path: str) -> Iterator[Cause]:
    for key in ("plural", "kind"):
        if not names.get(key):
            yield _required(f"{path}.{key}")
    for key in ("plural", "singular"):
        value: str = names.get(key) or ""
        if value and (problem := dns_1035_label_error(value)):
            yield _invalid(f"{path}.{key}", value, problem)
    for key in ("kind", "listKind"):
        value = names.get(key) or ""
        if value and (problem := dns_1035_label_error(value.lower())):
            yield _invalid(f"{path}.{key}", value, f"may have mixed case, but should otherwise match: {problem}")
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield _invalid(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same")
    for key in ("shortNames", "categories"):
        values: list[str] = names.get(key) or []
        for index, value in enumerate(values):
            if problem := dns_1035_label_error(value):
                yield _invalid(f"{path}.{key}[{index}]", value, problem)


def _conversion(spec: dict[str, Any]) -> Iterator[Cause]:
    conversion: dict[str, Any] = spec.get("conversion") or {}
    strategy = conversion.get("strategy") or ""
    if not strategy:
        yield _required("spec.conversion.strategy")
    elif strategy == "Webhook":
        why = "this server calls no webhooks: serve versions that differ in their apiVersion alone, with strategy None"
        yield Cause("spec.conversion.strategy", f'Invalid value: "Webhook": {why}')
    elif strategy != "None":
        yield _unsupported("spec.conversion.strategy", strategy, ("None", "Webhook"))
    elif conversion.get("webhook"):
        why = "Forbidden: should not be set when strategy is not set to Webhook"
        yield Cause("spec.conversion.webhookClientConfig", why, "FieldValueForbidden")


def _preserve(spec: dict[str, Any]) -> Iterator[Cause]:
    if spec.get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in"
        yield _invalid("spec.preserveUnknownFields", True, f"{why} spec.versions[*].schema instead")
