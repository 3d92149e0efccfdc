"""The annotations of components' inputs and outputs, where KFP has them."""

from __future__ import annotations

from typing import TypeVar

from wherry.runtime.annotations import (
    EmbeddedAnnotation,
    EmbeddedInput,
    Input,
    InputAnnotation,
    InputPath,
    Output,
    OutputAnnotation,
    OutputPath,
)

__all__ = [
    "EmbeddedAnnotation",
    "EmbeddedInput",
    "Input",
    "InputAnnotation",
    "InputPath",
    "Output",
    "OutputAnnotation",
    "OutputPath",
    "T",
]

T = TypeVar("T")
