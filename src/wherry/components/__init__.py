"""Components loaded from YAML, as `kfp.components` loads them.  Names load on first use."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.components.loading import (
        YamlComponent,
        load_component_from_file,
        load_component_from_text,
        load_component_from_url,
    )
    from wherry.dsl.components import BaseComponent, ContainerComponent, PythonComponent

__all__ = [
    "BaseComponent",
    "ContainerComponent",
    "PythonComponent",
    "YamlComponent",
    "load_component_from_file",
    "load_component_from_text",
    "load_component_from_url",
]

_HOMES = {
    "BaseComponent": "wherry.dsl.components",
    "ContainerComponent": "wherry.dsl.components",
    "PythonComponent": "wherry.dsl.components",
    "YamlComponent": "wherry.components.loading",
    "load_component_from_file": "wherry.components.loading",
    "load_component_from_text": "wherry.components.loading",
    "load_component_from_url": "wherry.components.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
