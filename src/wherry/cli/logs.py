"""`wherry logs`: what tasks wrote, byte for byte.

Loaded by `wherry.cli.commands` when used.  Invariant: the bytes of one task are passed on as they are, UTF-8 or not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from wherry.cli.commands import client_of
from wherry.client import views
from wherry.client.api import Client
from wherry.errors import UsageError

_WITHOUT_LOG = ("PENDING", "SKIPPED", "CACHED")


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="[TASK]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the task ends, or without TASK the run.")
@click.option("--attempt", type=click.IntRange(min=1), help="An earlier attempt, from 1.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.pass_context
def logs(
    context: click.Context, run: str, task: str | None, follow: bool, attempt: int | None, tail: int | None
) -> None:
    """Print what TASK of RUN wrote; without TASK, of all tasks that ran, one after the other."""
    if attempt is not None and task is None and follow:
        raise UsageError("--attempt with --follow needs a TASK")
    client = client_of(context)
    view = client.get(run, tasks=True)
    if follow and task is None and view["state"] not in views.FINAL_RUNS:
        for path, number in _started(client, view["id"]):
            click.echo(f"==> {path}" + (f" (attempt {number})" if number > 1 else ""))
            _copy(client.logs(view["id"], path, attempt=number, follow=True, tail=tail))
        return
    paths = _paths(view, task)
    for path in paths:
        if len(paths) > 1:
            click.echo(f"==> {path}")
        _copy(client.logs(view["id"], path, attempt=attempt, follow=follow, tail=tail))


def _copy(log: Iterable[bytes]) -> None:
    for data in log:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _started(client: Client, run: str) -> Iterator[tuple[str, int]]:
    """The attempts of a run that goes on, each task's path and number once it has started, until the run is over."""
    seen: set[tuple[str, int]] = set()
    for event in client.follow(run):
        if event is None or event["event"] != "task" or event["kind"] != "task" or event["phase"] in _WITHOUT_LOG:
            continue
        one = (event["path"], event["attempt"])
        if one not in seen:
            seen.add(one)
            yield one


def _paths(view: dict[str, Any], task: str | None) -> list[str]:
    started = {one["path"]: None for one in view["tasks"] if one["kind"] == "task" and one["phase"] not in _WITHOUT_LOG}
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
