"""LimitRanges: what each container, pod or claim of a namespace may ask for, and what it asks for by default.

A row of the registry, and the rules that `guards` applies to pods and claims; pure.  Source: "Limit Ranges".
Invariant: a stored range has the defaults that follow from its other values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, cast

from wherry.kube.embedded.amounts import amounts, asked
from wherry.kube.embedded.causes import (
    duplicate,
    forbidden_field,
    invalid_value,
    mapping_at,
    mappings_at,
    objects,
    required,
)
from wherry.kube.embedded.columns import NAME, Column, text
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.transaction import Transaction
from wherry.kube.errors import Cause
from wherry.kube.protocol import Object
from wherry.kube.quantities import is_binary, parse, written
from wherry.kube.resources import LIMITRANGES

ANNOTATION = "kubernetes.io/limit-ranger"
_VALUES = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")


def _items(limit_range: Object) -> list[dict[str, Any]]:
    spec: Any = limit_range.get("spec")
    return objects(cast("dict[str, Any]", spec), "limits") if isinstance(spec, dict) else []


def _default(limit_range: Object) -> None:
    """Of a container, the default is the maximum, and the default request the default, else the minimum."""
    for item in _items(limit_range):
        if item.get("type") != "Container" or any(not isinstance(item.get(key, {}), dict) for key in _VALUES):
            continue
        default = {**item.get("max", {}), **item.get("default", {})}
        request = {**item.get("min", {}), **default, **item.get("defaultRequest", {})}
        if default:
            item["default"] = default
        if request:
            item["defaultRequest"] = request


def _validate(limit_range: Object) -> list[Cause]:
    causes: list[Cause] = []
    spec = mapping_at(limit_range, "spec", "spec", causes) or {}
    types: set[str] = set()
    for index, item in enumerate(mappings_at(spec, "limits", "spec.limits", causes)):
        field, kind = f"spec.limits[{index}]", item.get("type")
        if not isinstance(kind, str) or not kind:
            causes.append(required(f"{field}.type"))
            continue
        if kind in types:
            causes.append(duplicate(f"{field}.type", kind))
        types.add(kind)
        causes += _item_causes(field, kind, item)
    return causes


def _item_causes(field: str, kind: str, item: dict[str, Any]) -> Iterator[Cause]:
    values: dict[str, dict[str, Fraction]] = {}
    for key in _VALUES:
        values[key] = {}
        given: Any = item.get(key) or {}
        if not isinstance(given, dict):
            yield invalid_value(f"{field}.{key}", given, "must be a map of quantities")
            continue
        for name, amount in cast("dict[str, Any]", given).items():
            try:
                values[key][name] = parse(amount)
            except (TypeError, ValueError) as problem:
                yield invalid_value(f"{field}.{key}[{name}]", amount, str(problem))
    if kind == "Pod":
        for key in ("default", "defaultRequest"):
            if values[key]:
                yield forbidden_field(f"{field}.{key}", "may not be specified when `type` is 'Pod'")
    if kind == "PersistentVolumeClaim" and "storage" not in {**values["min"], **values["max"]}:
        why = "either minimum or maximum storage value is required, but neither was provided"
        yield required(f"{field}.limits", why)
    for low, high in (("min", "max"), ("min", "default"), ("min", "defaultRequest"), ("defaultRequest", "default"),
                      ("default", "max"), ("defaultRequest", "max")):  # fmt: skip
        for name, amount in values[low].items():
            if name in values[high] and amount > values[high][name]:
                why = f"{low} value {item[low][name]} is greater than {high} value {item[high][name]}"
                yield invalid_value(f"{field}.{low}[{name}]", item[low][name], why)
    for name, ratio in values["maxLimitRequestRatio"].items():
        if ratio < 1:
            why = f"ratio {item['maxLimitRequestRatio'][name]} is less than 1"
            yield invalid_value(f"{field}.maxLimitRequestRatio[{name}]", item["maxLimitRequestRatio"][name], why)


def _allocate(transaction: Transaction, limit_range: Object, old: Object | None) -> list[Cause]:
    transaction.shared.guarded.add(limit_range["metadata"]["namespace"])
    return []


# --- what guards ask --------------------------------------------------------------------------------------------------


def complete(pod: Object, ranges: Iterable[Object]) -> None:
    """Gives a pod's containers the defaults that they have no values of their own for, and says so in an annotation."""
    limits: dict[str, Any] = {}
    requests: dict[str, Any] = {}
    for limit_range in ranges:
        for item in _items(limit_range):
            if item.get("type") == "Container":
                limits = {**(item.get("default") or {}), **limits}
                requests = {**(item.get("defaultRequest") or {}), **requests}
    spec: Any = pod.get("spec")
    if not (limits or requests) or not isinstance(spec, dict):
        return
    said: list[str] = []
    for key, word in (("initContainers", "init container"), ("containers", "container")):
        for container in objects(cast("dict[str, Any]", spec), key):
            said += _complete_container(container, word, limits, requests)
    if said:
        metadata: dict[str, Any] = pod["metadata"]
        annotations: dict[str, str] = metadata.get("annotations") or {}
        metadata["annotations"] = {**annotations, ANNOTATION: f"LimitRanger plugin set: {'; '.join(said)}"}


