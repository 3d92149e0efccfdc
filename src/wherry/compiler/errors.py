"""The refusals that have a name of their own in KFP, so that code which catches them by name goes on working.

Raised by `wherry.dsl` while a pipeline function runs and by `wherry.compiler` right after it.  Everything else that a
user can get wrong is a plain ValueError or TypeError, as in KFP.
"""

from __future__ import annotations

from wherry.errors import WherryError


class InvalidTopologyException(WherryError):
    """A task uses something that the control flow around it does not let it reach."""


class InconsistentTypeException(WherryError):
    """An argument or output has another type than the input or output it is connected to."""


class InvalidControlFlowException(WherryError):
    """`Elif` or `Else` without the `If` that it continues."""
