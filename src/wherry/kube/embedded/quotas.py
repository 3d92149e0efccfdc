"""ResourceQuotas: how much a namespace may hold, and how much it holds.

A row of the registry; objects are held to them by `guards`, and counted by it as they come and go.  Invariant: the
status of a stored quota is what the committed objects of its namespace use, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

from wherry.kube.embedded.causes import immutable, invalid_value, objects, unsupported
from wherry.kube.embedded.codec import decode
from wherry.kube.embedded.columns import AGE, NAME, Cell, Column, at
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.quota_usage import NATIVE, Usage, counts, hard_of, usage_of, used_of
from wherry.kube.embedded.transaction import Transaction
from wherry.kube.errors import Cause
from wherry.kube.names import qualified_name_error
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.quantities import is_binary, parse, written
from wherry.kube.resources import RESOURCEQUOTAS

_SCOPES = ("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating")
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")
_COUNTED = ("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
            "persistentvolumeclaims", "services.nodeports", "services.loadbalancers", "requests.storage")  # fmt: skip
_AMOUNTS = (*NATIVE, *(f"{key}.{name}" for key in ("requests", "limits") for name in NATIVE))
_PODS_ALONE = frozenset(("pods", *_AMOUNTS))
_COUNT = re.compile(r"count/[a-z0-9-]+(\.[a-z0-9.-]+)?")
_STORAGE_CLASS = re.compile(r"[a-z0-9.-]+\.storageclass\.storage\.k8s\.io/(requests\.storage|persistentvolumeclaims)")


def _validate(quota: Object) -> list[Cause]:
    spec: Any = quota.get("spec") or {}
    if not isinstance(spec, dict):
        return [invalid_value("spec", spec, "must be an object")]
    fields = cast("dict[str, Any]", spec)
    causes: list[Cause] = []
    hard: Any = fields.get("hard") or {}
    if not isinstance(hard, dict):
        return [invalid_value("spec.hard", hard, "must be a map of quantities")]
    scopes: Any = fields.get("scopes") or []
    for name, amount in cast("dict[str, Any]", hard).items():
        causes += _hard_causes(name, amount)
        if scopes and name not in _PODS_ALONE and not name.startswith("requests."):
            causes.append(invalid_value("spec.scopes", scopes, f"unsupported scope applied to resource {name}"))
    causes += _scope_causes(scopes)
    selector: Any = fields.get("scopeSelector") or {}
    if not isinstance(selector, dict):
        return [*causes, invalid_value("spec.scopeSelector", selector, "must be an object")]
    for index, expression in enumerate(objects(cast("dict[str, Any]", selector), "matchExpressions")):
        causes += _expression_causes(f"spec.scopeSelector.matchExpressions[{index}]", expression)
    return causes


def _hard_causes(name: str, amount: Any) -> Iterator[Cause]:
    field = f"spec.hard[{name}]"
    if problem := qualified_name_error(name):
        yield invalid_value(field, name, problem)
    elif not _known(name):
        yield invalid_value(field, name, "must be a standard resource type or fully qualified")
    try:
        value = parse(amount)
    except (TypeError, ValueError) as problem:
        yield invalid_value(field, amount, str(problem))
        return
    if value < 0:
        yield invalid_value(field, amount, "must be greater than or equal to 0")
    elif value.denominator != 1 and (name in _COUNTED or name.startswith("count/")) and name != "requests.storage":
        yield invalid_value(field, amount, "must be an integer")


def _known(name: str) -> bool:
    if name in _COUNTED or name in _AMOUNTS or name.startswith(("hugepages-", "requests.hugepages-")):
        return True
    if name.startswith("count/"):
        return _COUNT.fullmatch(name) is not None
    if "/" not in name:
        return False
    return name.startswith("requests.") or _STORAGE_CLASS.fullmatch(name) is not None


def _scope_causes(scopes: Any) -> Iterator[Cause]:
    if not isinstance(scopes, list):
        yield invalid_value("spec.scopes", scopes, "must be a list of strings")
        return
    for scope in cast("list[Any]", scopes):
        if scope not in _SCOPES:
            yield unsupported("spec.scopes", scope, _SCOPES)
    for one, other in _OPPOSITES:
        if one in scopes and other in scopes:
            yield invalid_value("spec.scopes", scopes, "conflicting scopes")


def _expression_causes(field: str, expression: dict[str, Any]) -> Iterator[Cause]:
    scope, operator, values = expression.get("scopeName"), expression.get("operator"), expression.get("values")
    if scope not in _SCOPES:
        yield unsupported(f"{field}.scopeName", scope, _SCOPES)
    elif scope != "PriorityClass" and operator != "Exists":
        why = "must be 'Exist' only operator when scope is any of ResourceQuotaScopeTerminating, "
        more = "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort and ResourceQuotaScopeNotBestEffort"
        yield invalid_value(f"{field}.operator", operator, why + more)
    if operator not in _OPERATORS:
        yield unsupported(f"{field}.operator", operator, _OPERATORS)
    elif operator in ("In", "NotIn") and not values:
        yield Cause(
            f"{field}.values",
            "Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            "FieldValueRequired",
        )
    elif operator not in ("In", "NotIn") and values:
        why = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"
        yield invalid_value(f"{field}.values", values, why)


def _validate_update(old: Object, new: Object) -> list[Cause]:
    before, after = at(old, "spec", "scopes"), at(new, "spec", "scopes")
    return [] if same(before or [], after or []) else [immutable("spec.scopes", after)]


def _allocate(transaction: Transaction, quota: Object, old: Object | None) -> list[Cause]:
    """Counts what there is, for a new quota or new limits."""
    namespace: str = quota["metadata"]["namespace"]
    transaction.shared.guarded.add(namespace)
    if not isinstance(quota.get("spec"), dict):
        quota["spec"] = {}
    if old is None or not same(old.get("spec"), quota["spec"]):
        more = usage_of("resourcequotas", quota) if old is None and counts(quota, "resourcequotas", quota) else {}
        quota["status"] = status_of(quota, recount(transaction, namespace, quota), more)
    return []


def recount(transaction: Transaction, namespace: str, quota: Object) -> Usage:
    """What the objects of a namespace use of a quota."""
    hard, found = hard_of(quota), dict[str, Fraction]()
    tables = tables_of(hard)
    rows = transaction.tx.execute(
        f"SELECT resource, body FROM kube_object WHERE namespace = ? AND resource IN ({', '.join('?' * len(tables))})",
        (namespace, *tables),
    ).fetchall()
    for table, body in rows:
        obj = decode(body)
        if counts(quota, table, obj):
            for name, amount in usage_of(table, obj).items():
                if name in hard:
                    found[name] = found.get(name, Fraction(0)) + amount
    return found


def tables_of(hard: dict[str, str]) -> list[str]:
    """The resources whose objects can use what a quota limits."""
    tables: set[str] = set()
    for name in hard:
        if name.startswith("count/"):
            tables.add(name.removeprefix("count/"))
        elif name.startswith("services"):
            tables.add("services")
        elif name == "requests.storage" or "storageclass.storage.k8s.io/" in name:
            tables.add("persistentvolumeclaims")
        else:
            tables.add("pods" if name == "pods" or name in _AMOUNTS or "/" in name or "hugepages" in name else name)
    return sorted(tables)


def status_of(quota: Object, used: Usage, more: Usage) -> dict[str, Any]:
    """A quota's status for what is used."""
    hard = hard_of(quota)
    before = used_of(quota)
    shown: dict[str, str] = {}
    for name, limit in hard.items():
        amount = used.get(name, Fraction(0)) + more.get(name, Fraction(0))
        shown[name] = written(amount, binary=is_binary(name, limit, before.get(name, "")))
    return {"hard": hard, "used": shown}


def _cell(*, limits: bool) -> Cell:
    def cell(quota: Object, now: float) -> str:
        hard: dict[str, str] = at(quota, "status", "hard") or {}
        used = used_of(quota)
        names = sorted(name for name in hard if name.startswith("limits.") is limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return cell


QUOTA = Kind(
    RESOURCEQUOTAS,
    short_names=("quota",),
    columns=(NAME, AGE, Column("Request", _cell(limits=False)), Column("Limit", _cell(limits=True))),
    has_status=True,
    validate=_validate,
    validate_update=_validate_update,
    allocate=_allocate,
)
KINDS = (QUOTA,)
