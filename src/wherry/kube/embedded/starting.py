"""How controllers start: when there is something for them to do, and not before.

Entered by `wherry.server.compose` with its table of entries.  Invariant: a controller whose kind nobody has used costs
no import, no watch and no memory; one that was started runs until the server leaves, whatever happens to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, Self

from wherry.kube.embedded.kube import EmbeddedKube
from wherry.kube.resources import Resource
from wherry.seams import Clock

RUNNER = "wherry.kube.controller"  # lazy, too
_RESTART_S = 1.0  # before a controller that broke is begun anew
_log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """A module with the controllers (`CONTROLLERS`) that are needed once there is an object of one of the resources."""

    module: str
    resources: tuple[Resource, ...]


class Controllers:
    """`async with Controllers(...)`: runs the controllers of its entries from the first object on."""

    def __init__(self, kube: EmbeddedKube, entries: Sequence[Entry], *, clock: Clock) -> None:
        self._kube = kube
        self._entries = entries
        self._clock = clock
        self._running: dict[str, list[Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        resources = {resource for entry in self._entries for resource in entry.resources}
        self._own(self._kube.when_there({resource: partial(self._arrived, resource) for resource in resources}))
        return self

    async def __aexit__(self, *raised: Any) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    @property
    def started(self) -> list[str]:
        """The modules that have been needed."""
        return list(self._running)

    @property
    def busy(self) -> bool:
        """Whether some controller has something to do, now or later."""
        return any(runner.busy for runners in self._running.values() for runner in runners)

    def _own(self, work: Any) -> None:
        self._tasks.append(self._group.create_task(work))

    def _arrived(self, resource: Resource) -> None:
        for entry in self._entries:
            if resource in entry.resources:
                self._start(entry.module)

    def _start(self, module: str) -> None:
        if module not in self._running:
            runner = import_module(RUNNER).Runner
            found = [runner(self._kube, each, clock=self._clock) for each in import_module(module).CONTROLLERS]
            self._running[module] = found
            for each in found:
                self._own(self._run(each))

    async def _run(self, runner: Any) -> None:
        while True:
            try:
                await runner.run()
            except Exception:  # noqa: BLE001 - the boundary: a controller that breaks must not take the server with it
                _log.exception("a controller broke; it is started again")
                await asyncio.sleep(_RESTART_S)
