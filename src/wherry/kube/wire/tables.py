"""Objects as a Table (meta.k8s.io/v1): what `kubectl get` prints.

Called by `wherry.kube.wire.views`.  Invariant: cells are in the order of the column definitions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.kube.embedded.kinds import Kind
from wherry.kube.protocol import Object


def table(
    kind: Kind, items: list[Object], metadata: dict[str, Any], embed: Callable[[Object], Any], now: float
) -> dict[str, Any]:
    """The table of some objects; `embed` is what of an object lies beside its row."""
    definitions = [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.name,
            "priority": column.priority,
        }
        for column in kind.columns
    ]
    rows = [{"cells": [column.cell(item, now) for column in kind.columns], "object": embed(item)} for item in items]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }
