"""The pipeline document: KFP's PipelineSpec and PlatformSpec as records.  Names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wherry.ir.reader import Document, IRError, from_builtins, load
    from wherry.ir.spec import PipelineSpec, PlatformSpec
    from wherry.ir.yaml import YAMLError, dump

__all__ = ["Document", "IRError", "PipelineSpec", "PlatformSpec", "YAMLError", "dump", "from_builtins", "load"]

_HOMES = {
    "Document": "wherry.ir.reader",
    "IRError": "wherry.ir.reader",
    "PipelineSpec": "wherry.ir.spec",
    "PlatformSpec": "wherry.ir.spec",
    "YAMLError": "wherry.ir.yaml",
    "dump": "wherry.ir.yaml",
    "from_builtins": "wherry.ir.reader",
    "load": "wherry.ir.reader",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
