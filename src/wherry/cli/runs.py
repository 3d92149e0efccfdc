"""`wherry ls`, `artifacts`, `cancel`, `rm` and `prune`: runs that are there.

Loaded by `wherry.cli.commands` when used.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

import click

from wherry.cli.commands import client_of
from wherry.cli.tables import moment, table
from wherry.client import views
from wherry.client.submission import cluster_named
from wherry.errors import UsageError

PAGE = 200
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.command()
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def ls(context: click.Context, limit: int, everything: bool, as_json: bool) -> None:
    """List runs, newest first."""
    runs = _runs(context, None if everything else limit)
    if as_json:
        for view in runs:
            click.echo(json.dumps(_shown(view), separators=(",", ":")))
        return
    now = time.time()
    rows = [
        [
            views.short(view["id"]),
            view["name"],
            view["pipeline"],
            view["state"],
            moment(view["created_at"]),
            views.duration(views.seconds_of(view, now)),
        ]
        for view in runs
    ]
    click.echo(table(["RUN", "NAME", "PIPELINE", "STATE", "CREATED", "TIME"], rows) if rows else "no runs yet")


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def artifacts(context: click.Context, run: str, as_json: bool) -> None:
    """List the artifacts that RUN's tasks made, and where they lie."""
    found = views.artifacts(client_of(context).get(run, tasks=True)["tasks"])
    if as_json:
        for one in found:
            click.echo(json.dumps(one, separators=(",", ":")))
        return
    rows = [[one["task"], one["output"], one["type"], one["uri"]] for one in found]
    click.echo(table(["TASK", "OUTPUT", "TYPE", "URI"], rows) if rows else "no artifacts")


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--kill", is_flag=True, help="SIGKILL at once, without the tasks' grace period.")
@click.pass_context
def cancel(context: click.Context, runs: tuple[str, ...], kill: bool) -> None:
    """Cancel runs: their tasks get SIGTERM, and SIGKILL after their grace period."""
    client = client_of(context)
    for run in runs:
        client.cancel(client.get(run)["id"], kill=kill)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.pass_context
def rm(context: click.Context, runs: tuple[str, ...]) -> None:
    """Delete finished runs, with their records, logs and artifacts."""
    client = client_of(context)
    for run in [client.get(run)["id"] for run in runs]:  # a name that is wrong is said before anything is deleted
        client.delete(run)
        click.echo(f"deleted {views.short(run)}")


@click.command()
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Keep the N newest runs.")
@click.option("--older-than", metavar="AGE", help="Only runs that ended at least AGE ago, such as 30d, 12h.")
@click.option("--environments", metavar="AGE", help="Also environments that no task used for AGE, such as 30d.")
@click.option("--on", metavar="TARGET", help="Runs of this target of wherry.toml, and what they left on the cluster.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.pass_context
def prune(
    context: click.Context,
    keep: int | None,
    older_than: str | None,
    environments: str | None,
    on: str | None,
    dry_run: bool,
) -> None:
    """Delete finished runs that are old, with their records, logs and artifacts, and sources that no run has left.

    With --environments alone, runs stay.
    """
    runs = keep is not None or older_than is not None
    if not runs and environments is None:
        raise UsageError(
            "prune needs --keep N, --older-than AGE or --environments AGE", hint="--dry-run says what would go"
        )
    older_than_s = 0.0 if older_than is None else _age_s("--older-than", older_than)
    environments_s = None if environments is None else _age_s("--environments", environments)
    gone = client_of(context).prune(
        keep=keep or 0,
        older_than_s=older_than_s,
        runs=runs,
        environments_s=environments_s,
        dry_run=dry_run,
        target=None if on is None else cluster_named(on),
    )
    verb = "would delete" if dry_run else "deleted"
    for run in gone["runs"]:
        click.echo(f"{verb} {views.short(run)}")
    for name in gone["objects"]:
        click.echo(f"{verb} {name}")
    for one in gone["environments"]:
        click.echo(f"{verb} environment {one['name']}, {views.size(one['bytes'])}")
    sources = gone["sources"]
    if sources["files"]:
        files = "1 source" if sources["files"] == 1 else f"{sources['files']} sources"
        click.echo(f"{verb} {files} that no run refers to, {views.size(sources['bytes'])}")
    click.echo(f"{len(gone['runs'])} runs")


def _runs(context: click.Context, limit: int | None) -> list[dict[str, Any]]:
    client = client_of(context)
    found: list[dict[str, Any]] = []
    while limit is None or len(found) < limit:
        wanted = PAGE if limit is None else min(PAGE, limit - len(found))
        page = client.list(limit=wanted, before=found[-1]["id"] if found else None)
        found += page
        if len(page) < wanted:
            break
    return found


def _shown(view: dict[str, Any]) -> dict[str, Any]:
    return {
        **view,
        "arguments": views.redacted(view.get("arguments") or {}),
        "outputs": views.redacted(views.flat(view.get("outputs"))),
    }


def _age_s(option: str, text: str) -> float:
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"{option} {text}: an age is a number with s, m, h, d or w, such as 30d")
    return float(match[1]) * _UNITS_S[match[2]]
