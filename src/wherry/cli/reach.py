"""`wherry exec` and `wherry port-forward`: into the pods of any target, for those without kubectl.

Loaded by `wherry.cli.commands` when used.  Invariants: words and meanings are kubectl's; the terminal is left as it was
found; the exit code of `exec` is the command's own.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import termios
import tty
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager, suppress
from importlib import import_module
from typing import Any, NamedTuple

import click

from wherry.cli.commands import client_of
from wherry.errors import UsageError
from wherry.kube.errors import KubeError
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import DEPLOYMENTS, PODS, SERVICES
from wherry.kube.selectors import selector_of, selector_text
from wherry.kube.streams import Session, exit_code

TARGETS = "wherry.client.targets"  # the lazy entry: what reaches clusters takes a while to load
_PIECE_BYTES = 1 << 16
_PORTS = re.compile(r"(?:([0-9]{0,5}):)?([0-9]{1,5}|[a-z0-9-]*[a-z][a-z0-9-]*)")
_namespace = click.option("-n", "--namespace", help="The namespace [default: the target's].")
_on = click.option("--on", metavar="TARGET", help="A target of wherry.toml instead of this home.")


@click.command("exec")
@click.argument("place", metavar="POD")
@click.argument("command", metavar="-- COMMAND...", nargs=-1, required=True)
@click.option("-c", "--container", default="", help="The container, where the pod has several.")
@click.option("-i", "--stdin", is_flag=True, help="Give the command our input.")
@click.option("-t", "--tty", "terminal", is_flag=True, help="Give the command a terminal.")
@_namespace
@_on
@click.pass_context
def exec_(
    context: click.Context,
    place: str,
    command: tuple[str, ...],
    container: str,
    stdin: bool,
    terminal: bool,
    namespace: str | None,
    on: str | None,
) -> int:
    """Run COMMAND in a container of POD (or of deploy/NAME, svc/NAME); its exit code is ours."""
    if terminal and not (stdin and sys.stdin.isatty()):
        click.echo("no terminal is used: our input is none, or --stdin is not given", err=True)
        terminal = False
    found = import_module(TARGETS).reach(lambda: client_of(context), on)
    where = namespace or found.namespace

    async def work() -> int:
        async with found.kube() as kube:
            pod = await Place.parse(place).pod(kube, where)
            name = pod["metadata"]["name"]
            async with kube.exec(name, where, command, container=container, stdin=stdin, tty=terminal) as session:
                return await _converse(session, stdin=stdin, terminal=terminal)

    return asyncio.run(work())


async def _converse(session: Session, *, stdin: bool, terminal: bool) -> int:
    loop = asyncio.get_running_loop()
    with _raw(terminal):
        tasks = [asyncio.ensure_future(_feed(session, terminal))] if stdin else []
        if terminal:
            size = asyncio.Event()
            size.set()
            loop.add_signal_handler(signal.SIGWINCH, size.set)
            tasks.append(asyncio.ensure_future(_follow_size(session, size)))
        try:
            while (piece := await session.receive()) is not None:
                stream = sys.stdout.buffer if piece.stream == "stdout" else sys.stderr.buffer
                stream.write(piece.data)
                stream.flush()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return exit_code(session.status)


async def _feed(session: Session, terminal: bool) -> None:
    async with aclosing(_input()) as pieces:
        async for data in pieces:
            await session.send(data)
    if not terminal:
        try:
            await session.end_input()
        except KubeError as problem:
            click.echo(f"warning: {problem.message}; the command goes on waiting for input", err=True)


async def _input() -> AsyncGenerator[bytes, None]:
    """What comes at our standard input, without a thread that nobody could end."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(0, ready.set)
    except PermissionError:  # a file is always ready, and cannot be waited for
        while data := await asyncio.to_thread(os.read, 0, _PIECE_BYTES):
            yield data
        return
    try:
        while True:
            await ready.wait()
            ready.clear()
            data = os.read(0, _PIECE_BYTES)
            if not data:
                return
            yield data
    finally:
        loop.remove_reader(0)


