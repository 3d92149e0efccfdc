"""Validation rules of custom resources: `x-kubernetes-validations`, compiled with their schema, checked per object.

Called by the embedded API server with the schema of each version of a CustomResourceDefinition, and with every custom
object that its schema has accepted.  Source: "Extend the Kubernetes API with CustomResourceDefinitions", Validation
rules; messages are the API server's.  Invariants: nothing is changed; `compile` and `check` raise nothing; a check
ends within a budget of steps, whatever the rules and the object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from wherry.cel.errors import CostExceeded, NoValue
from wherry.cel.expressions import Expression
from wherry.cel.values import NONE, Optional
from wherry.kube.cel.compiling import place_of
from wherry.kube.cel.places import Place, Rule
from wherry.kube.cel.schemas import Schema
from wherry.kube.errors import Cause
from wherry.kube.patches import same

ROOT = "<nil>"
"""How the API server names the object as a whole in a cause."""
STEPS_PER_RULE = 300_000
"""About an API server's limit of 1,000,000 for one call: it counts names and constants, which are free here."""
STEPS_PER_OBJECT = 2_000_000
"""Two to three seconds at worst, which all other writes wait for."""

_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


def compile(schema: Schema, path: str = "spec.validation.openAPIV3Schema") -> Rules:
    """The rules of a whole resource's schema; `path` is where the schema lies in its definition."""
    faults: list[Cause] = []
    return Rules(place_of(schema, path, faults), faults)


class Rules:
    """The rules of one schema.  `faults` is what is wrong with them: none may be, for a definition to be accepted."""

    def __init__(self, root: Place | None, faults: list[Cause]) -> None:
        self.faults = faults
        self._root = root

    @property
    def empty(self) -> bool:
        """Whether there is nothing to check."""
        return self._root is None

    def check(self, new: Any, old: Any = None) -> list[Cause]:
        """What the rules have against an object; `old` is what was there before it, None for a new one.

        The object must fit its schema.  What an update leaves as it was is held against it by transition rules only.
        """
        if self._root is None:
            return []
        causes: list[Cause] = []
        try:
            _Check(causes).place(self._root, "", new, old, old is not None and same(old, new))
        except _Stop:
            pass
        return causes


class _Stop(Exception):
    """No further rules are run."""


class _Check:
    def __init__(self, causes: list[Cause]) -> None:
        self._causes = causes
        self._left = STEPS_PER_OBJECT

    def place(self, place: Place, path: str, new: Any, old: Any, unchanged: bool) -> None:
        """Checks a value and what is in it; `unchanged`: it is what it was."""
        if new is None or (unchanged and not place.transitions):
            return
        if place.rules:
            self._rules(place, path, new, old, unchanged)
        if isinstance(new, dict):
            before = cast("dict[str, Any]", old) if isinstance(old, dict) else {}
            self._members(place, path, cast("dict[str, Any]", new), before)
        elif isinstance(new, list) and place.items is not None:
            known = _by_keys(place.keys, cast("list[Any]", old)) if place.keys and isinstance(old, list) else {}
            for position, item in enumerate(cast("list[Any]", new)):
                found = known.get(_key(place.keys, item)) if place.keys else None
                self._value(place.items, f"{path}[{position}]", item, found)

    def _members(self, place: Place, path: str, new: dict[str, Any], old: dict[str, Any]) -> None:
        for name, child in place.properties.items():
            if name in new:
                self._value(child, f"{path}.{name}" if path else name, new[name], old.get(name))
        if place.additional is not None:
            for name, item in new.items():
                self._value(place.additional, f"{path}[{name}]", item, old.get(name))

    def _value(self, place: Place, path: str, new: Any, old: Any) -> None:
        self.place(place, path, new, old, old is not None and same(old, new))

    def _rules(self, place: Place, path: str, new: Any, old: Any, unchanged: bool) -> None:
        convert = place.convert
        value = convert(new) if convert is not None else new
        before = convert(old) if convert is not None and old is not None else old
        for rule in place.rules:
            if rule.transition and old is None and not rule.optional_old:
                continue
            if unchanged and not rule.transition:
                continue
            variables: dict[str, Any] = {"self": value}
            if rule.optional_old:
                variables["oldSelf"] = NONE if old is None else Optional(True, before)
            elif rule.transition:
                variables["oldSelf"] = before
            self._rule(rule, place, path, variables)

    def _rule(self, rule: Rule, place: Place, path: str, variables: Mapping[str, Any]) -> None:
        try:
            holds = self._evaluate(rule.expression, variables)
        except CostExceeded as problem:
            why = f"'{problem.message}': no further validation rules will be run due to call cost exceeds limit"
            self._add(path, place, f"{why} for rule: {rule.shown}")
            raise _Stop from None
        except NoValue as problem:
            if problem.message.startswith("no such overload"):
                why = "call arguments did not match a supported operator, function or macro signature for rule"
                self._add(path, place, f"'{problem.message}': {why}: {rule.shown}")
            else:
                self._add(path, place, f"{problem.message} evaluating rule: {rule.shown}")
            return
        if holds is not True:
            self._causes.append(_cause(rule, place, f"{path}{rule.field}".lstrip("."), self._said(rule, variables)))

    def _said(self, rule: Rule, variables: Mapping[str, Any]) -> str:
        """The rule's message: its expression's text when that is one line with words, else what is written."""
        if rule.message_expression is not None:
            try:
                said = self._evaluate(rule.message_expression, variables)
            except NoValue:
                return rule.message
            except CostExceeded:
                return rule.message
            if isinstance(said, str) and said.strip() and "\n" not in said:
                return said.strip()
        return rule.message

    def _evaluate(self, expression: Expression, variables: Mapping[str, Any]) -> Any:
        value, steps = expression.measure(variables, STEPS_PER_RULE)
        self._left -= steps
        if self._left < 0:
            self._causes.append(Cause(ROOT, f"Invalid value: {_OUT_OF_BUDGET}"))
            raise _Stop
        return value

    def _add(self, path: str, place: Place, why: str) -> None:
        self._causes.append(Cause(path or ROOT, f'Invalid value: "{place.kind}": {why}'))


def _cause(rule: Rule, place: Place, path: str, said: str) -> Cause:
    message = {
        "FieldValueForbidden": f"Forbidden: {said}",
        "FieldValueRequired": f"Required value: {said}",
        "FieldValueDuplicate": f'Duplicate value: "{place.kind}"',
    }.get(rule.reason, f'Invalid value: "{place.kind}": {said}')
    return Cause(path or ROOT, message, rule.reason)


def _key(keys: tuple[str, ...] | None, item: Any) -> tuple[str, ...]:
    fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
    return tuple(json.dumps(fields.get(key), sort_keys=True) for key in keys or ())


def _by_keys(keys: tuple[str, ...], items: list[Any]) -> dict[tuple[str, ...], Any]:
    return {_key(keys, item): item for item in items}
