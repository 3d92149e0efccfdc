"""The class of all components, where KFP has it."""

from __future__ import annotations

from wherry.dsl.components import BaseComponent

__all__ = ["BaseComponent"]
