"""What objects use of quotas: amounts by resource, and which quotas count an object.

Called by `quotas` and `guards`; pure.  Source: "Resource Quotas".  Invariant: an object's usage follows from the object
alone, so that the sum over a namespace is kept by adding and subtracting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, cast

from wherry.kube.embedded.amounts import amounts, asked
from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.pods import FINAL_PHASES
from wherry.kube.protocol import Object
from wherry.kube.quantities import parse

Usage = dict[str, Fraction]

NATIVE = ("cpu", "memory", "ephemeral-storage")  # what containers ask for without saying of whom
_BY_PLURAL = frozenset(
    ("configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services")
)
_ONE = Fraction(1)


def usage_of(table: str, obj: Object) -> Usage:
    """What an object of a table uses: of everything that a quota may limit."""
    usage: Usage = {f"count/{table}": _ONE}
    if table == "pods":
        if at(obj, "status", "phase") not in FINAL_PHASES:
            usage["pods"] = _ONE
            usage.update(pod_amounts(obj["spec"]))
    elif table in _BY_PLURAL:
        usage[table] = _ONE
        if table == "persistentvolumeclaims":
            usage.update(_claim(obj["spec"]))
        elif table == "services":
            usage.update(_service(obj.get("spec") or {}))
    return usage


def pod_amounts(spec: Mapping[str, Any]) -> Usage:
    """A pod's requests and limits, as `requests.cpu` and `limits.cpu`; requests of the native ones also as `cpu`."""
    usage: Usage = {}
    for key in ("requests", "limits"):
        for name, amount in amounts(spec, key).items():
            if key == "limits" and name not in NATIVE:
                continue
            usage[f"{key}.{name}"] = amount
            if key == "requests" and (name in NATIVE or name.startswith("hugepages-")):
                usage[name] = amount
    return usage


def _claim(spec: Mapping[str, Any]) -> Usage:
    storage = parse(spec["resources"]["requests"]["storage"])
    usage: Usage = {"requests.storage": storage}
    if cls := spec.get("storageClassName"):
        usage[f"{cls}.storageclass.storage.k8s.io/requests.storage"] = storage
        usage[f"{cls}.storageclass.storage.k8s.io/persistentvolumeclaims"] = _ONE
    return usage


def _service(spec: Mapping[str, Any]) -> Usage:
    usage: Usage = {}
    ports = objects(cast("dict[str, Any]", spec), "ports")
    if spec.get("type") == "LoadBalancer":
        usage["services.loadbalancers"] = _ONE
    if spec.get("type") in ("NodePort", "LoadBalancer") and spec.get("allocateLoadBalancerNodePorts") is not False:
        usage["services.nodeports"] = Fraction(len(ports))
    return usage


def hard_of(quota: Object) -> dict[str, str]:
    """The limits of a quota, as text."""
    spec: Mapping[str, Any] = quota.get("spec") or {}
    found: Mapping[str, Any] = spec.get("hard") or {}
    return {name: str(amount) for name, amount in found.items()}


def used_of(quota: Object) -> dict[str, str]:
    """What a quota's status says is used, as text."""
    status: Mapping[str, Any] = quota.get("status") or {}
    found: Mapping[str, Any] = status.get("used") or {}
    return {name: str(amount) for name, amount in found.items()}


def counts(quota: Object, table: str, obj: Object) -> bool:
    """Whether a quota counts an object: with scopes it counts pods alone, those that are in all of them."""
    spec: Object = quota.get("spec") or {}
    scopes: Iterable[str] = spec.get("scopes") or ()
    expressions = objects(spec.get("scopeSelector") or {}, "matchExpressions")
    if not scopes and not expressions:
        return True
    if table != "pods":
        return False
    return all(_in_scope(obj["spec"], scope) for scope in scopes) and all(
        _matches(obj["spec"], expression) for expression in expressions
    )


def _in_scope(spec: Mapping[str, Any], scope: str) -> bool:
    deadline = spec.get("activeDeadlineSeconds") is not None
    if scope == "Terminating":
        return deadline
    if scope == "NotTerminating":
        return not deadline
    if scope in ("BestEffort", "NotBestEffort"):
        return best_effort(spec) is (scope == "BestEffort")
    if scope == "PriorityClass":
        return bool(spec.get("priorityClassName"))
    return False  # CrossNamespacePodAffinity: pods of one machine have no neighbours to choose


def _matches(spec: Mapping[str, Any], expression: Mapping[str, Any]) -> bool:
    scope, operator = str(expression.get("scopeName")), expression.get("operator")
    if scope != "PriorityClass":
        return _in_scope(spec, scope)
    name, values = str(spec.get("priorityClassName") or ""), expression.get("values") or ()
    if operator == "In":
        return name in values
    if operator == "NotIn":
        return name not in values
    return bool(name) is (operator == "Exists")


def best_effort(spec: Mapping[str, Any]) -> bool:
    """Whether no container asks for cpu or memory."""
    holder = cast("dict[str, Any]", spec)
    return not any(
        name in asked(container, "requests") or name in asked(container, "limits")
        for container in (*objects(holder, "containers"), *objects(holder, "initContainers"))
        for name in ("cpu", "memory")
    )
