"""`wherry run` and `wherry retry`: start a run, or have one go on, and follow it to its end.

Loaded by `wherry.cli.commands` when used.  Invariant: everything that can be checked is checked before a run is made.
"""

from __future__ import annotations

import os
from typing import Any, cast

import click

from wherry import settings
from wherry.cli.commands import client_of
from wherry.cli.follow import follow
from wherry.client import arguments as argument_values
from wherry.client import flows, views
from wherry.client.api import Client
from wherry.client.submission import Wishes, options
from wherry.errors import UsageError, WherryError


@click.command()
@click.argument("flow", metavar="FILE[:PIPELINE]")
@click.option("-p", "--param", "words", multiple=True, metavar="NAME=VALUE", help="An argument of the pipeline.")
@click.option("--args", "arguments_file", metavar="FILE", help="Arguments from a YAML or JSON file; -p wins.")
@click.option("--on", metavar="TARGET", help="A target of wherry.toml.")
@click.option("--name", default="", help="A name for the run.")
@click.option("--no-cache", is_flag=True, help="Run every task, also those with a known result.")
@click.option("--keep-going", is_flag=True, help="After a failure, go on with what does not depend on it.")
@click.option("--parallelism", type=int, metavar="N", help="At most N tasks at once.")
@click.option("--detach", is_flag=True, help="Print the run's id and leave it going.")
@click.option("--json", "as_json", is_flag=True, help="One JSON event a line.")
@click.pass_context
def run(
    context: click.Context,
    flow: str,
    words: tuple[str, ...],
    arguments_file: str | None,
    on: str | None,
    name: str,
    no_cache: bool,
    keep_going: bool,
    parallelism: int | None,
    detach: bool,
    as_json: bool,
) -> int:
    """Run the pipeline in FILE, a .py file or a compiled .yaml or .json file."""
    path, _ = flows.split(flow)
    project = settings.project(os.path.dirname(os.path.abspath(path)))
    loaded = flows.load(flow)
    client = client_of(context)
    if loaded.started and not any((words, arguments_file, on, name, no_cache, keep_going, parallelism)):
        return _follow_started(client, loaded, loaded.started, detach=detach, as_json=as_json)
    values = argument_values.given(loaded, words, _from_file(arguments_file))
    wishes = Wishes(cache=not no_cache, keep_going=keep_going, parallelism=parallelism, on=on)
    chosen = options(client, project, wishes)
    if detach:
        with flows.named(flow):
            made = client.submit(loaded.document, values, name=name, options=chosen)
        click.echo(f'{{"run":"{made}"}}' if as_json else made)
        return 0
    with flows.named(flow):
        made, events = client.submit_and_follow(loaded.document, values, name=name, options=chosen)
    if not as_json:
        click.echo(f"run {views.short(made)} of {loaded.label}")
        if "target" in chosen:
            click.echo(_orchestrated(chosen["target"]))
    return follow(client, made, first=events, as_json=as_json, flow=loaded)


def _orchestrated(target: dict[str, Any]) -> str:
    """Who drives a run on a cluster, which users of one expect to go on without their machine."""
    if target.get("home"):
        return f"on {target['name']}: tasks run on this machine, their artifacts lie in {target['artifacts']}"
    return (
        f"on {target['name']}: tasks are pods of the context {target['context']};"
        " the server of this home drives them, and takes the run up again when it was away"
    )


def _follow_started(client: Client, flow: flows.Flow, run: str, *, detach: bool, as_json: bool) -> int:
    """Follows the run that the file itself has started: who runs a script wants what it does, not one run more."""
    if detach:
        click.echo(f'{{"run":"{run}"}}' if as_json else run)
        return 0
    if not as_json:
        click.echo(f"run {views.short(run)} of {flow.label}, which the file has started")
    return follow(client, run, as_json=as_json, flow=flow)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--detach", is_flag=True, help="Leave the run going.")
@click.option("--json", "as_json", is_flag=True, help="One JSON event a line.")
@click.pass_context
def retry(context: click.Context, run: str, detach: bool, as_json: bool) -> int:
    """Have a failed or canceled RUN go on from what did not succeed; it keeps its id."""
    client = client_of(context)
    found = client.get(run)
    after = _last_event(client, found["id"])
    client.retry(found["id"])
    if detach:
        click.echo(found["id"])
        return 0
    return follow(client, found["id"], after=after, as_json=as_json)


def _last_event(client: Any, run: str) -> int:
    """The number of the last thing that happened to a run: what its retry tells comes after it."""
    last = 0
    for event in client.follow(run, until_end=False):
        last = last if event is None else event.get("id", last)
    return last


def _from_file(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with open(path, "rb") as file:
            documents = flows.read_yaml(file.read())
    except OSError as error:
        raise UsageError(f"--args {path} cannot be read: {error.strerror}") from None
    except WherryError as error:
        raise UsageError(f"--args {path}: {error.message}") from None
    found: list[Any] = [document for document in documents if document is not None] or [{}]
    if len(found) != 1 or not isinstance(found[0], dict):
        raise UsageError(f"--args {path} must hold one mapping of names to values")
    return cast("dict[str, Any]", found[0])
