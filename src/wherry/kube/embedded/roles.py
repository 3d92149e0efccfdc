"""Roles and bindings: the rules of role-based access control.

Rows of the registry.  They are kept and shown as on every cluster, and open no door here: whoever may speak to the
home's server may do everything (`wherry.kube.wire.reviews` says so to those who ask).  Invariant: the role that a
binding names never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import forbidden_field, invalid_value, mappings_at, objects, required, unsupported
from wherry.kube.embedded.columns import AGE, NAME, Column, at
from wherry.kube.embedded.kinds import Kind
from wherry.kube.errors import Cause
from wherry.kube.names import dns_subdomain_error, path_segment_error
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES

GROUP = "rbac.authorization.k8s.io"
_SUBJECT_GROUPS = {"ServiceAccount": "", "User": GROUP, "Group": GROUP}


def _validate_role(role: Object) -> list[Cause]:
    causes: list[Cause] = []
    for index, rule in enumerate(mappings_at(role, "rules", "rules", causes)):
        causes += _rule(f"rules[{index}]", rule, namespaced=role.get("kind") == "Role")
    return causes


def _rule(field: str, rule: dict[str, Any], *, namespaced: bool) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield required(f"{field}.verbs", "verbs must contain at least one value")
    if rule.get("nonResourceURLs"):
        if namespaced:
            why = "namespaced rules cannot apply to non-resource URLs"
            yield invalid_value(f"{field}.nonResourceURLs", rule["nonResourceURLs"], why)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid_value(f"{field}.nonResourceURLs", rule["nonResourceURLs"], why)
        return
    if not rule.get("apiGroups"):
        yield required(f"{field}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{field}.resources", "resource rules must supply at least one resource")


def _default_binding(obj: Object) -> None:
    role: Any = obj.get("roleRef")
    if isinstance(role, dict) and not cast("dict[str, Any]", role).get("apiGroup"):
        role["apiGroup"] = GROUP
    for subject in objects(obj, "subjects"):
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def _validate_binding(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    role: Any = obj.get("roleRef")
    named = cast("dict[str, Any]", role) if isinstance(role, dict) else {}
    if named.get("apiGroup") != GROUP:
        causes.append(unsupported("roleRef.apiGroup", named.get("apiGroup", ""), (GROUP,)))
    kinds = ("Role", "ClusterRole") if obj.get("kind") == "RoleBinding" else ("ClusterRole",)
    if named.get("kind") not in kinds:
        causes.append(unsupported("roleRef.kind", named.get("kind", ""), kinds))
    name: Any = named.get("name")
    if not name:
        causes.append(required("roleRef.name"))
    elif why := path_segment_error(str(name)):
        causes.append(invalid_value("roleRef.name", name, why))
    for index, subject in enumerate(mappings_at(obj, "subjects", "subjects", causes)):
        causes += _subject(f"subjects[{index}]", subject)
    return causes


def _subject(field: str, subject: dict[str, Any]) -> Iterator[Cause]:
    name: Any = subject.get("name")
    kind: Any = subject.get("kind")
    if not name:
        yield required(f"{field}.name")
    if not isinstance(kind, str) or kind not in _SUBJECT_GROUPS:
        yield unsupported(f"{field}.kind", kind, _SUBJECT_GROUPS)
        return
    if (subject.get("apiGroup") or "") != _SUBJECT_GROUPS[kind]:
        yield unsupported(f"{field}.apiGroup", subject.get("apiGroup"), (_SUBJECT_GROUPS[kind],))
    if kind == "ServiceAccount":
        if name and (why := dns_subdomain_error(str(name))):
            yield invalid_value(f"{field}.name", name, why)
        if not subject.get("namespace"):
            yield required(f"{field}.namespace")
    elif subject.get("namespace"):
        yield forbidden_field(f"{field}.namespace", f"may not be set on a {kind}")


def _update_binding(old: Object, new: Object) -> list[Cause]:
    if same(old.get("roleRef"), new.get("roleRef")):
        return []
    return [invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")]


def _role_ref(obj: Object, now: float) -> str:
    return f"{at(obj, 'roleRef', 'kind')}/{at(obj, 'roleRef', 'name')}"


def _created(obj: Object, now: float) -> str:
    return str(at(obj, "metadata", "creationTimestamp") or "<unknown>")


def _subjects(kind: str) -> Column:
    def cell(obj: Object, now: float) -> str:
        found = [each for each in objects(obj, "subjects") if each.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{each.get('namespace')}/{each.get('name')}" for each in found)
        return ", ".join(str(each.get("name")) for each in found)

    return Column(f"{kind}s", cell, priority=1)


_ROLE_COLUMNS = (NAME, Column("Created At", _created, type="date"))
_BINDING_COLUMNS = (
    NAME,
    Column("Role", _role_ref),
    AGE,
    *(_subjects(kind) for kind in ("User", "Group", "ServiceAccount")),
)
KINDS = (
    Kind(ROLES, columns=_ROLE_COLUMNS, name_error=path_segment_error, validate=_validate_role),
    Kind(CLUSTERROLES, columns=_ROLE_COLUMNS, name_error=path_segment_error, validate=_validate_role),
    Kind(
        ROLEBINDINGS,
        columns=_BINDING_COLUMNS,
        name_error=path_segment_error,
        default=_default_binding,
        validate=_validate_binding,
        validate_update=_update_binding,
    ),
    Kind(
        CLUSTERROLEBINDINGS,
        columns=_BINDING_COLUMNS,
        name_error=path_segment_error,
        default=_default_binding,
        validate=_validate_binding,
        validate_update=_update_binding,
    ),
)