async def _follow_size(session: Session, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        size = os.get_terminal_size(0)
        await session.resize(size.columns, size.lines)


@contextmanager
def _raw(terminal: bool) -> Generator[None]:
    """Our terminal passes every key on."""
    if not terminal:
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@click.command("port-forward")
@click.argument("place", metavar="POD|deploy/NAME|svc/NAME")
@click.argument("ports", metavar="[LOCAL:]REMOTE...", nargs=-1, required=True)
@click.option("--address", default="127.0.0.1", show_default=True, help="Where to listen.")
@_namespace
@_on
@click.pass_context
def port_forward(
    context: click.Context, place: str, ports: tuple[str, ...], address: str, namespace: str | None, on: str | None
) -> None:
    """Have local ports lead to ports of a pod, or of any ready pod of a deployment or service, until Ctrl-C.

    `:REMOTE` takes a local port that is free.
    """
    found = import_module(TARGETS).reach(lambda: client_of(context), on)
    wanted, target = [_pair(text) for text in ports], Place.parse(place)
    where = namespace or found.namespace

    async def work() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with found.kube() as kube:
            await target.end(kube, where, wanted[0][1])  # what is wrong with the names is said at once
            forwards = [_Forward(kube, target, where, remote) for _, remote in wanted]
            servers = [
                await _listen(forward, address, local) for forward, (local, _) in zip(forwards, wanted, strict=True)
            ]
            for server, (_, remote) in zip(servers, wanted, strict=True):
                for listener in server.sockets:
                    click.echo(f"Forwarding from {address}:{listener.getsockname()[1]} -> {remote}")
            await stop.wait()
            for server in servers:
                server.close()
            for forward in forwards:
                await forward.close()

    asyncio.run(work())


def _pair(text: str) -> tuple[int, str]:
    found = _PORTS.fullmatch(text)
    if found is None or int(found[1] or 0) > 65535:
        raise UsageError(f"{text!r} says no ports", hint="8080, 8080:80, :80 or 8080:http")
    local, remote = found[1], found[2]
    if local is None:
        local = remote if remote.isdigit() else ""
    return int(local or 0), remote


async def _listen(forward: _Forward, address: str, local: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(forward.serve, address, local)
    except OSError as problem:
        raise UsageError(
            f"{address}:{local} cannot be listened at: {problem.strerror or problem}", hint="name another local port"
        ) from None


class Place(NamedTuple):
    """A pod by its name, or any ready pod of something that has pods."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Place:
        """`NAME`, `pod/NAME`, `deploy/NAME`, `svc/NAME`.  Raises UsageError."""
        kind, slash, name = text.rpartition("/")
        known = _KINDS.get(kind.lower() if slash else "pod")
        if known is None or not name:
            raise UsageError(f"{text!r} is no pod, deployment or service", hint="POD, deploy/NAME or svc/NAME")
        return cls(known, name)

    async def pod(self, kube: Kube, namespace: str) -> Object:
        """The pod that is meant now.  Raises KubeError, UsageError when no pod is ready."""
        if self.kind == "pod":
            return await kube.get(PODS, self.name, namespace)
        resource = SERVICES if self.kind == "service" else DEPLOYMENTS
        spec = (await kube.get(resource, self.name, namespace))["spec"]
        said: Object = spec.get("selector") or {}
        chosen = selector_of({"matchLabels": said} if self.kind == "service" else said)
        pods = (await kube.list(PODS, namespace, labels=selector_text(chosen))).items if said else []
        ready = [pod for pod in pods if _ready(pod)]
        if not ready:
            raise UsageError(f"no pod of {self.kind} {self.name!r} is ready in namespace {namespace!r}")
        return ready[0]

    async def end(self, kube: Kube, namespace: str, port: str) -> tuple[str, int]:
        """A pod's name, and its port that `port` (a number or a name) means there."""
        pod = await self.pod(kube, namespace)
        if self.kind == "service":
            port = await self._target_port(kube, namespace, port)
        return pod["metadata"]["name"], _number(pod, port)

    async def _target_port(self, kube: Kube, namespace: str, port: str) -> str:
        spec = (await kube.get(SERVICES, self.name, namespace))["spec"]
        for each in spec.get("ports") or ():
            if port in (str(each["port"]), each.get("name")):
                return str(each.get("targetPort") or each["port"])
        raise UsageError(f"service {self.name!r} has no port {port}")


_KINDS = {
    **dict.fromkeys(("po", "pod", "pods"), "pod"),
    **dict.fromkeys(("deploy", "deployment", "deployments", "deployment.apps"), "deployment"),
    **dict.fromkeys(("svc", "service", "services"), "service"),
}


def _ready(pod: Object) -> bool:
    status: Object = pod.get("status") or {}
    conditions: list[Object] = status.get("conditions") or []
    gone = "deletionTimestamp" in pod["metadata"]
    return not gone and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _number(pod: Object, port: str) -> int:
    if port.isdigit():
        return int(port)
    for container in pod["spec"]["containers"]:
        for each in container.get("ports") or ():
            if each.get("name") == port:
                return int(each["containerPort"])
    raise UsageError(f"pod {pod['metadata']['name']!r} has no port {port!r}")


class _Forward:
    """The connections to one remote port."""

    def __init__(self, kube: Kube, place: Place, namespace: str, remote: str) -> None:
        self._kube, self._place, self._namespace, self._remote = kube, place, namespace, remote
        self._open: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its beginning to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            name, port = await self._place.end(self._kube, self._namespace, self._remote)
            async with self._kube.port_forward(name, self._namespace, port) as tunnel:

                async def upwards() -> None:
                    while data := await reader.read(_PIECE_BYTES):
                        await tunnel.send(data)

                sending = asyncio.ensure_future(upwards())
                try:
                    while data := await tunnel.receive():
                        writer.write(data)
                        await writer.drain()
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
        except (KubeError, UsageError) as problem:
            click.echo(f"error: {self._remote}: {problem.message}", err=True)
        except OSError:
            pass  # our own client has gone
        except asyncio.CancelledError:
            pass  # Ctrl-C; the stream's protocol would report a cancelled handler
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        """Ends what is open."""
        for task in list(self._open):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._open, return_exceptions=True)
