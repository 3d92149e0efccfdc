"""CustomResourceDefinitions: the row of the kind by which users add kinds.

A row of the registry.  Its rules are loaded when the first definition is written, and the kinds that definitions make
when there is one (`custom`): a server without them has neither.  Invariant: a definition that is established is served
from the commit that established it, and the objects of its kind never outlive it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from wherry.kube.embedded.columns import NAME, Column, text
from wherry.kube.embedded.kinds import Kind
from wherry.kube.errors import Cause
from wherry.kube.protocol import Object
from wherry.kube.resources import CUSTOMRESOURCEDEFINITIONS

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition while there are objects of its kind."""
RULES = "wherry.kube.embedded.definition_rules"  # lazy: what a definition must be
NAMES = "wherry.kube.embedded.definition_names"  # lazy: who may have which names
CUSTOM = "wherry.kube.embedded.custom"  # lazy: the kinds that definitions make


def _default(obj: Object) -> None:
    import_module(RULES).default(obj)


def _validate(obj: Object) -> list[Cause]:
    return import_module(RULES).validate(obj)


def _validate_update(old: Object, new: Object) -> list[Cause]:
    return import_module(RULES).validate_update(old, new)


def _allocate(transaction: Any, obj: Object, old: Object | None) -> list[Cause]:
    return import_module(NAMES).accept(transaction, obj, old)


DEFINITION = Kind(
    CUSTOMRESOURCEDEFINITIONS,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    columns=(NAME, Column("Created At", text("metadata", "creationTimestamp"), type="date")),
    has_status=True,
    has_generation=True,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
    allocate=_allocate,
)
