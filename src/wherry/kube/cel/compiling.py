"""Compiling the rules of a schema, and what is wrong with them: what a definition is refused for.

Called by `wherry.kube.cel.rules`.  Source: "Extend the Kubernetes API with CustomResourceDefinitions", Validation
rules.  Invariant: every fault names the rule's place in the definition, in the API server's words; nothing is raised.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from wherry.cel.errors import CompileError
from wherry.cel.expressions import Expression
from wherry.cel.types import Type, optional_of
from wherry.kube.cel.environment import environment
from wherry.kube.cel.places import RULES, Place, Rule
from wherry.kube.cel.schemas import Schema, declare, with_metadata
from wherry.kube.errors import Cause

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_NOTHING: Mapping[str, Any] = {}


def place_of(schema: Schema, path: str, faults: list[Cause]) -> Place | None:
    """The rules of a whole resource's schema, None without any; what is wrong with them is added to `faults`."""
    return _Compiler(faults).place(schema, path, "", resource=True)


class _Compiler:
    def __init__(self, faults: list[Cause]) -> None:
        self._faults = faults

    def place(self, schema: Schema, path: str, uncorrelatable: str, *, resource: bool = False) -> Place | None:
        """The part of a schema, None without rules; `uncorrelatable`: the list whose items have no past."""
        place = Place(schema)
        given: Any = schema.get(RULES)
        if given:
            self._rules(place, schema, path, uncorrelatable, resource)
        properties: Mapping[str, Schema] = schema.get("properties") or _NOTHING
        for name, child in properties.items():
            if resource and name in ("apiVersion", "kind", "metadata"):
                continue
            found = self.place(child, f"{path}.properties[{name}]", uncorrelatable)
            if found is not None:
                place.properties[name] = found
        more: Any = schema.get("additionalProperties")
        if isinstance(more, dict):
            place.additional = self.place(cast("Schema", more), f"{path}.additionalProperties", uncorrelatable)
        items: Any = schema.get("items")
        if isinstance(items, dict):
            here = f"{path}.items"
            lost = uncorrelatable or ("" if schema.get("x-kubernetes-list-type") == "map" else here)
            place.items = self.place(cast("Schema", items), here, lost)
        return place if place.rules or place.below else None

    def _rules(self, place: Place, schema: Schema, path: str, uncorrelatable: str, resource: bool) -> None:
        declared = declare(schema, resource=resource)
        if declared is None:
            self._faults.append(
                Cause(f"{path}.{RULES}", "Invalid value: rules need a type with fields or items that they can see")
            )
            return
        place.convert = declared.convert
        full = with_metadata(schema) if resource else schema
        for position, given in enumerate(cast("list[Any]", schema[RULES])):
            where = f"{path}.{RULES}[{position}]"
            fields = cast("Mapping[str, Any]", given) if isinstance(given, dict) else _NOTHING
            found = list(_settings_faults(fields, where, full))
            rule = None if found else self._rule(fields, where, declared.type, uncorrelatable, found)
            self._faults += found
            if rule is not None and not found:
                place.rules.append(rule)

    def _rule(
        self, given: Mapping[str, Any], where: str, type: Type, uncorrelatable: str, faults: list[Cause]
    ) -> Rule | None:
        text, optional_old = str(given["rule"]), given.get("optionalOldSelf") is True
        variables = {"self": type, "oldSelf": optional_of(type) if optional_old else type}
        expression = _compiled(text, variables, "bool", given, f"{where}.rule", faults)
        words, message = str(given.get("messageExpression") or ""), str(given.get("message") or "").strip()
        saying = None
        if words:
            saying = _compiled(words, variables, "string", given, f"{where}.messageExpression", faults)
        if expression is None:
            return None
        uses = expression.names("oldSelf")
        if uses and uncorrelatable:
            why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
            faults.append(Cause(f"{where}.rule", f"Invalid value: {json.dumps(text)}: {why}"))
        if "optionalOldSelf" in given and not uses:
            why = "may not be set if oldSelf is not used in rule"
            faults.append(
                Cause(f"{where}.optionalOldSelf", f"Invalid value: {json.dumps(given['optionalOldSelf'])}: {why}")
            )
        shown = message or text.strip()
        reason = str(given.get("reason") or "FieldValueInvalid")
        field = str(given.get("fieldPath") or "")
        return Rule(expression, shown, message or f"failed rule: {shown}", saying, reason, field, uses, optional_old)


