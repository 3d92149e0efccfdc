"""Commands beside a container: what probes and hooks run where the container runs.

Owned by the agent.  Each is an attempt of its own at the container's zygote, with the container's environment, volumes
and working folder.  Invariants: a command that has no time left is killed; its files go when the next one of its pod
begins, and with the pod.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil

from wherry.kube.embedded.environments import Interpreter
from wherry.kube.embedded.node import launch
from wherry.kube.embedded.node.containers import ConfigError, Place
from wherry.kube.embedded.node.lifecycle import Slot
from wherry.kube.embedded.node.pods import Pod
from wherry.kube.embedded.node.records import Attempt
from wherry.kube.embedded.node.zygotes import Home, Message, Zygotes

_FIRST_TAG, _TAGS = 100, 99_000  # process names are unlike those of the containers, of which there are fewer
_SHOWN_BYTES = 500


class Execs:
    """The commands that run now, by the id of their attempt."""

    def __init__(self, zygotes: Zygotes, place: Place) -> None:
        self._zygotes = zygotes
        self._place = place
        self._open: dict[str, asyncio.Future[str]] = {}
        self._numbers = itertools.count()
        self._left: dict[str, Attempt] = {}

    async def run(
        self, pod: Pod, slot: Slot, command: list[str], timeout_s: float, interpreter: Interpreter, home: Home
    ) -> str:
        """What is wrong with the command's end, or ""."""
        number = next(self._numbers)
        attempt = Attempt(pod.uid, f"{slot.name}.exec", number)  # no container's name has a dot
        literal = [word.replace("$", "$$") for word in command]  # the kubelet expands nothing in them
        spec = {**slot.spec, "command": literal, "args": []}
        self._tidy(pod, self._left.get(pod.uid))
        try:
            request = launch.request(
                pod.run.pod,
                spec,
                _FIRST_TAG + number % _TAGS,
                attempt,
                folder=pod.folder,
                interpreter=interpreter,
                sources=pod.sources,
                volume_paths=pod.volumes,
                gpus=pod.gpus or None,
                groups=[],
                place=self._place,
            )
            main = pod.attempt(slot)
            request["env"]["WHERRY_TERMINATION_LOG"] = pod.folder.message_path(main)
            request.setdefault("cwd", f"{pod.folder.path}/{main.name}")
            self._zygotes.start(home, request)
        except ConfigError as problem:
            return problem.message
        except OSError as problem:
            return problem.strerror or str(problem)
        self._left[pod.uid] = attempt
        end = self._open[attempt.id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                problem = await end
        except TimeoutError:
            return f"{command[0]!r} took longer than {timeout_s:g} s"
        finally:
            if self._open.pop(attempt.id, None) is not None:
                self._zygotes.kill(attempt.id, 0.0)
        said = pod.folder.said(attempt, _SHOWN_BYTES)
        return problem and (f"{problem}: {said}" if said else problem)

    def told(self, message: Message) -> bool:
        """Whether the zygote's message is about one of these."""
        if message.op == "started":
            return message.id in self._open
        end = self._open.pop(message.id, None)
        if end is not None and not end.done():
            bad = message.message if message.op == "failed" else f"exit code {message.code}" if message.code else ""
            end.set_result(bad)
        return end is not None

    def lost(self, id_: str) -> None:
        """The zygote of a command is gone."""
        end = self._open.pop(id_, None)
        if end is not None and not end.done():
            end.set_result("its process is gone")

    def forget(self, uid: str) -> None:
        """The pod is over."""
        self._left.pop(uid, None)

    def _tidy(self, pod: Pod, attempt: Attempt | None) -> None:
        if attempt is not None and attempt.id not in self._open:
            place = f"{pod.folder.path}/{attempt.name}"
            shutil.rmtree(place, ignore_errors=True)
            for suffix in (".log", ".exit", ".error", ".message"):
                try:
                    os.unlink(place + suffix)
                except FileNotFoundError:
                    pass
