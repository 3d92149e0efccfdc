"""Selectors: Kubernetes' text forms for choosing objects by labels and fields.

Called by `Kube` implementations in this process and by the wire face.  Invariant: parsing is total (a matcher or
BadRequest), cached, and matching allocates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from wherry.kube.errors import bad_request
from wherry.kube.names import label_value_error, qualified_name_error

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


class Requirement(NamedTuple):
    """One condition: `operator` is exists, absent, in, notin, gt or lt; equality is `in` with one value."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it; an absent key meets `absent` and `notin`."""
        value = labels.get(self.key)
        if self.operator == "in":
            return value in self.values
        if self.operator == "notin":
            return value not in self.values
        if self.operator == "exists":
            return value is not None
        if self.operator == "absent":
            return value is None
        if value is None or not _INTEGER.fullmatch(value):
            return False
        (bound,) = self.values
        return int(value) > int(bound) if self.operator == "gt" else int(value) < int(bound)


class LabelSelector(NamedTuple):
    """All of its requirements must hold; without any it matches everything."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is chosen."""
        return all(requirement.matches(labels) for requirement in self.requirements)


class FieldTerm(NamedTuple):
    """`field = value`, or `field != value` when not `equal`."""

    field: str
    value: str
    equal: bool


class FieldSelector(NamedTuple):
    """All of its terms must hold; an absent field has the empty value."""

    terms: tuple[FieldTerm, ...]

    def matches(self, read: Callable[[str], str]) -> bool:
        """Whether the object is chosen; `read` gives the text of one of its fields."""
        return all((read(term.field) == term.value) is term.equal for term in self.terms)


@lru_cache(maxsize=512)
def label_selector(text: str) -> LabelSelector:
    """Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>5`; raises BadRequest saying where it goes wrong."""
    return LabelSelector(_LabelParser(text).parse())


def selector_of(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The selector that an object holds (meta/v1 LabelSelector, valid); None and nothing said choose everything."""
    said = selector or {}
    labels: Mapping[str, str] = said.get("matchLabels") or {}
    found = [Requirement(key, "in", frozenset([value])) for key, value in sorted(labels.items())]
    for item in said.get("matchExpressions") or ():
        operator = _OPERATORS[item["operator"]]
        found.append(Requirement(item["key"], operator, frozenset(item.get("values") or ())))
    return LabelSelector(tuple(found))


_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


def selector_text(selector: LabelSelector) -> str:
    """The selector as a request says it."""
    return ",".join(map(_requirement_text, sorted(selector.requirements, key=lambda each: each.key)))


def _requirement_text(requirement: Requirement) -> str:
    key, operator, values = requirement
    if operator == "in" and len(values) == 1:
        return f"{key}={next(iter(values))}"
    words = {"exists": key, "absent": f"!{key}"}
    return words.get(operator) or f"{key} {operator} ({','.join(sorted(values))})"


class _LabelParser:
    """Recursive descent over the grammar of the API conventions ("Label selectors")."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def parse(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        while self._peek():
            found.append(self._requirement())
            if not self._peek():
                break
            self._expect(",")
            if not self._peek():
                raise self._error("found '', expected: identifier after ','")
        return tuple(found)

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._next += 1
            return Requirement(self._key(), "absent")
        key = self._key()
        operator = self._peek()
        if operator in ("", ","):
            return Requirement(key, "exists")
        self._next += 1
        if operator in ("=", "=="):
            return Requirement(key, "in", frozenset([self._value()]))
        if operator == "!=":
            return Requirement(key, "notin", frozenset([self._value()]))
        if operator in ("in", "notin"):
            return Requirement(key, operator, self._values())
        if operator in (">", "<"):
            value = self._value()
            if not _INTEGER.fullmatch(value):
                raise self._error(f"values[0]: Invalid value: {value!r}: for 'Gt', 'Lt' operators, an integer")
            return Requirement(key, "gt" if operator == ">" else "lt", frozenset([value]))
        raise self._error(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")

    def _values(self) -> frozenset[str]:
        self._expect("(")
        values = [self._value()]
        while self._peek() == ",":
            self._next += 1
            values.append(self._value())
        self._expect(")")
        return frozenset(values)

    def _key(self) -> str:
        key = self._peek()
        self._next += 1
        if problem := qualified_name_error(key):
            raise self._error(f"key: Invalid value: {key!r}: {problem}")
        return key

    def _value(self) -> str:
        value = self._peek()
        if value in ("", ",", ")"):
            return ""
        self._next += 1
        if problem := label_value_error(value):
            raise self._error(f"values: Invalid value: {value!r}: {problem}")
        return value

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise self._error(f"found '{self._peek()}', expected: '{token}'")
        self._next += 1

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _error(self, why: str) -> Exception:
        return bad_request(f"unable to parse requirement in {self._text!r}: {why}")


def _tokens(text: str) -> list[str]:
    text = text.rstrip()
    tokens: list[str] = []
    at = 0
    while at < len(text) and (match := _TOKEN.match(text, at)):
        tokens.append(match.group(1))
        at = match.end()
    return tokens


@lru_cache(maxsize=512)
def field_selector(text: str) -> FieldSelector:
    """Parses `metadata.name=a,status.phase!=Running` (`\\,`, `\\=` and `\\\\` escape); raises BadRequest."""
    return FieldSelector(tuple(_term(part, text) for part in _split(text)))


def _split(text: str) -> list[str]:
    """The terms between unescaped commas, still escaped; empty ones do not count."""
    return [part for part in re.findall(r"(?:\\.|[^,\\]|\\$)+", text, re.DOTALL) if part]


_TERM = re.compile(r"((?:[^=!\\])+)(==|!=|=)((?:\\[\\,=]|[^\\=,])*)", re.DOTALL)


def _term(part: str, text: str) -> FieldTerm:
    match = _TERM.fullmatch(part)
    if match is None:
        raise bad_request(f"invalid selector: {text!r}; can't understand {part!r}")
    field, operator, value = match.groups()
    return FieldTerm(field, re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL), operator != "!=")


def field_text(obj: Mapping[str, Any], path: tuple[str, ...]) -> str:
    """The text of the field at `path`: empty when absent, `true` or `false` for booleans."""
    value: Any = obj
    for key in path:
        if not isinstance(value, dict):
            return ""
        value = value.get(key)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)  # pyright: ignore[reportUnknownArgumentType]
