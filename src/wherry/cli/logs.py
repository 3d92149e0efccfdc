"""`wherry logs`: what tasks wrote, byte for byte.

Loaded by `wherry.cli.commands` when used.  Invariant: the bytes of one task are passed on as they are, UTF-8 or not.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from wherry.cli.commands import client_of
from wherry.client import views
from wherry.errors import UsageError


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="[TASK]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the task ends.")
@click.option("--attempt", type=click.IntRange(min=1), help="An earlier attempt, from 1.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.pass_context
def logs(
    context: click.Context, run: str, task: str | None, follow: bool, attempt: int | None, tail: int | None
) -> None:
    """Print what TASK of RUN wrote; without TASK, of all tasks that ran, one after the other."""
    client = client_of(context)
    view = client.get(run, tasks=True)
    paths = _paths(view, task)
    for path in paths:
        if len(paths) > 1:
            click.echo(f"==> {path}")
        for data in client.logs(view["id"], path, attempt=attempt, follow=follow, tail=tail):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


def _paths(view: dict[str, Any], task: str | None) -> list[str]:
    started = {
        one["path"]: None
        for one in view["tasks"]
        if one["kind"] == "task" and one["phase"] not in ("PENDING", "SKIPPED", "CACHED")
    }
    if task is None:
        if not started:
            raise UsageError(f"no task of run {views.short(view['id'])} has run")
        return list(started)
    known = {one["path"]: one for one in view["tasks"]}
    path = task if task in known else _named(view, list(known), task)
    origin = known[path].get("cached_from")
    if origin:
        raise UsageError(
            f"{path} did not run here: its result is that of run {views.short(origin)}",
            hint=f"wherry logs {views.short(origin)}",
        )
    return [path]


def _named(view: dict[str, Any], known: list[str], task: str) -> str:
    """The one path that ends in the task's name."""
    named = [path for path in known if views.leaf(path) == task]
    if len(named) > 1:
        raise UsageError(f"several tasks are called {task!r}: {', '.join(named[:8])}", hint="give the whole path")
    if not named:
        has = f"it has {', '.join(known[:20])}{' ...' if len(known) > 20 else ''}"
        raise UsageError(f"run {views.short(view['id'])} has no task {task!r}", hint=has)
    return named[0]