def _complete_container(
    container: dict[str, Any], word: str, limits: dict[str, Any], requests: dict[str, Any]
) -> Iterator[str]:
    resources: Any = container.setdefault("resources", {})
    if not isinstance(resources, dict):
        return
    holder = cast("dict[str, Any]", resources)
    for key, values, name in (("requests", requests, "request"), ("limits", limits, "limit")):
        mine: Any = holder.get(key) or {}
        if not isinstance(mine, dict):
            continue
        missing = sorted(values.keys() - cast("dict[str, Any]", mine).keys())
        if missing:
            holder[key] = {**cast("dict[str, Any]", mine), **{each: values[each] for each in missing}}
            yield f"{', '.join(missing)} {name} for {word} {container.get('name')}"


def problems(table: str, obj: Object, ranges: Iterable[Object]) -> list[str]:
    """What the ranges of its namespace have against a pod or a claim."""
    found: list[str] = []
    for limit_range in ranges:
        for item in _items(limit_range):
            kind = item.get("type")
            if table == "pods" and kind == "Container":
                holder: dict[str, Any] = obj["spec"]
                for container in (*objects(holder, "containers"), *objects(holder, "initContainers")):
                    found += _checked(item, _texts(container, "requests"), _texts(container, "limits"))
            elif table == "pods" and kind == "Pod":
                spec = obj["spec"]
                found += _checked(item, _sums(spec, "requests"), _sums(spec, "limits"))
            elif table == "persistentvolumeclaims" and kind == "PersistentVolumeClaim":
                found += _claim(item, obj["spec"]["resources"]["requests"])
    return found


_Shown = Mapping[str, tuple[Fraction, str]]  # amounts, and how they are written


def _texts(container: Mapping[str, Any], key: str) -> _Shown:
    return {name: (parse(amount), str(amount)) for name, amount in asked(container, key).items()}


def _sums(spec: Mapping[str, Any], key: str) -> _Shown:
    return {name: (amount, written(amount, binary=is_binary(name))) for name, amount in amounts(spec, key).items()}


def _bounds(item: Mapping[str, Any], key: str) -> Iterable[tuple[str, Any]]:
    found: Mapping[str, Any] = item.get(key) or {}
    return found.items()


def _checked(item: Mapping[str, Any], requests: _Shown, limits: _Shown) -> Iterator[str]:
    kind = item["type"]
    for name, bound in _bounds(item, "min"):
        start = f"minimum {name} usage per {kind} is {bound}"
        if name not in requests:
            yield f"{start}. No request is specified"
        elif requests[name][0] < parse(bound):
            yield f"{start}, but request is {requests[name][1]}"
        elif name in limits and limits[name][0] < parse(bound):
            yield f"{start}, but limit is {limits[name][1]}"
    for name, bound in _bounds(item, "max"):
        start = f"maximum {name} usage per {kind} is {bound}"
        if name not in limits:
            yield f"{start}. No limit is specified"
        elif limits[name][0] > parse(bound):
            yield f"{start}, but limit is {limits[name][1]}"
        elif name in requests and requests[name][0] > parse(bound):
            yield f"{start}, but request is {requests[name][1]}"
    for name, bound in _bounds(item, "maxLimitRequestRatio"):
        start = f"{name} max limit to request ratio per {kind} is {bound}"
        if name not in requests or not requests[name][0]:
            yield f"{start}, but no request is specified or request is 0"
        elif name not in limits or not limits[name][0]:
            yield f"{start}, but no limit is specified or limit is 0"
        elif (ratio := limits[name][0] / requests[name][0]) > parse(bound):
            yield f"{start}, but provided ratio is {float(ratio):.6f}"


def _claim(item: Mapping[str, Any], requests: Mapping[str, Any]) -> Iterator[str]:
    for name, bound in _bounds(item, "min"):
        if name not in requests:
            yield f"minimum {name} usage per PersistentVolumeClaim is {bound}. No request is specified"
        elif parse(requests[name]) < parse(bound):
            yield f"minimum {name} usage per PersistentVolumeClaim is {bound}, but request is {requests[name]}"
    for name, bound in _bounds(item, "max"):
        if name not in requests:
            yield f"maximum {name} usage per PersistentVolumeClaim is {bound}. No request is specified"
        elif parse(requests[name]) > parse(bound):
            yield f"maximum {name} usage per PersistentVolumeClaim is {bound}, but request is {requests[name]}"


LIMIT_RANGE = Kind(
    LIMITRANGES,
    short_names=("limits",),
    columns=(NAME, Column("Created At", text("metadata", "creationTimestamp"), type="date")),
    default=_default,
    validate=_validate,
    allocate=_allocate,
)
KINDS = (LIMIT_RANGE,)
