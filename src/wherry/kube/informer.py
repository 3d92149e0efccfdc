"""Informers: a local picture of one resource, kept by list and watch.

Called by controllers (and whoever needs more than one look at a resource).  Invariant: the picture never goes back:
an older version of an object does not replace a newer one, and after Gone it is listed anew with what has vanished
meanwhile told as gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import NamedTuple

from wherry.kube.errors import Gone, KubeError
from wherry.kube.protocol import Kube, Object
from wherry.kube.queue import Backoff
from wherry.kube.resources import Resource

Told = Callable[[Object, bool], None]
"""Called with each object that appears or changes, and with True with each that is gone (as it was last seen)."""


class Scope(NamedTuple):
    """What an informer looks at."""

    resource: Resource
    namespace: str = ""
    labels: str = ""


class Informer:
    """Objects of one scope by uid; `told` hears of every change after the picture has it.  Objects are only read."""

    def __init__(self, kube: Kube, scope: Scope, told: Told, *, backoff: Backoff) -> None:
        self.synced = asyncio.Event()
        self._kube = kube
        self._scope = scope
        self._told = told
        self._backoff = backoff
        self._objects: dict[str, Object] = {}
        self._removed: set[str] = set()  # by writes whose events are still to come

    def __iter__(self) -> Iterator[Object]:
        return iter(self._objects.values())

    def get(self, uid: str) -> Object | None:
        """The object as last seen."""
        return self._objects.get(uid)

    def learn(self, obj: Object) -> None:
        """Takes the answer of a write into the picture, ahead of its event."""
        if obj["metadata"]["uid"] in self._removed:
            return
        known = self._objects.get(obj["metadata"]["uid"])
        if known is None or _version(known) < _version(obj):
            self._objects[obj["metadata"]["uid"]] = obj
            self._told(obj, False)

    def forget(self, uid: str) -> None:
        """Takes out what a write has removed."""
        if uid in self._objects:
            self._removed.add(uid)
            self._drop(uid)

    def _drop(self, uid: str) -> None:
        gone = self._objects.pop(uid, None)
        if gone is not None:
            self._told(gone, True)

    async def run(self) -> None:
        """Keeps the picture until cancelled; a server that fails is asked again."""
        failures = 0
        while True:
            try:
                version = await self._list()
                failures = 0
                await self._watch(version)
            except Gone:
                continue
            except KubeError:
                failures += 1
                await asyncio.sleep(self._backoff.delay_s(failures))

    async def _list(self) -> str:
        resource, namespace, labels = self._scope
        listed = await self._kube.list(resource, namespace, labels=labels)
        present = {item["metadata"]["uid"] for item in listed.items}
        self._removed.clear()
        for uid in [uid for uid in self._objects if uid not in present]:
            self._drop(uid)
        for item in listed.items:
            self.learn(item)
        self.synced.set()
        return listed.resource_version

    async def _watch(self, version: str) -> None:
        resource, namespace, labels = self._scope
        watch = self._kube.watch(resource, namespace, resource_version=version, labels=labels)
        async with aclosing(watch):
            async for event in watch:
                if event.type == "DELETED":
                    self._removed.discard(event.object["metadata"]["uid"])
                    self._drop(event.object["metadata"]["uid"])
                elif event.type != "BOOKMARK":
                    self.learn(event.object)


def _version(obj: Object) -> int:
    """Versions of one object compare as numbers (guaranteed since Kubernetes 1.35, true of every server before)."""
    text: str = obj["metadata"]["resourceVersion"]
    return int(text) if text.isdigit() else 0
