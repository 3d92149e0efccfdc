"""A pipeline as an indented tree: groups with what they hold, each task with what it waits for.

Called by `wherry compile --check`, and by `wherry graph` where a drawing would be wider than the terminal.  Pure.
Invariant: siblings come in an order in which they could run.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

from wherry.drawing.model import TITLES, Node

Facts = Callable[[Node], Iterable[str]]


def no_facts(node: Node) -> Iterable[str]:
    """Nothing under the nodes."""
    return ()


def as_tree(pipeline: Node, facts: Facts = no_facts) -> list[str]:
    """The lines of the tree; `facts` gives further lines for a node, set under it."""
    lines = [f"pipeline {printable(pipeline.title)}", *(f"│ {printable(line)}" for line in facts(pipeline))]
    _below(lines, pipeline, "", facts)
    return lines


def printable(text: str) -> str:
    """Text for a terminal, on one line: what would steer the terminal is replaced."""
    return "".join(char if _is_shown(char) else " " if char in "\n\t" else "\ufffd" for char in text)


def _is_shown(char: str) -> bool:
    return not unicodedata.category(char).startswith("C")


def _below(lines: list[str], group: Node, indent: str, facts: Facts) -> None:
    order = _in_order(group)
    for number, at in enumerate(order):
        node = group.nodes[at]
        last = number == len(order) - 1
        after = [group.nodes[edge.source].title for edge in group.edges if edge.target == at]
        kind = "" if node.kind == "task" else f"{TITLES[node.kind]} "
        words = [f"{kind}{node.title}", *([node.note] if node.note else [])]
        if after:
            words.append(f"after {', '.join(after)}")
        lines.append(f"{indent}{'└─ ' if last else '├─ '}{printable('  '.join(words))}")
        below = indent + ("   " if last else "│  ")
        lines += [f"{below}{'│' if node.nodes else ' '}  {printable(line)}" for line in facts(node)]
        _below(lines, node, below, facts)


def _in_order(group: Node) -> list[int]:
    """The group's nodes, each after those that it waits for, otherwise as they are written."""
    waits: list[set[int]] = [set() for _ in group.nodes]
    for edge in group.edges:
        waits[edge.target].add(edge.source)
    left = [len(each) for each in waits]
    leads: list[list[int]] = [[] for _ in group.nodes]
    for target, sources in enumerate(waits):
        for source in sources:
            leads[source].append(target)
    order: list[int] = []
    ready = [at for at in reversed(range(len(left))) if not left[at]]
    while ready:
        at = ready.pop()
        order.append(at)
        for target in reversed(leads[at]):
            left[target] -= 1
            if not left[target]:
                ready.append(target)
    return order
