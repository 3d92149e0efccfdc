"""The policies of a Job: which failures of pods count, when it has succeeded, when an ended pod is replaced.

Called by `jobs`.  Source: the validation of batch/v1 (podFailurePolicy, successPolicy, podReplacementPolicy).
Invariant: as in `pod_rules`: nothing here raises, whatever the object holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.workload_rules import bad, counts, mapping, required, unsupported, whole
from wherry.kube.errors import Cause

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_REPLACEMENT = ("Failed", "TerminatingOrFailed")
_MOST_RULES = 20
_MOST_INDEXES = 1_000_000  # that are looked at one by one


def default_policies(spec: dict[str, Any]) -> None:
    """Completes the rules: a condition that a rule names is meant to be true."""
    for rule in objects(mapping(spec.get("podFailurePolicy")), "rules"):
        for pattern in objects(rule, "onPodConditions"):
            pattern.setdefault("status", "True")


def policy_causes(spec: dict[str, Any], prefix: str) -> Iterator[Cause]:
    """What is wrong with a Job's policies."""
    indexed = spec.get("completionMode") == "Indexed"
    for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if spec.get(key) is not None and not indexed:
            yield bad(f"{prefix}.{key}", spec[key], "requires indexed completion mode")
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{prefix}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    replacement = spec.get("podReplacementPolicy")
    allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else _REPLACEMENT
    if replacement is not None and replacement not in allowed:
        yield unsupported(f"{prefix}.podReplacementPolicy", replacement, allowed)
    if (failure := spec.get("podFailurePolicy")) is not None:
        yield from _failure(spec, failure, prefix)
    if (success := spec.get("successPolicy")) is not None:
        yield from _success(spec, success, f"{prefix}.successPolicy", indexed=indexed)


def _failure(spec: dict[str, Any], policy: Any, prefix: str) -> Iterator[Cause]:
    pod = mapping(mapping(spec.get("template")).get("spec"))
    if pod.get("restartPolicy") != "Never":
        why = 'only "Never" is supported when podFailurePolicy is specified'
        yield bad(f"{prefix}.template.spec.restartPolicy", pod.get("restartPolicy"), why)
    field = f"{prefix}.podFailurePolicy.rules"
    rules = objects(mapping(policy), "rules")
    if len(rules) > _MOST_RULES:
        yield Cause(field, f"Too many: {len(rules)}: must have at most {_MOST_RULES} items", "FieldValueTooMany")
    names = {item.get("name") for key in ("containers", "initContainers") for item in objects(pod, key)}
    for index, rule in enumerate(rules):
        yield from _rule(rule, f"{field}[{index}]", names, per_index=spec.get("backoffLimitPerIndex") is not None)


def _rule(rule: dict[str, Any], field: str, names: set[Any], *, per_index: bool) -> Iterator[Cause]:
    action, codes = rule.get("action"), rule.get("onExitCodes")
    conditions = objects(rule, "onPodConditions")
    if not action:
        yield required(f"{field}.action", f"valid values: {list(_ACTIONS)}")
    elif action not in _ACTIONS:
        yield unsupported(f"{field}.action", action, _ACTIONS)
    elif action == "FailIndex" and not per_index:
        yield bad(f"{field}.action", action, "requires the backoffLimitPerIndex to be set")
    if codes is not None and conditions:
        yield bad(field, rule, "specifying both OnExitCodes and OnPodConditions is not supported")
    elif codes is not None:
        yield from _codes(mapping(codes), f"{field}.onExitCodes", names)
    elif not conditions:
        yield bad(field, rule, "specifying one of OnExitCodes and OnPodConditions is required")
    for index, pattern in enumerate(conditions):
        if not pattern.get("type"):
            yield required(f"{field}.onPodConditions[{index}].type")
        if pattern.get("status") not in ("True", "False", "Unknown"):
            allowed = ("True", "False", "Unknown")
            yield unsupported(f"{field}.onPodConditions[{index}].status", pattern.get("status"), allowed)


def _codes(codes: dict[str, Any], field: str, names: set[Any]) -> Iterator[Cause]:
    operator: Any = codes.get("operator")
    values: Any = codes.get("values")
    container: Any = codes.get("containerName")
    if operator not in _OPERATORS:
        yield unsupported(f"{field}.operator", operator, _OPERATORS)
    if container is not None and container not in names:
        why = "must be one of the container or initContainer names in the pod template"
        yield bad(f"{field}.containerName", container, why)
    if not isinstance(values, list) or not values:
        yield bad(f"{field}.values", values, "at least one value is required")
        return
    said = cast("list[Any]", values)
    if not all(map(whole, said)):
        yield bad(f"{field}.values", said, "must be integers")
    elif said != sorted(said):
        yield bad(f"{field}.values", said, "must be ordered")
    elif len(set(said)) != len(said):
        yield Cause(f"{field}.values", f"Duplicate value: {said}", "FieldValueDuplicate")
    elif operator == "In" and 0 in said:
        yield bad(f"{field}.values[{said.index(0)}]", 0, "must not be 0 for the In operator")


def _success(spec: dict[str, Any], policy: Any, field: str, *, indexed: bool) -> Iterator[Cause]:
    if not indexed:
        yield bad(field, policy, "requires indexed completion mode")
        return
    rules = objects(mapping(policy), "rules")
    if not rules:
        yield required(f"{field}.rules", "at least one rules must be specified")
    for index, rule in enumerate(rules):
        place = f"{field}.rules[{index}]"
        yield from counts(rule, "succeededCount", prefix=place, least=1)
        indexes: Any = rule.get("succeededIndexes")
        if indexes is None and rule.get("succeededCount") is None:
            yield required(place, "at least one of succeededCount or succeededIndexes must be specified")
        if indexes is not None:
            total: Any = spec.get("completions")
            if not isinstance(indexes, str) or read_indexes(indexes, total if whole(total) else 0) is None:
                yield bad(f"{place}.succeededIndexes", indexes, "must be indexes below the completions, in order")


def read_indexes(text: str, total: int) -> set[int] | None:
    """The indexes below `total` in `0,2-4`, None when the text is none, or names others."""
    found: set[int] = set()
    last = -1
    for part in text.split(",") if text else []:
        first, dash, end = part.partition("-")
        texts = (first, end) if dash else (first, first)
        if not all(word.isascii() and word.isdigit() and len(word) < 10 for word in texts):
            return None
        low, high = int(texts[0]), int(texts[1])
        if low <= last or high < low or high >= total or len(found) + high - low >= _MOST_INDEXES:
            return None
        found.update(range(low, high + 1))
        last = high
    return found


def indexes_text(indexes: set[int]) -> str:
    """The inverse of `read_indexes`, as the API server writes it: 1,2 are two, 3-5 are three."""
    parts: list[str] = []
    ordered = sorted(indexes)
    start = 0
    for position, index in enumerate(ordered):
        if position + 1 < len(ordered) and ordered[position + 1] == index + 1:
            continue
        first = ordered[start]
        parts.append(str(first) if first == index else f"{first}{',' if index == first + 1 else '-'}{index}")
        start = position + 1
    return ",".join(parts)
