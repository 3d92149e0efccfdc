"""A pipeline as a drawing sees it: nested nodes, and edges between the tasks of one DAG.

Made by `wherry.drawing.pipeline`, read by everything in this package and by `wherry compile --check`.  Invariant: an
edge joins two nodes of the same group, by their index in it, and edges of a group have no cycle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

NodeKind = Literal[
    "pipeline", "sub-pipeline", "loop", "condition", "branches", "exit-handler", "task", "importer", "exit-task"
]
EdgeKind = Literal["artifact", "parameter", "order", "exit"]

TITLES: dict[NodeKind, str] = {
    "pipeline": "pipeline",
    "sub-pipeline": "sub-pipeline",
    "loop": "loop",
    "condition": "condition",
    "branches": "branches",
    "exit-handler": "exit handler",
    "task": "task",
    "importer": "importer",
    "exit-task": "exit task",
}
"""What people are told a node is."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What `target` waits for; `labels` say what flows: `Output → a`."""

    source: int
    target: int
    kind: EdgeKind
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A task, or a group with nodes of its own.

    `path` is the task's path in a run without iterations (`for-loop-1/train`), "" for the pipeline itself; `note` is a
    short line under the title, `details` are lines for those who ask; `hidden` counts tasks that a group does not show.
    """

    path: str
    title: str
    kind: NodeKind
    note: str = ""
    details: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    hidden: int = 0

    @property
    def is_group(self) -> bool:
        """Whether it is drawn as a box around others."""
        return bool(self.nodes)

    def walk(self) -> Iterator[Node]:
        """This node and all inside it, outer ones first."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.nodes))
