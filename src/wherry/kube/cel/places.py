"""Where rules lie in a schema: what `wherry.kube.cel.compiling` makes and `wherry.kube.cel.rules` walks.

Invariant: a part of a schema without any rule, there or below, has no place.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

from wherry.cel.expressions import Expression
from wherry.kube.cel.schemas import Convert, Schema

RULES = "x-kubernetes-validations"


class Rule(NamedTuple):
    """One compiled rule; `transition`: it looks at oldSelf, so that it applies to updates alone unless
    `optional_old`."""

    expression: Expression
    shown: str  # the message of a rule, or the rule: how a fault names it
    message: str
    message_expression: Expression | None
    reason: str
    field: str  # below the place of the schema; empty or beginning with a dot or bracket
    transition: bool
    optional_old: bool


class Place:
    """A part of the schema: its rules, and the parts below that have any."""

    def __init__(self, schema: Schema) -> None:
        self.kind = str(schema.get("type") or "")
        self.rules: list[Rule] = []
        self.convert: Convert | None = None
        self.properties: dict[str, Place] = {}
        self.additional: Place | None = None
        self.items: Place | None = None
        keys: Any = schema.get("x-kubernetes-list-map-keys") if schema.get("x-kubernetes-list-type") == "map" else None
        self.keys: tuple[str, ...] | None = tuple(map(str, keys)) if keys else None

    @property
    def below(self) -> list[Place]:
        """The parts below."""
        return [place for place in (*self.properties.values(), self.additional, self.items) if place is not None]

    @cached_property
    def transitions(self) -> bool:
        """Whether any rule here or below looks at what was there before."""
        return any(rule.transition for rule in self.rules) or any(place.transitions for place in self.below)
