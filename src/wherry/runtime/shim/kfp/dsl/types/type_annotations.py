"""`kfp.dsl.types.type_annotations` inside a task."""

from wherry.runtime.annotations import (
    EmbeddedAnnotation,
    InputAnnotation,
    InputPath,
    OutputAnnotation,
    OutputPath,
)

__all__ = ["EmbeddedAnnotation", "InputAnnotation", "InputPath", "OutputAnnotation", "OutputPath"]
