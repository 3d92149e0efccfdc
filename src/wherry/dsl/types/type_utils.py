"""The exception of types that do not fit, where KFP has it."""

from __future__ import annotations

from wherry.compiler.errors import InconsistentTypeException

__all__ = ["InconsistentTypeException"]
