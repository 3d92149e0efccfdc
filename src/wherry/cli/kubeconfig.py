"""`wherry kubeconfig`: what kubectl and other public Kubernetes clients need to reach the server of `wherry up`.

Loaded by `wherry.cli.commands` when used.  Invariants: with `--merge` everything else in the file stays as it is, the
file is whole at every moment and private, and kubectl's own lock on it is respected.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import click

from wherry.client.api import Client
from wherry.errors import UsageError, WherryError
from wherry.ir import yaml

_LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}


@click.command()
@click.option("--merge", is_flag=True, help="Into $KUBECONFIG or ~/.kube/config instead of standard output.")
@click.option("--context", "name", default="wherry", show_default=True, help="The name of context, cluster and user.")
@click.option("--host", help="The server's name or address as its clients reach it.")
def kubeconfig(merge: bool, name: str, host: str | None) -> None:
    """Print a kubeconfig for the server that `wherry up` runs, or merge it into your own.

    It holds the token: whoever has it may do everything on the server.
    """
    ours = _made(Client(), name, host)
    if not merge:
        click.echo(yaml.dump(ours), nl=False)
        return
    path = _own_file(os.environ)
    with _locked(path):
        current = _merge_into(path, ours)
    click.echo(f"context {name} is in {path}")
    if current != name:
        click.echo(f"the current context stays {current}; change it: kubectl config use-context {name}")


def _made(client: Client, name: str, host: str | None) -> dict[str, Any]:
    """The kubeconfig of the home's server alone.  Raises `WherryError` when none is on the network."""
    found = client.status()
    addresses: list[str] = [each for each in found.get("addresses", ()) if each.startswith("https:")]
    if not addresses:
        raise WherryError(f"no server of {client.home.path} is on the network", hint="start one: wherry up")
    server = addresses[0]
    if host:
        server = f"https://{f'[{host}]' if ':' in host else host}:{urlsplit(server).port}"
    authority = _read(os.path.join(client.home.tls, "ca.pem"))
    user: dict[str, Any] = {}
    if found.get("auth") != "none":
        user["token"] = _read(client.home.token).decode().strip()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()},
            }
        ],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise WherryError(f"{path} cannot be read: {error.strerror}", hint="wherry up makes it") from None


def _own_file(environ: Mapping[str, str]) -> Path:
    """The file that kubectl would write: the first of $KUBECONFIG, else ~/.kube/config; behind symbolic links."""
    listed = [part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(os.path.realpath(listed[0] if listed else os.path.expanduser("~/.kube/config")))


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Holds the file as kubectl does: by a file beside it that only one can make."""
    lock = f"{path}.lock"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise WherryError(f"{path} is being changed by another program", hint=f"if none is, delete {lock}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        os.unlink(lock)


def _merge_into(path: Path, ours: dict[str, Any]) -> str:
    """Puts our entries in the place of those of the same name; returns the current context."""
    there = _parsed(path)
    for listed in _LISTS:
        entry = ours[listed][0]
        before: Any = there.get(listed) or []
        if not isinstance(before, list):
            raise UsageError(f"{path}: {listed} is no list")
        kept = [each for each in cast("list[Any]", before) if not _is_named(each, entry["name"])]
        there[listed] = [*kept, entry]
    for key in ("apiVersion", "kind", "current-context"):
        there[key] = there.get(key) or ours[key]
    fresh = Path(f"{path}.{os.getpid()}.part")
    try:
        fresh.touch(0o600)
        fresh.write_text(yaml.dump(there), encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return str(there["current-context"])


def _parsed(path: Path) -> dict[str, Any]:
    try:
        documents = [each for each in yaml.load_all(path.read_bytes()) if each is not None]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: {error.message}", hint="mend it, or print with plain `wherry kubeconfig`") from None
    if not documents:
        return {}
    if len(documents) > 1 or not isinstance(documents[0], dict):
        raise UsageError(f"{path} is no kubeconfig", hint="mend it, or print with plain `wherry kubeconfig`")
    return cast("dict[str, Any]", documents[0])


def _is_named(entry: Any, name: str) -> bool:
    return isinstance(entry, dict) and cast("dict[str, Any]", entry).get("name") == name
