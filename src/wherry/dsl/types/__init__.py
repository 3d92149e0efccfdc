"""`kfp.dsl.types` by wherry's name: artifact classes, annotations, and the exception of types that do not fit."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.dsl.types import artifact_types, type_annotations, type_utils

__all__ = ["artifact_types", "type_annotations", "type_utils"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only here

    return importlib.import_module(f"{__name__}.{name}")
