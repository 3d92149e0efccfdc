"""CustomResourceDefinitions: the row of the kind by which users add kinds.

A row of the registry, loaded when somebody asks for it; its rules are in `definition_rules`, the names that it is given
in `definition_names`, and the kinds that definitions make in `custom`.  Invariant: a definition that is established is
served from the commit that established it, and no object of its kind outlives it.
"""

from __future__ import annotations

from wherry.kube.embedded import definition_names, definition_rules
from wherry.kube.embedded.columns import NAME, Column, text
from wherry.kube.embedded.kinds import Kind
from wherry.kube.resources import CUSTOMRESOURCEDEFINITIONS

DEFINITION = Kind(
    CUSTOMRESOURCEDEFINITIONS,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    columns=(NAME, Column("Created At", text("metadata", "creationTimestamp"), type="date")),
    has_status=True,
    has_generation=True,
    default=definition_rules.default,
    validate=definition_rules.validate,
    judges_updates=True,
    validate_update=definition_rules.validate_update,
    allocate=definition_names.accept,
)
KINDS = (DEFINITION,)
