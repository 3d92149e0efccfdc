"""`wherry compile --check`: the pipeline as a tree, what each task needs, and warnings.

Loaded by `wherry.cli.compile` when asked for.  Invariant: nothing is written and nothing runs but the user's file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import click
import msgspec

from wherry import drawing, ir
from wherry.client import flows
from wherry.client.flows import Flow
from wherry.drawing.tree import printable
from wherry.errors import UsageError
from wherry.pipelines.explanation import Explanation, TaskFacts, Warned, explain, summary

_SHOWN = 4  # tasks that a warning names


def check(word: str, *, as_json: bool) -> int:
    """Explains the pipeline that `FILE[:PIPELINE]` names; returns the exit code."""
    try:
        flow = flows.load(word)
        with flows.named(word):
            explanation, nodes = explain(ir.from_builtins(flow.document))
    except UsageError as error:
        if not as_json:
            raise
        click.echo(json.dumps({"errors": [{"message": error.message, "hint": error.hint}], "warnings": []}))
        return 2
    if as_json:
        click.echo(json.dumps(_plain(explanation, flow)))
        return 0
    for line in _told(explanation, nodes, flow):
        click.echo(line)
    return 0


def _plain(explanation: Explanation, flow: Flow) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(explanation)
    for plain, warned in zip(shown["warnings"], explanation.warnings, strict=True):
        plain["place"] = _place(warned, flow)
    return {**shown, "needs": summary(explanation.tasks), "errors": []}


def _told(explanation: Explanation, nodes: drawing.Node, flow: Flow) -> Iterable[str]:
    facts = {task.path: task for task in explanation.tasks}
    yield from drawing.as_tree(nodes, lambda node: _facts(node, facts))
    yield ""
    for title, values in summary(explanation.tasks).items():
        if values:
            yield f"{title}: {printable(', '.join(values))}"
    count = len(explanation.warnings)
    yield f"{count} {'warning' if count == 1 else 'warnings'}" if count else "no warnings"
    for warned in explanation.warnings:
        place = _place(warned, flow)
        where = " ".join([*filter(None, [_tasks(warned.tasks)]), *([f"({place})"] if place else [])])
        about = f"{printable(where)}: " if where else ""
        yield f"{click.style('warning:', fg='yellow')} {about}{printable(warned.message)}"
        yield f"  {printable(warned.hint)}  [{warned.code}]"


def _tasks(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{', '.join(paths[:_SHOWN])}{more}"


def _facts(node: drawing.Node, facts: Mapping[str, TaskFacts]) -> Iterable[str]:
    task = facts.get(node.path)
    if task is None:
        return node.details
    found: list[str] = []
    if task.needs is not None:
        if task.needs.image != node.note:
            found.append(f"image: {task.needs.image}")
        found += task.needs.lines()
        if not task.cached:
            found.append("not cached")
    return found


def _place(warned: Warned, flow: Flow) -> str:
    """Where the function of a warning is written, as `file:line`; "" where that is not known."""
    place = flow.places.get(warned.function) if warned.function else None
    return f"{os.path.relpath(place.file)}:{place.line}" if place else ""
