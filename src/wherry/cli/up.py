"""`wherry up`: the home's server in the foreground, on the network too.

Loaded by `wherry.cli.commands` when used.  Invariants: what is refused (a port that is taken, a foreign host without a
token) is refused before anything else happens; a server in the background gives the home up only when it has no runs.
"""

from __future__ import annotations

import math
import os
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from wherry import home as homes
from wherry import settings
from wherry.client.api import Client
from wherry.client.launch import read_record, wait_until_left
from wherry.errors import WherryError
from wherry.home import Home
from wherry.seams import SystemClock
from wherry.server import home as lodging
from wherry.server.door import Door, Listening
from wherry.server.faults import Fault, explained

LIFE = "wherry.server.life"  # the lazy entries: loaded when the home is ours
COMPOSE = "wherry.server.compose"
DEFAULT_PORT = 8443
ATTEMPTS = 5  # to take the home, when other commands start servers in between


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 is everywhere.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one.")
@click.option("--name", "names", multiple=True, metavar="NAME", help="One more name or address of the server.")
@click.option(
    "--auth", type=click.Choice(["token", "none"]), default="token", show_default=True, help="none: loopback only."
)
@click.option("--home", "folder", metavar="FOLDER", help="The home; $WHERRY_HOME or ~/.wherry without it.")
def up(host: str, port: int, names: tuple[str, ...], auth: str, folder: str | None) -> int:
    """Serve the home in the foreground, on its unix socket and over TLS on the network, until Ctrl-C.

    Over the network every request brings the token that lies in the home (`wherry kubeconfig` writes it for
    kubectl).  Tasks that run when the server stops go on, and the next server takes them up.
    """
    home = homes.of({"WHERRY_HOME": folder} if folder else os.environ)
    chosen = settings.server_settings(os.environ)._replace(idle_s=math.inf)
    lodging.prepare(home)
    _guest(Client(home.path))
    door = Door(home, Listening(host, port, "none" if auth == "none" else "token", names), SystemClock())
    try:
        _held = _take(home)  # the lock, for as long as this process lives
        os.chdir(home.path)
        life, parts = import_module(LIFE), import_module(COMPOSE).parts
        return life.live(home, chosen, parts, lambda: _tell(home, door, auth), door)
    except Exception as error:  # noqa: BLE001 - the boundary of the process, as that of a server in the background
        reason = explained(error, home)
        if isinstance(reason, Fault):
            traceback.print_exception(error)
        raise reason from None
    finally:
        door.close()


def _take(home: Home) -> int:
    """The home's lock.  Raises `WherryError`."""
    for _ in range(ATTEMPTS):
        held = lodging.lock_or_join(home, lambda: bool(_leave(home)))
        if held is not None:
            return held
    raise WherryError(f"other commands keep starting servers of {home.path}", hint="wherry down, then once more")


def _leave(home: Home) -> bool:
    """Has a server in the background leave; whether there was one.  Raises `WherryError` when it has to stay."""
    client = Client(home.path)
    found = _guest(client)
    if found:
        client.shutdown(only_idle=True)
        wait_until_left(home, found["pid"])
    return bool(found)


def _guest(client: Client) -> dict[str, Any]:
    """The server in the background, {} when there is none.  Raises `WherryError` when it has to stay."""
    found = client.status()
    client.close()
    who = f"server {found.get('pid')}"
    public = [each for each in found.get("addresses", ()) if not each.startswith("unix:")]
    if public:
        raise WherryError(
            f"{who} serves {client.home.path} already, at {', '.join(public)}", hint="wherry down stops it"
        )
    if found.get("active_runs"):
        raise WherryError(
            f"{who} has {client.home.path}, with runs that are going: {found['active_runs']}",
            hint="wait for them (wherry ls), or stop it with `wherry down`: this server then takes the runs up",
        )
    return found


def _tell(home: Home, door: Door, auth: str) -> None:
    needs = f"token in {home.token}" if auth == "token" else "no token needed"
    click.echo(f"serving  {home.path}")
    for address in read_record(home)["addresses"]:
        click.echo(f"address  {address}" + ("" if address.startswith("unix:") else f"  ({needs})"))
    click.echo(f"trust    {door.certificate.authority}")
    click.echo("kubectl  wherry kubeconfig --merge")
    sys.stdout.flush()
