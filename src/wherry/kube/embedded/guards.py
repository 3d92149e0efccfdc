"""Namespaces with quotas or limit ranges: what is completed, refused and counted there.

Loaded by `writes` and `transaction` for the namespaces in `Shared.guarded`, inside the transaction of each write; no
other namespace pays for it.  Invariant: what a transaction adds, changes or removes is in the status of the namespace's
quotas when it commits, and no creation commits that a quota forbids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from wherry.kube.embedded.amounts import asked
from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.codec import decode
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.limits import LIMIT_RANGE, complete, problems
from wherry.kube.embedded.quota_usage import Usage, counts, hard_of, usage_of, used_of
from wherry.kube.embedded.quotas import QUOTA, recount, status_of
from wherry.kube.embedded.transaction import Stored, Transaction, read_after
from wherry.kube.errors import forbidden
from wherry.kube.protocol import Object
from wherry.kube.quantities import is_binary, parse, written

_CHECKED = ("pods", "persistentvolumeclaims")
_DEMANDED = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))


def prepare(transaction: Transaction, kind: Kind, obj: Object) -> None:
    """Completes a new pod by the limit ranges of its namespace, in place."""
    if kind.table == "pods":
        complete(obj, _all(transaction, LIMIT_RANGE, obj["metadata"]["namespace"]))


def admit(transaction: Transaction, kind: Kind, obj: Object, old: Object | None = None) -> None:
    """Raises Forbidden for what a limit range or a quota forbids; `old` is the object before an update."""
    metadata, table = obj["metadata"], kind.table
    namespace, name = str(metadata["namespace"]), str(metadata["name"])
    if table in _CHECKED and not (old is not None and table == "pods"):
        found = problems(table, obj, _all(transaction, LIMIT_RANGE, namespace))
        if found:
            raise forbidden(kind.resource, name, found[0] if len(found) == 1 else f"[{', '.join(found)}]")
    for quota in _all(transaction, QUOTA, namespace):
        refusal = _refusal(quota, table, obj, old)
        if refusal:
            raise forbidden(kind.resource, name, refusal)


def _refusal(quota: Object, table: str, obj: Object, old: Object | None) -> str:
    """Why a quota forbids an object; empty when it does not."""
    if not counts(quota, table, obj):
        return ""
    hard, title = hard_of(quota), quota["metadata"]["name"]
    if table == "pods" and old is None:
        missing = _missing(obj["spec"], hard)
        if missing:
            return f"failed quota: {title}: must specify {'; '.join(missing)}"
    before = usage_of(table, old) if old is not None and counts(quota, table, old) else {}
    asked_for = {
        name: amount - before.get(name, Fraction(0)) for name, amount in usage_of(table, obj).items() if name in hard
    }
    used = used_of(quota)
    exceeded = [
        name
        for name, amount in sorted(asked_for.items())
        if amount > 0 and parse(used.get(name, "0")) + amount > parse(hard[name])
    ]
    if not exceeded:
        return ""
    binary = {name: is_binary(name, hard[name], used.get(name, "")) for name in exceeded}
    requested = ",".join(f"{name}={written(asked_for[name], binary=binary[name])}" for name in exceeded)
    so_far = ",".join(f"{name}={used.get(name, '0')}" for name in exceeded)
    limited = ",".join(f"{name}={hard[name]}" for name in exceeded)
    return f"exceeded quota: {title}, requested: {requested}, used: {so_far}, limited: {limited}"


def _missing(spec: dict[str, Any], hard: Mapping[str, str]) -> list[str]:
    """What containers do not say that a quota limits: `limits.cpu for: main`."""
    found: list[str] = []
    containers = (*objects(spec, "containers"), *objects(spec, "initContainers"))
    for name in sorted(_DEMANDED & hard.keys()):
        key, _, resource = name.rpartition(".")
        silent = sorted(str(each.get("name")) for each in containers if resource not in asked(each, key or "requests"))
        if silent:
            found.append(f"{name} for: {','.join(silent)}")
    return found


def charge(transaction: Transaction, kind: Kind, namespace: str, before: Object | None, after: Object | None) -> None:
    """Counts a change in the quotas of its namespace."""
    table = kind.table
    for quota in _quotas(transaction, namespace):
        hard = hard_of(quota.object)
        delta = _delta(quota.object, table, before, after, hard)
        if kind is QUOTA and (after or before or {})["metadata"]["name"] == quota.name:
            continue  # it has counted itself
        if delta:
            _write(transaction, quota, delta)


def _delta(quota: Object, table: str, before: Object | None, after: Object | None, hard: Mapping[str, str]) -> Usage:
    delta: Usage = {}
    for obj, sign in ((before, -1), (after, 1)):
        if obj is not None and counts(quota, table, obj):
            for name, amount in usage_of(table, obj).items():
                if name in hard:
                    delta[name] = delta.get(name, Fraction(0)) + sign * amount
    return {name: amount for name, amount in delta.items() if amount}


def _write(transaction: Transaction, quota: Stored, delta: Usage) -> None:
    used = {name: parse(text) for name, text in used_of(quota.object).items()}
    transaction.put(quota, {**quota.object, "status": status_of(quota.object, used, delta)})


def recount_all(transaction: Transaction) -> None:
    """Counts anew in all namespaces: at the start, for a home that another version has written."""
    for _, body in read_after(transaction.tx, QUOTA.table, "", ("", "")):
        quota = decode(body)
        namespace, name = quota["metadata"]["namespace"], quota["metadata"]["name"]
        status = status_of(quota, recount(transaction, namespace, quota), {})
        if status != quota.get("status"):
            transaction.put(Stored(QUOTA, namespace, name, body, quota), {**quota, "status": status})


def _all(transaction: Transaction, kind: Kind, namespace: str) -> list[Object]:
    return [decode(body) for _, body in read_after(transaction.tx, kind.table, namespace, (namespace, ""))]


def _quotas(transaction: Transaction, namespace: str) -> Iterator[Stored]:
    for (_, name), body in read_after(transaction.tx, QUOTA.table, namespace, (namespace, "")):
        yield Stored(QUOTA, namespace, name, body, decode(body))
