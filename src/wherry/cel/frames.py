"""One evaluation: its variables and the steps that it may still take.

Made by `wherry.cel.expressions`.  Invariant: whoever does work that grows with its input pays for it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from wherry.cel.errors import CostExceeded


class Frame:
    """One evaluation: its variables, and the steps that are left."""

    __slots__ = ("steps", "variables")

    def __init__(self, variables: Mapping[str, Any], steps: int) -> None:
        self.variables = dict(variables)
        self.steps = steps

    def spend(self, steps: int) -> None:
        """Takes steps away; raises CostExceeded when there are none left."""
        self.steps -= steps
        if self.steps < 0:
            raise CostExceeded("operation cancelled: actual cost limit exceeded")


Evaluate: TypeAlias = Callable[[Frame], Any]
