"""`wherry apply`, `get`, `describe`, `wait` and `delete`: Kubernetes objects, for those without kubectl.

Loaded by `wherry.cli.commands` when used.  Invariant: words, arguments and lines are kubectl's, as far as they go.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click

from wherry.cli.commands import client_of
from wherry.cli.tables import table
from wherry.client.api import ObjectRefused
from wherry.client.objects import Kind, Object, Objects, flattened
from wherry.errors import UsageError

YAML = "wherry.ir.yaml"  # the lazy entry: PyYAML is loaded where there is YAML to read or write
_PATH = re.compile(r"\'?\{\.([A-Za-z0-9_.-]+)\}\'?=(.*)")
_AGE = re.compile(r"([0-9]{1,9})([smh]?)")
TARGETS = "wherry.client.targets"  # the lazy entry: what reaches clusters takes a while to load
_on = click.option("--on", metavar="TARGET", help="A target of wherry.toml instead of this home.")
_of_namespace = click.option("-n", "--namespace", help="The namespace [default: the target's].")
_files = click.option("-f", "--filename", "files", multiple=True, help="A YAML or JSON file; - is standard input.")


@click.command()
@_files
@_of_namespace
@_on
@click.option("--server-side", is_flag=True, help="The server does it, and keeps who owns which field.")
@click.option("--force-conflicts", is_flag=True, help="With --server-side: take fields from their other owners.")
@click.option("--field-manager", default="", help="With --server-side: who applies (default: wherry).")
@click.pass_context
def apply(
    context: click.Context,
    files: tuple[str, ...],
    namespace: str | None,
    on: str | None,
    server_side: bool,
    force_conflicts: bool,
    field_manager: str,
) -> None:
    """Make objects (secrets, config maps, claims, pods) as files say, or bring them to that."""
    if not files:
        raise UsageError("which objects?", hint="wherry apply -f FILE")
    if not server_side and (force_conflicts or field_manager):
        option = "--force-conflicts" if force_conflicts else "--field-manager"
        raise UsageError(f"{option} means something only with --server-side")
    objects, namespace = _objects(context, on, namespace)
    for obj in [each for file in files for each in _read(file)]:
        where = _namespace(obj, namespace)
        if server_side:
            done = _apply_on_server(objects, obj, where, field_manager or "wherry", force=force_conflicts)
        else:
            done = objects.apply(obj, where)
        click.echo(f"{objects.kind_of(obj).shown}/{obj['metadata']['name']} {done}")


def _apply_on_server(objects: Objects, obj: Object, namespace: str, manager: str, *, force: bool) -> str:
    try:
        return objects.apply_on_server(obj, namespace, manager, force=force)
    except ObjectRefused as refused:
        if refused.reason == "Conflict" and refused.message.startswith("Apply failed"):
            refused.hint = "Leave the fields out, set them as their owners do, or take them: --force-conflicts."
        raise


@click.command("get")
@click.argument("kind", metavar="KIND[/NAME]")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_of_namespace
@_on
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of all namespaces.")
@click.option("-l", "--selector", default="", help="Only those with these labels.")
@click.option("-o", "--output", type=click.Choice(["wide", "yaml", "json", "name"]), help="Instead of a table.")
@click.pass_context
def get_(
    context: click.Context,
    kind: str,
    names: tuple[str, ...],
    namespace: str | None,
    on: str | None,
    everywhere: bool,
    selector: str,
    output: str | None,
) -> None:
    """Show objects of a kind: secrets, configmaps, persistentvolumeclaims, pods, events, ..."""
    objects, namespace = _objects(context, on, namespace)
    chosen, names = _meant(objects, kind, names)
    if names and (everywhere or selector):
        raise UsageError("give names, or --all-namespaces and --selector, not both")
    where = "" if everywhere else namespace
    if output in (None, "wide"):
        _print_tables(objects, chosen, where, names, selector, wide=output == "wide")
        return
    found = (
        [objects.get(chosen, where, name) for name in names]
        if names
        else objects.list(chosen, where, selector=selector)
    )
    if output == "name":
        for obj in found:
            click.echo(f"{chosen.shown}/{obj['metadata']['name']}")
        return
    value: Any = found[0] if len(names) == 1 else {"apiVersion": "v1", "kind": "List", "items": found}
    text = json.dumps(value, indent=4) if output == "json" else import_module(YAML).dump(value).rstrip("\n")
    click.echo(text)


@click.command()
@click.argument("kind", metavar="KIND[/NAME]")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_of_namespace
@_on
@click.pass_context
def describe(context: click.Context, kind: str, names: tuple[str, ...], namespace: str | None, on: str | None) -> None:
    """Show objects whole, secrets without their values, and what has happened to them."""
    objects, namespace = _objects(context, on, namespace)
    chosen, names = _meant(objects, kind, names)
    if not names:
        raise UsageError(f"which {chosen.plural}?", hint=f"wherry get {chosen.plural} lists them")
    for name in names:
        obj = objects.get(chosen, namespace, name)
        if obj["kind"] == "Secret":
            obj["data"] = dict.fromkeys(obj.get("data") or {}, "(not shown)")
            (obj["metadata"].get("annotations") or {}).clear()  # kubectl's copy of what was applied has the values
        click.echo(import_module(YAML).dump(obj).rstrip("\n"))
        about = f"involvedObject.name={name},involvedObject.kind={obj['kind']}"
        events = objects.list(objects.kind("events"), namespace, fields=about)
        rows = [[each["type"], each["reason"], str(each.get("count") or 1), each["message"]] for each in events]
        click.echo(table(["TYPE", "REASON", "COUNT", "MESSAGE"], rows) if rows else "no events")


@click.command()
@click.argument("kind", metavar="[KIND[/NAME]]", required=False)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_files
@_of_namespace
@_on
@click.pass_context
def delete(
    context: click.Context,
    kind: str | None,
    names: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str | None,
    on: str | None,
) -> int:
    """Delete objects by kind and name, or those of files."""
    objects, namespace = _objects(context, on, namespace)
    doomed: list[tuple[Kind, str, str]] = []
    for obj in [each for file in files for each in _read(file)]:
        doomed.append((objects.kind_of(obj), _namespace(obj, namespace), obj["metadata"]["name"]))
    if kind is not None:
        chosen, names = _meant(objects, kind, names)
        doomed += [(chosen, namespace, name) for name in names]
    if not doomed:
        raise UsageError("which objects?", hint="wherry delete KIND NAME, or wherry delete -f FILE")
    failed = 0
    for each, where, name in doomed:
        try:
            objects.delete(each, where, name)
        except ObjectRefused as refused:
            failed = 1
            click.echo(f"error: {refused.message}", err=True)
        else:
            click.echo(f'{each.shown} "{name}" deleted')
    return failed


@click.command()
@click.argument("kind", metavar="KIND[/NAME]")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_of_namespace
@_on
@click.option(
    "--for", "wanted", required=True, help="delete, create, condition=NAME[=STATUS], or jsonpath={.path}=VALUE."
)
@click.option("--timeout", default="30s", show_default=True, help="How long: 30s, 5m, 2h.")
@click.pass_context
def wait(
    context: click.Context,
    kind: str,
    names: tuple[str, ...],
    namespace: str | None,
    on: str | None,
    wanted: str,
    timeout: str,
) -> int:
    """Wait until objects are as they are wanted.  Exit code 1 when the time is over."""
    objects, namespace = _objects(context, on, namespace)
    chosen, names = _meant(objects, kind, names)
    if not names:
        raise UsageError(f"which {chosen.plural}?", hint=f"wherry get {chosen.plural} lists them")
    holds, timeout_s = goal(wanted), _seconds(timeout)
    for name in names:
        if not any(holds(state) for state in objects.states(chosen, namespace, name, timeout_s)):
            click.echo(f"error: timed out waiting for {wanted} of {chosen.plural}/{name}", err=True)
            return 1
        click.echo(f"{chosen.shown}/{name} {'deleted' if wanted == 'delete' else 'condition met'}")
    return 0


def _objects(context: click.Context, on: str | None, namespace: str | None) -> tuple[Objects, str]:
    """The objects of a target while the command runs, and the namespace that is meant."""
    if on is None:
        return Objects(client_of(context)), namespace or "default"
    targets = import_module(TARGETS)
    found = targets.reach(lambda: client_of(context), on)
    return Objects(context.with_resource(targets.elsewhere(found))), namespace or found.namespace


def goal(wanted: str) -> Callable[[Object | None], bool]:
    """Whether an object (None: it is not there) is as `--for` says.  Raises UsageError for what we do not know."""
    word, _, rest = wanted.partition("=")
    if wanted in ("delete", "create"):
        return lambda state: (state is None) == (wanted == "delete")
    if word == "condition" and rest:
        name, _, status = rest.partition("=")
        return lambda state: state is not None and _condition(state, name) == (status or "true").lower()
    path = _PATH.fullmatch(rest)
    if word == "jsonpath" and path is not None:
        keys, value = path[1].split("."), path[2]
        return lambda state: state is not None and _at(state, keys) == value
    raise UsageError(
        f"--for={wanted} is not understood", hint="delete, create, condition=NAME[=STATUS], jsonpath={.path}=VALUE"
    )


def _condition(state: Object, name: str) -> str:
    status: Object = state.get("status") or {}
    conditions: list[Object] = status.get("conditions") or []
    known = {str(each.get("type")).lower(): str(each.get("status")).lower() for each in conditions}
    return known.get(name.lower(), "")


def _at(state: Object, keys: list[str]) -> str:
    value: Any = state
    for key in keys:
        value = cast("Object", value).get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else json.dumps(value)


def _seconds(text: str) -> float:
    found = _AGE.fullmatch(text)
    if found is None:
        raise UsageError(f"--timeout={text} is no length of time", hint="30s, 5m, 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _meant(objects: Objects, kind: str, names: tuple[str, ...]) -> tuple[Kind, tuple[str, ...]]:
    """The kind and the names of `KIND NAME...` or `KIND/NAME`."""
    word, slash, name = kind.partition("/")
    if slash and names:
        raise UsageError(f"give {kind!r}, or a kind and names, not both")
    return objects.kind(word), (name,) if slash else names


def _read(file: str) -> list[Object]:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    found = list(flattened(import_module(YAML).load_all(data)))
    for obj in found:
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(obj.get("apiVersion"), str) or "name" not in metadata:
            raise UsageError(f"{file}: the {obj['kind']} needs apiVersion and metadata.name")
    return found


def _namespace(obj: Object, namespace: str) -> str:
    return obj["metadata"].get("namespace") or namespace


def _print_tables(
    objects: Objects, kind: Kind, namespace: str, names: tuple[str, ...], selector: str, *, wide: bool
) -> None:
    parts = [objects.table(kind, namespace, name, selector=selector) for name in names or ("",)]
    columns = parts[0]["columnDefinitions"]
    shown = [index for index, column in enumerate(columns) if wide or not column.get("priority")]
    rows = [(row["object"]["metadata"], row["cells"]) for part in parts for row in part["rows"]]
    if not rows:
        where = f" in namespace {namespace}" if namespace and kind.namespaced else ""
        click.echo(f"no {kind.plural} found{where}", err=True)
        return
    head = [columns[index]["name"].upper() for index in shown]
    lines = [[_cell(cells[index]) for index in shown] for _, cells in rows]
    if not namespace and kind.namespaced:
        head = ["NAMESPACE", *head]
        lines = [[metadata["namespace"], *line] for (metadata, _), line in zip(rows, lines, strict=True)]
    click.echo(table(head, lines))


def _cell(value: Any) -> str:
    return "<none>" if value is None else str(value)
