"""Commands beside a container: probes, hooks, and what users execute, where the container runs.

Owned by the agent.  Each is an attempt of its own at the container's zygote, with the container's environment, volumes,
working folder and control group.  Invariants: a command ends with its container at the latest; one that has no time
left is killed; its files go when the next one of its pod begins, and with the pod.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wherry.kube.embedded.environments import Interpreter
from wherry.kube.embedded.node import launch
from wherry.kube.embedded.node.containers import ConfigError, Place
from wherry.kube.embedded.node.lifecycle import Slot
from wherry.kube.embedded.node.pods import Pod
from wherry.kube.embedded.node.records import Attempt
from wherry.kube.embedded.node.zygotes import Home, Message, Zygotes

_FIRST_TAG, _TAGS = 100, 99_000  # process names are unlike those of the containers, of which there are fewer
_SHOWN_BYTES = 500
_GONE = Message(op="failed", message="its process is gone")


class Command(NamedTuple):
    """One that was asked for; `end` is what its zygote says last, `main` the attempt that it runs beside."""

    attempt: Attempt
    main: str
    end: asyncio.Future[Message]


class Execs:
    """The commands that run now, by the id of their attempt."""

    def __init__(self, zygotes: Zygotes, place: Place) -> None:
        self._zygotes = zygotes
        self._place = place
        self._open: dict[str, Command] = {}
        self._numbers = itertools.count()
        self._left: dict[str, list[Attempt]] = {}

    def name(self, pod: Pod, slot: Slot) -> Attempt:
        """The attempt that the next command will be."""
        return Attempt(pod.uid, f"{slot.name}.exec", next(self._numbers))  # no container's name has a dot

    def begin(
        self,
        pod: Pod,
        slot: Slot,
        attempt: Attempt,
        command: Sequence[str],
        interpreter: Interpreter,
        home: Home,
        streams: Mapping[str, str] | None = None,
    ) -> Command:
        """Starts a command; `streams` are its standard streams where they are not the log.

        Raises ConfigError, OSError.
        """
        literal = [word.replace("$", "$$") for word in command]  # the kubelet expands nothing in them
        spec = {**slot.spec, "command": literal, "args": []}
        self._tidy(pod)
        request = launch.request(
            pod.run.pod,
            spec,
            _FIRST_TAG + attempt.restart % _TAGS,
            attempt,
            folder=pod.folder,
            interpreter=interpreter,
            sources=pod.sources,
            volume_paths=pod.volumes,
            gpus=pod.gpus or None,
            groups=[],
            place=self._place._replace(pod_ip=pod.run.ip),
            links=pod.links,
        )
        main = pod.attempt(slot)
        environ: dict[str, Any] = request["env"]
        environ["WHERRY_TERMINATION_LOG"] = pod.folder.message_path(main)
        request.setdefault("cwd", f"{pod.folder.path}/{main.name}")
        request["joins"] = pod.groups.get(main.name, [])
        if streams is not None:
            request["streams"] = streams
            if "tty" in streams:
                environ.setdefault("TERM", "xterm")
        self._zygotes.start(home, request)
        self._left.setdefault(pod.uid, []).append(attempt)
        begun = Command(attempt, main.id, asyncio.get_running_loop().create_future())
        self._open[attempt.id] = begun
        return begun

    def stop(self, command: Command, grace_s: float = 0.0) -> None:
        """Kills the command unless it is over."""
        if command.attempt.id in self._open:
            self._zygotes.kill(command.attempt.id, grace_s)

    async def run(
        self, pod: Pod, slot: Slot, words: list[str], timeout_s: float, interpreter: Interpreter, home: Home
    ) -> str:
        """What is wrong with the command's end, or ""."""
        try:
            command = self.begin(pod, slot, self.name(pod, slot), words, interpreter, home)
        except ConfigError as problem:
            return problem.message
        except OSError as problem:
            return problem.strerror or str(problem)
        try:
            async with asyncio.timeout(timeout_s):
                message = await command.end
        except TimeoutError:
            return f"{words[0]!r} took longer than {timeout_s:g} s"
        finally:
            self.stop(command)
            self._open.pop(command.attempt.id, None)
        bad = message.message if message.op == "failed" else f"exit code {message.code}" if message.code else ""
        said = pod.folder.said(command.attempt, _SHOWN_BYTES)
        return bad and (f"{bad}: {said}" if said else bad)

    def told(self, message: Message) -> bool:
        """Whether the zygote's message is about one of these."""
        if message.op == "started":
            return message.id in self._open
        return self._ended(message.id, message)

    def lost(self, id_: str) -> None:
        """The zygote of a command is gone."""
        self._ended(id_, _GONE)

    def _ended(self, id_: str, message: Message) -> bool:
        command = self._open.pop(id_, None)
        if command is not None and not command.end.done():
            command.end.set_result(message)
        return command is not None

    def beside_ended(self, main: str) -> None:
        """A container's attempt is over, and so are the commands beside it."""
        for command in list(self._open.values()):
            if command.main == main:
                self.stop(command)

    def forget(self, uid: str) -> None:
        """The pod is over."""
        self._left.pop(uid, None)

    def _tidy(self, pod: Pod) -> None:
        attempts = self._left.pop(pod.uid, [])
        running = [attempt for attempt in attempts if attempt.id in self._open]
        if running:
            self._left[pod.uid] = running
        for attempt in attempts:
            if attempt not in running:
                place = f"{pod.folder.path}/{attempt.name}"
                shutil.rmtree(place, ignore_errors=True)
                for suffix in (".log", ".exit", ".error", ".message"):
                    try:
                        os.unlink(place + suffix)
                    except FileNotFoundError:
                        pass
