"""The placeholders of container components, where KFP has them."""

from __future__ import annotations

from wherry.compiler.placeholders import ConcatPlaceholder, IfPresentPlaceholder, InputValuePlaceholder, Placeholder

__all__ = ["ConcatPlaceholder", "IfPresentPlaceholder", "InputValuePlaceholder", "Placeholder"]
