"""`wherry show`: one run as a tree of tasks, with states, times, inputs, outputs and metrics.

Loaded by `wherry.cli.commands` when used.  Invariant: values whose names say that they are secret are not shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import click

from wherry.cli.commands import client_of
from wherry.cli.progress import MANY
from wherry.cli.tables import moment
from wherry.client import views
from wherry.client.views import Node

_COLORS = {"SUCCEEDED": "green", "CACHED": "cyan", "FAILED": "red", "CANCELED": "yellow", "RUNNING": "blue"}


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--all", "everything", is_flag=True, help="Every iteration of every loop.")
@click.option("--json", "as_json", is_flag=True, help="The run and its tasks as one JSON object.")
@click.pass_context
def show(context: click.Context, run: str, everything: bool, as_json: bool) -> None:
    """Show RUN: an id, the beginning of one, or `latest`."""
    view = client_of(context).get(run, tasks=True)
    if as_json:
        click.echo(json.dumps(_plain(view)))
        return
    now = time.time()
    click.echo(f"{view['name']} ({view['id']})")
    seconds = views.duration(views.seconds_of(view, now))
    facts = [_colored(view["state"]), moment(view["created_at"]), *([seconds] if seconds else [])]
    click.echo(f"  {view['pipeline']} · {' · '.join(facts)}")
    _values("arguments", views.redacted(views.part(view, "arguments")))
    _values("outputs", views.redacted(views.flat(view.get("outputs"))))
    for line in lines(views.tree(view["tasks"]), now, everything=everything):
        click.echo(line)
    error = views.part(view, "error")
    if error.get("message"):
        click.echo(
            f"error in {error['task']}: {error['message']}" if error.get("task") else f"error: {error['message']}"
        )
        if error.get("task"):
            click.echo(f"full log: wherry logs {views.short(view['id'])} {error['task']}")


def lines(nodes: list[Node], now: float, *, everything: bool = False, indent: str = "") -> list[str]:
    """The tree as lines; of a wide loop only the iterations that did not go well, unless `everything`."""
    shown, left_out = nodes, 0
    iterations = bool(nodes) and nodes[0].task["path"].endswith("]")
    if iterations and len(nodes) > MANY and not everything:
        shown = [node for node in nodes if node.task["phase"] not in ("SUCCEEDED", "CACHED", "SKIPPED")][:MANY]
        left_out = len(nodes) - len(shown)
    found: list[str] = []
    for number, node in enumerate(shown):
        last = number == len(shown) - 1 and not left_out
        found.append(f"{indent}{'└─ ' if last else '├─ '}{_headline(node.task, now)}")
        below = indent + ("   " if last else "│  ")
        found += [f"{below}{'│' if node.children else ' '}  {line}" for line in _facts(node.task)]
        found += lines(node.children, now, everything=everything, indent=below)
    if left_out:
        found.append(f"{indent}└─ … {left_out} of {len(nodes)} iterations not shown (--all)")
    return found


def _headline(task: Mapping[str, Any], now: float) -> str:
    name = views.leaf(task["path"])
    title = task.get("display_name")
    title = f" ({title})" if title and title not in (name, task["path"]) else ""
    seconds = views.duration(views.seconds_of(task, now))
    cached = f", from run {views.short(task['cached_from'])}" if task.get("cached_from") else ""
    attempt = f"  attempt {task['attempt']}" if task.get("attempt", 1) > 1 else ""
    return f"{name}{title}  {_colored(task['phase'])}{cached}{f'  {seconds}' if seconds else ''}{attempt}"


def _facts(task: Mapping[str, Any]) -> list[str]:
    if task["kind"] not in views.LEAVES:
        return []
    found = [
        f"{arrow} {name} = {views.brief(value)}"
        for arrow, values in (("←", task.get("inputs")), ("→", task.get("outputs")))
        for name, value in views.redacted(views.flat(values)).items()
    ]
    found += [f"  {name}: {value:g}" for name, value in views.metrics(task.get("outputs")).items()]
    message = views.part(task, "error").get("message")
    return [*found, f"! {views.brief(message)}"] if message else found


def _plain(view: Mapping[str, Any]) -> dict[str, Any]:
    tasks = [
        {
            **task,
            "inputs": views.redacted(views.flat(task.get("inputs"))),
            "outputs": views.redacted(views.flat(task.get("outputs"))),
        }
        for task in view["tasks"]
    ]
    run = {
        **view,
        "arguments": views.redacted(views.part(view, "arguments")),
        "outputs": views.redacted(views.flat(view.get("outputs"))),
    }
    return {**run, "tasks": tasks}


def _values(title: str, values: Mapping[str, Any]) -> None:
    if values:
        click.echo(f"  {title}: {', '.join(f'{name}={views.brief(value)}' for name, value in values.items())}")


def _colored(phase: str) -> str:
    return click.style(phase, fg=_COLORS.get(phase))
