"""Reaching into pods that run: commands that users execute, attaching, connections to ports.

Owned by the agent, the `StreamSource` of `EmbeddedKube`.  Invariants: an executed command ends when its session is
left, with its container, or by itself, whatever comes first; what a session reports is what the zygote has seen.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from wherry.kube.embedded.node.attached import Attached
from wherry.kube.embedded.node.containers import ConfigError
from wherry.kube.embedded.node.execs import Command
from wherry.kube.embedded.node.lifecycle import NODE_IP, Slot, State
from wherry.kube.embedded.node.plumbing import Plumbing
from wherry.kube.embedded.node.pods import START_FAILED, Pod
from wherry.kube.embedded.node.ports import dialled
from wherry.kube.embedded.node.upkeep import Upkeep
from wherry.kube.errors import KubeError, bad_request, error
from wherry.kube.protocol import Object
from wherry.kube.streams import Output, ended

_LEAVES_WITHIN_S = 1.0  # a command whose caller has gone: SIGTERM, then SIGKILL after so long


class Sessions:
    """`pods` are the node's pods by uid, as the agent has them."""

    def __init__(self, pods: Mapping[str, Pod], upkeep: Upkeep) -> None:
        self._pods = pods
        self._upkeep = upkeep
        self._attached: set[str] = set()  # attempts with stdinOnce that have had somebody at their input

    def ended(self, id_: str) -> None:
        """The attempt is over."""
        self._attached.discard(id_)

    @asynccontextmanager
    async def exec(
        self, pod: Object, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> AsyncGenerator[_Executed]:
        """See `StreamSource`."""
        found, slot = self._running(pod, container)
        interpreter = await self._upkeep.interpreter(found, slot)
        if interpreter is None:
            raise error("InternalError", f"the environment of container {container} is not there")
        execs, home = self._upkeep.execs, self._upkeep.home_of(interpreter)
        attempt = execs.name(found, slot)
        try:
            with Plumbing(f"{found.folder.path}/{attempt.name}", stdin=stdin, tty=tty) as plumbing:
                begun = execs.begin(found, slot, attempt, command, interpreter, home, plumbing.streams)
                begun.end.add_done_callback(lambda _: plumbing.finish())
                try:
                    yield _Executed(found, begun, plumbing, command[0])
                finally:
                    execs.stop(begun, _LEAVES_WITHIN_S)
        except (ConfigError, OSError) as problem:
            raise _failed(f"{problem}") from problem

    @asynccontextmanager
    async def attach(self, pod: Object, container: str, *, stdin: bool, tty: bool) -> AsyncGenerator[Attached]:
        """See `StreamSource`.  The first one to a container with stdinOnce sees all that it has written."""
        found, slot = self._running(pod, container)
        attempt = found.attempt(slot)
        once = stdin and bool(slot.spec.get("stdinOnce"))
        first = bool(slot.spec.get("stdinOnce")) and attempt.id not in self._attached
        if once and not first:
            raise bad_request(f"container {container} has stdinOnce, and somebody was attached to its stdin before")
        control = found.folder.control(attempt) if stdin or tty else ""
        session = Attached(found.folder.log(attempt), control, lambda: found.slot_of(attempt) is slot and slot.busy)
        try:
            if once:
                self._attached.add(attempt.id)
            if not first:
                session.skip()
            yield session
        finally:
            if once:
                await session.end_input()
            session.close()

    @asynccontextmanager
    async def dial(self, pod: Object, port: int) -> AsyncGenerator[_Connected]:
        """See `StreamSource`."""
        host, number = dialled(pod, port)
        try:
            try:
                reader, writer = await asyncio.open_connection(host, number)
            except ConnectionRefusedError:  # it may listen on localhost alone, which a pod's own forwarding reaches
                reader, writer = await asyncio.open_connection(NODE_IP, number)
        except OSError as problem:
            why = os.strerror(problem.errno) if problem.errno else str(problem)
            uid = pod["metadata"]["uid"]
            message = f"error forwarding port {port} to pod {uid}: dial {host}:{number}: {why.lower()}"
            raise error("ServiceUnavailable", message) from None
        try:
            yield _Connected(reader, writer)
        finally:
            writer.close()

    def _running(self, pod: Object, container: str) -> tuple[Pod, Slot]:
        found = self._pods.get(pod["metadata"]["uid"])
        for slot in found.run.slots if found is not None else ():
            if found is not None and slot.name == container and slot.state is State.RUNNING:
                return found, slot
        raise bad_request(f'container "{container}" in pod "{pod["metadata"]["name"]}" is not running')


class _Executed:
    """The session of a command; see `wherry.kube.streams.Session`."""

    def __init__(self, pod: Pod, command: Command, plumbing: Plumbing, program: str) -> None:
        self._pod, self._command, self._plumbing, self._program = pod, command, plumbing, program

    async def send(self, data: bytes) -> None:
        await self._plumbing.send(data)

    async def receive(self) -> Output | None:
        piece = await self._plumbing.receive()
        if piece is None:
            await asyncio.wait((self._command.end,))
        return piece

    async def end_input(self) -> None:
        self._plumbing.end_input()

    async def resize(self, columns: int, rows: int) -> None:
        self._plumbing.resize(columns, rows)

    @property
    def status(self) -> Object:
        end = self._command.end.result()
        if end.op == "failed":
            return _failed(f"{end.message}").status
        if end.code == START_FAILED:
            problem = self._pod.folder.start_error(self._command.attempt)
            if problem:
                return _failed(f"exec: {problem}").status
        return ended(end.code)


class _Connected:
    """A tunnel; see `HalfOpen`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as problem:
            raise _broken(problem) from None

    async def end_input(self) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def receive(self) -> bytes:
        try:
            return await self._reader.read(1 << 16)
        except OSError as problem:
            raise _broken(problem) from None


def _failed(why: str) -> KubeError:
    return error("InternalError", f"Internal error occurred: error executing command in container: {why}")


def _broken(problem: OSError) -> KubeError:
    return error("ServiceUnavailable", f"the connection to the pod broke: {problem.strerror or problem}")
