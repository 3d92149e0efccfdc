"""A custom object beside its structural schema: every value that does not fit, in the API server's own words.

Called by `wherry.kube.embedded.custom` for whole objects and by `structural_rules` for defaults.  Source: "Extend the
Kubernetes API with CustomResourceDefinitions", Validation, Validation ratcheting.  Invariants: nothing is changed; what
an update leaves as it was is not held against the object; the time is linear in the object for one schema.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from wherry.cel.regexes import compiled, matches
from wherry.kube.errors import Cause
from wherry.kube.patches import same
from wherry.kube.schemas.formats import check_of
from wherry.kube.schemas.golang import bad, plain, quoted
from wherry.kube.schemas.nodes import Node
from wherry.kube.schemas.structural import INT_OR_STRING, properties

_ABSENT: Any = object()
_NAMES: dict[type[Any], str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
    type(None): "null",
}
_FORMATS: dict[type[Any], str] = {int: "int64", float: "float64"}
_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
PATTERN_STEPS = 500_000_000
"""Two or three seconds at worst, which all other writes wait for."""
NO_PATH = "<nil>"  # how the API server names an object as a whole


class _Found(NamedTuple):
    """What is wrong, and how much was looked at with success: by that the nearest alternative is chosen."""

    causes: list[Cause]
    matches: int = 0


def validate(node: Node, value: Any, path: str = "", old: Any = _ABSENT) -> list[Cause]:
    """What is wrong with a value at `path`; `old` is what was there before."""
    return _validate(_Budget(), node, value, path, old).causes


class _Budget:
    """What the patterns of one object may cost together: characters of texts times instructions of patterns."""

    def __init__(self) -> None:
        self._left = PATTERN_STEPS

    def pays(self, text: str, pattern: str) -> bool:
        """Whether there is enough left to look for the pattern in the text."""
        self._left -= len(text) * compiled(pattern).programsize
        return self._left >= 0


def _validate(budget: _Budget, node: Node, value: Any, path: str, old: Any) -> _Found:
    if old is not _ABSENT and same(old, value):
        return _Found([], 1)
    causes = _type(node, value, path)
    matches = 0 if causes else 1
    if value is not None:
        matches += _alternatives(budget, node, value, path, old, causes)
        if isinstance(value, str):
            causes += _string(budget, node, value, path)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            causes += _number(node, value, path)
        elif isinstance(value, list):
            matches += _list(budget, node, cast("list[Any]", value), path, old, causes)
    if node.get("enum"):
        wrong = _enum(node["enum"], value, path)
        causes += wrong
        matches += not wrong
    if isinstance(value, dict):
        matches += _object(budget, node, cast("dict[str, Any]", value), path, old, causes)
    return _Found(causes, matches)


def _type(node: Node, value: Any, path: str) -> list[Cause]:
    types: list[str] = ["integer", "string"] if node.get(INT_OR_STRING) else [node["type"]] if node.get("type") else []
    form: str = node.get("format") or ""
    if not types and not form:
        return []
    name = _NAMES.get(cast("type[Any]", type(value)), "object")
    if value is None:
        wanted, is_right = ",".join(types), not types or bool(node.get("nullable"))
    else:
        whole = isinstance(value, float) and value.is_integer() and "integer" in types
        is_right = name in types or whole or (name == "integer" and "number" in types)
        wanted = ",".join(types)
        if form and not is_right and not isinstance(value, (str, list)):
            wanted, name = form, _FORMATS.get(cast("type[Any]", type(value)), "")
        elif form and isinstance(value, (str, list)) and not {"number", "integer"} & {*types}:
            is_right = True
    return [] if is_right else [_mistyped(path, wanted, name, name)]


def _mistyped(path: str, wanted: str, word: str, value: str) -> Cause:
    detail = f"{path} in body must be of type {wanted}: {quoted(word)}"
    return Cause(path or NO_PATH, f"Invalid value: {quoted(value)}: {detail}", "FieldValueTypeInvalid")


def _wrong(path: str, value: Any, detail: str) -> Cause:
    return Cause(path or NO_PATH, f"Invalid value: {bad(value)}: {path} in body {detail}")


def _alternatives(budget: _Budget, node: Node, value: Any, path: str, old: Any, causes: list[Cause]) -> int:
    """anyOf, oneOf, allOf and not; returns how much was matched."""
    matches = 0
    if node.get("anyOf"):
        results = [_validate(budget, each, value, path, old) for each in node["anyOf"]]
        if all(result.causes for result in results):
            causes.append(_composed(path, "must validate at least one schema (anyOf)"))
            causes += max(results, key=lambda result: result.matches).causes
    if node.get("oneOf"):
        results = [_validate(budget, each, value, path, old) for each in node["oneOf"]]
        valid = sum(not result.causes for result in results)
        if valid != 1:
            told = f"Found {valid} valid alternatives" if valid else "Found none valid"
            causes.append(_composed(path, f"must validate one and only one schema (oneOf). {told}"))
            if not valid:
                causes += max(results, key=lambda result: result.matches).causes
    if node.get("allOf"):
        results = [_validate(budget, each, value, path, old) for each in node["allOf"]]
        valid = sum(not result.causes for result in results)
        matches += sum(result.matches for result in results)
        if valid != len(results):
            for result in results:
                causes += result.causes
            causes.append(
                _composed(path, f"must validate all the schemas (allOf){'' if valid else '. None validated'}")
            )
    if node.get("not") is not None and not _validate(budget, node["not"], value, path, _ABSENT).causes:
        causes.append(_composed(path, "must not validate the schema (not)"))
    return matches


def _composed(path: str, detail: str) -> Cause:
    return Cause(NO_PATH, f'Invalid value: "": {quoted(path)} {detail}')


def _string(budget: _Budget, node: Node, value: str, path: str) -> list[Cause]:
    longest, shortest, pattern = node.get("maxLength"), node.get("minLength"), node.get("pattern")
    causes: list[Cause] = []
    if longest is not None and len(value) > longest:
        causes.append(Cause(path, f"Too long: may not be more than {longest} bytes", "FieldValueTooLong"))
    elif shortest is not None and len(value) < shortest:
        causes.append(_wrong(path, value, f"should be at least {shortest} chars long"))
    elif pattern and not budget.pays(value, pattern):
        causes.append(_wrong(path, value[:50], f"is too long to be matched with '{pattern[:100]}'"))
    elif pattern and not matches(value, pattern):
        causes.append(_wrong(path, value, f"should match '{pattern}'"))
    form = node.get("format")
    check = check_of(form) if form else None
    if check is not None and not check(value):
        causes.append(_mistyped(path, str(form), value, value))
    return causes


def _number(node: Node, value: float, path: str) -> list[Cause]:
    causes: list[Cause] = []
    least, most = _RANGES.get(node.get("format") or "", (-math.inf, math.inf))
    if node.get("type") == "integer" and not least <= value <= most:
        detail = f"Checked value must be of type integer with format {node['format']} in {path}"
        causes.append(Cause(NO_PATH, f'Invalid value: "": {detail}'))
    factor = node.get("multipleOf")
    if factor is not None and not _is_multiple(value, factor):
        causes.append(_wrong(path, value, f"should be a multiple of {plain(factor)}"))
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and (value <= low if node.get("exclusiveMinimum") else value < low):
        than = "greater than" if node.get("exclusiveMinimum") else "greater than or equal to"
        causes.append(_wrong(path, value, f"should be {than} {plain(low)}"))
    if high is not None and (value >= high if node.get("exclusiveMaximum") else value > high):
        than = "less than" if node.get("exclusiveMaximum") else "less than or equal to"
        causes.append(_wrong(path, value, f"should be {than} {plain(high)}"))
    return causes


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    quotient = value / factor
    return math.isfinite(quotient) and quotient == int(quotient)


def _enum(values: list[Any], value: Any, path: str) -> list[Cause]:
    if any(same(value, each) for each in values):
        return []
    words = ", ".join(quoted(each if isinstance(each, str) else _json(each)) for each in values)
    message = f"Unsupported value: {bad(value)}: supported values: {words}"
    return [Cause(path, message, "FieldValueNotSupported")]


def _json(value: Any) -> str:
    return "null" if value is None else plain(value)


def _list(budget: _Budget, node: Node, value: list[Any], path: str, old: Any, causes: list[Cause]) -> int:
    items: Node | None = node.get("items")
    matches = 0
    if items is not None:
        before = _correlated(node, old)
        for index, item in enumerate(value):
            found = _validate(budget, items, item, f"{path}[{index}]", before.get(_key(node, item), _ABSENT))
            causes += found.causes
            matches += found.matches
    least, most = node.get("minItems"), node.get("maxItems")
    if least is not None and len(value) < least:
        causes.append(_wrong_count(path, len(value), f"should have at least {least} items"))
    if most is not None and len(value) > most:
        causes.append(_too_many(path, len(value), most))
    return matches


def _wrong_count(path: str, count: int, detail: str) -> Cause:
    return Cause(path or NO_PATH, f"Invalid value: {count}: {path} in body {detail}")


def _too_many(path: str, count: int, most: int) -> Cause:
    return Cause(path or NO_PATH, f"Too many: {count}: must have at most {most} items", "FieldValueTooMany")


def _correlated(node: Node, old: Any) -> Mapping[Any, Any]:
    """The items of a list as it was, by their keys: only those of a list of type map can be told apart."""
    if not isinstance(old, list) or node.get("x-kubernetes-list-type") != "map":
        return {}
    return {_key(node, item): item for item in cast("list[Any]", old)}


def _key(node: Node, item: Any) -> Any:
    if not isinstance(item, dict):
        return None
    obj = cast("dict[str, Any]", item)
    return tuple(repr(obj.get(key)) for key in node.get("x-kubernetes-list-map-keys") or ())


def _object(budget: _Budget, node: Node, value: dict[str, Any], path: str, old: Any, causes: list[Cause]) -> int:
    least, most = node.get("minProperties"), node.get("maxProperties")
    if least is not None and len(value) < least:
        causes.append(_wrong_count(path, len(value), f"should have at least {least} properties"))
        return 0
    if most is not None and len(value) > most:
        causes.append(_too_many(path, len(value), most))
        return 0
    named, more = properties(node), node.get("additionalProperties")
    before: dict[str, Any] = cast("dict[str, Any]", old) if isinstance(old, dict) else {}
    matches = 0
    for key, item in value.items():
        inner = f"{path}.{key}" if path else key
        child: Any = named.get(key, more)
        if isinstance(child, dict):
            found = _validate(budget, cast("Node", child), item, inner, before.get(key, _ABSENT))
            causes += found.causes
            matches += found.matches
        elif child is False:
            causes.append(Cause(path or NO_PATH, f'Invalid value: "": {inner} in body is a forbidden property'))
    for key in node.get("required") or ():
        if key in value:
            matches += 1
        else:
            causes.append(Cause(f"{path}.{key}" if path else key, "Required value", "FieldValueRequired"))
    return matches
