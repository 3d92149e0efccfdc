"""Pipelines and components made by an installed kfp, beside those of `wherry.dsl`.

Called by `wherry.client.flows`.  Invariant: kfp is never imported; its objects are known by the
names of their classes.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_COMPONENT = ("kfp.dsl.base_component", "BaseComponent")
_PIPELINE = ("kfp.dsl.graph_component", "GraphComponent")
_JSON_FORMAT = "google.protobuf.json_format"  # where kfp is, protobuf is


def is_component(value: object) -> bool:
    """Whether this is a component or pipeline of kfp's."""
    return _is_a(value, _COMPONENT)


def is_pipeline(value: object) -> bool:
    """Whether this is what kfp's `@dsl.pipeline` gives."""
    return _is_a(value, _PIPELINE)


def documents(component: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pipeline document and the platform document (empty when there are no platform settings)."""
    to_dict = import_module(_JSON_FORMAT).MessageToDict
    return to_dict(component.pipeline_spec), to_dict(component.platform_spec)


def _is_a(value: object, wanted: tuple[str, str]) -> bool:
    return any((kind.__module__, kind.__name__) == wanted for kind in type(value).__mro__)
