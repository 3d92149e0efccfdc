"""What can be wrong with an expression: it does not compile, it has no value, or it costs too much.

Raised by everything in `wherry.cel`.  Invariant: no expression and no value makes this package raise anything but a
CELError; only `NoValue` can be outweighed by the other operand of `&&` and `||`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wherry.errors import WherryError


class CELError(WherryError):
    """The expression does not compile, or has no value for these variables."""


class Issue(NamedTuple):
    """One thing that is wrong at one place: `at` counts characters from 0."""

    at: int
    message: str


class CompileError(CELError):
    """The expression is wrong whatever the variables are; `issues` say where, in order."""

    def __init__(self, text: str, issues: Sequence[Issue]) -> None:
        self.issues = tuple(sorted(issues))
        self._text = text
        super().__init__("; ".join(f"{issue.message} (column {issue.at + 1})" for issue in self.issues))

    def listing(self) -> str:
        """The issues as the API server prints them: place, message, and the line with a mark below."""
        return "\n".join(_listed(self._text, issue) for issue in self.issues)


def _listed(text: str, issue: Issue) -> str:
    before = text[: issue.at]
    line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    shown = text.split("\n")[line].replace("\t", " ")
    return f"ERROR: <input>:{line + 1}:{column + 1}: {issue.message}\n | {shown}\n | {'.' * column}^"


class NoValue(CELError):
    """The expression has no value for these variables: a missing key, an overflow, a wrong type."""


class CostExceeded(CELError):
    """The evaluation was stopped, because it took more steps than it was allowed."""
