"""`wherry status` and `wherry down`: the home's server.

Loaded by `wherry.cli.commands` when used.  Invariant: neither starts a server.
"""

from __future__ import annotations

import json

import click

from wherry.client import views
from wherry.client.api import Client
from wherry.client.launch import wait_until_left


@click.command()
@click.option("--json", "as_json", is_flag=True, help="`pid`, `addresses` and `version` as JSON; {} without a server.")
def status(as_json: bool) -> None:
    """Show the home's server, if it runs."""
    client = Client()
    found = client.status()
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"home     {client.home.path}")
    if not found:
        click.echo("server   none; the next command that needs one starts it")
        return
    click.echo(f"server   pid {found['pid']}, wherry {found['version']}, up {views.duration(found.get('up_s'))}")
    click.echo(f"address  {', '.join(found.get('addresses', []))}")
    click.echo(f"runs     {found['active_runs']} going")


@click.command()
def down() -> None:
    """Stop the home's server.  Tasks that run go on; the next command takes their runs up."""
    client = Client()
    said = client.shutdown()
    if not said:
        click.echo(f"no server has {client.home.path}")
        return
    wait_until_left(client.home, said["pid"])
    left = said.get("active_runs")
    click.echo(f"stopped server {said['pid']}" + (f"; {left} runs go on with the next command" if left else ""))