def _compiled(
    text: str, variables: Mapping[str, Type], wanted: str, given: Mapping[str, Any], where: str, faults: list[Cause]
) -> Expression | None:
    """The expression; without one, or with another type, a fault."""
    about = "" if wanted == "bool" else "messageExpression "
    try:
        found = environment().compile(text, variables)
    except CompileError as problem:
        faults.append(Cause(where, f"Invalid value: {_go(given)}: {about}compilation failed: {problem.listing()}"))
        return None
    if found.type.name not in (wanted, "dyn"):
        why = "cel expression must evaluate to a bool" if wanted == "bool" else f"{about}must evaluate to a string"
        faults.append(Cause(where, f"Invalid value: {_go(given)}: {why}"))
        return None
    return found


def _go(given: Mapping[str, Any]) -> str:
    """A rule as the API server prints it: a struct of Go."""
    texts = [
        f"{field}:{json.dumps(str(given.get(key) or ''), ensure_ascii=False)}"
        for field, key in (("Rule", "rule"), ("Message", "message"), ("MessageExpression", "messageExpression"))
    ]
    reason = "(*apiextensions.FieldValueErrorReason)(nil)"
    path = json.dumps(str(given.get("fieldPath") or ""))
    listed = f"{', '.join(texts)}, Reason:{reason}, FieldPath:{path}, OptionalOldSelf:(*bool)(nil)"
    return f"apiextensions.ValidationRule{{{listed}}}"


def _settings_faults(given: Mapping[str, Any], where: str, schema: Schema) -> Iterator[Cause]:
    """What is wrong with a rule beside its expressions."""
    rule: Any = given.get("rule")
    if not isinstance(rule, str) or not rule.strip():
        yield Cause(f"{where}.rule", "Required value: rule is not specified", "FieldValueRequired")
    for key in ("message", "messageExpression"):
        value: Any = given.get(key)
        if value is None or value == "":
            continue
        if not isinstance(value, str) or not value.strip():
            yield Cause(f"{where}.{key}", f"Invalid value: {json.dumps(value)}: must be non-empty if specified")
        elif key == "message" and "\n" in value.strip():
            yield Cause(f"{where}.{key}", f"Invalid value: {json.dumps(value)}: message must not contain line breaks")
    if isinstance(rule, str) and "\n" in rule.strip() and not (given.get("message") or given.get("messageExpression")):
        why = "message must be specified if rule contains line breaks"
        yield Cause(f"{where}.message", f"Required value: {why}", "FieldValueRequired")
    reason: Any = given.get("reason")
    if reason is not None and reason not in _REASONS:
        listed = ", ".join(f'"{name}"' for name in _REASONS)
        why = f"Unsupported value: {json.dumps(reason)}: supported values: {listed}"
        yield Cause(f"{where}.reason", why, "FieldValueNotSupported")
    path: Any = given.get("fieldPath")
    if path is not None and not _path_exists(str(path), schema):
        yield Cause(f"{where}.fieldPath", f"Invalid value: {json.dumps(path)}: fieldPath must be a valid path")


def _path_exists(path: str, schema: Schema) -> bool:
    """Whether a path such as .spec.x or .map['k'] leads to a part of the schema."""
    at: Schema | None = schema
    rest = path
    while rest:
        if rest.startswith("['") and "']" in rest:
            name, rest = rest[2 : rest.index("']")], rest[rest.index("']") + 2 :]
        elif rest.startswith("."):
            ends = [end for end in (rest.find(mark, 1) for mark in ".[") if end > 0]
            end = min(ends, default=len(rest))
            name, rest = rest[1:end], rest[end:]
        else:
            return False
        at = _member(at, name) if name else None
        if at is None:
            return False
    return bool(path)


def _member(schema: Schema, name: str) -> Schema | None:
    properties: Mapping[str, Schema] = schema.get("properties") or _NOTHING
    more: Any = schema.get("additionalProperties")
    return properties.get(name, cast("Schema", more) if isinstance(more, dict) else None)
