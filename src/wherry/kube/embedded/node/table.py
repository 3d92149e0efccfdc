"""The table of services: where each of their addresses leads, for the zygotes that answer who dials one.

Run by `network` from the first service on.  Invariants: the file is written whole, by rename, and only when it says
something new; a service that has gone leaves no entry, and its names no addresses.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from wherry.kube.embedded.controllers.endpoints import SERVICE_NAME
from wherry.kube.embedded.node.addresses import Book, write_json
from wherry.kube.embedded.node.containers import items, mapping
from wherry.kube.embedded.services import HEADLESS
from wherry.kube.informer import Informer, Scope
from wherry.kube.protocol import Kube, Object
from wherry.kube.queue import Backoff
from wherry.kube.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES, Resource

_RETRY_S = 1.0
Target = list[Any]
"""Address and port."""


class Table:
    """Follows services and their endpoints, until cancelled."""

    def __init__(self, kube: Kube, book: Book, path: str) -> None:
        self._book = book
        self._path = path
        self._work = asyncio.Event()
        self._written: dict[str, Any] | None = None
        self._services = self._follow(kube, SERVICES)
        self._slices = self._follow(kube, ENDPOINTSLICES)
        self._endpoints = self._follow(kube, ENDPOINTS)
        self._informers = (self._services, self._slices, self._endpoints)

    def _follow(self, kube: Kube, resource: Resource) -> Informer:
        return Informer(kube, Scope(resource), self._told, backoff=Backoff())

    def has(self, namespace: str) -> bool:
        """Whether a namespace has services."""
        return any(service["metadata"]["namespace"] == namespace for service in self._services)

    def address(self, name: tuple[str, ...]) -> str:
        """The address that a service has of its own, empty when it has none."""
        for service in self._services:
            if (service["metadata"]["namespace"], service["metadata"]["name"]) == name:
                own: str = service["spec"].get("clusterIP") or ""
                return "" if own == HEADLESS else own
        return ""

    def changed(self) -> None:
        """A name has got an address."""
        self._work.set()

    def _told(self, obj: Object, gone: bool) -> None:
        if gone and obj["kind"] == SERVICES.kind:
            with suppress(OSError):  # a full disk: its names keep their addresses
                self._book.forget(obj["metadata"]["namespace"], obj["metadata"]["name"])
        self._work.set()

    async def run(self) -> None:
        """Watches and writes."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())
            for informer in self._informers:
                await informer.synced.wait()
            while True:
                await self._work.wait()
                self._work.clear()
                table = rows(list(self._services), list(self._slices), list(self._endpoints), self._book)
                if table == self._written:
                    continue
                try:
                    write_json(self._path, table)
                    self._written = table
                except OSError:  # a full disk: it may pass
                    asyncio.get_running_loop().call_later(_RETRY_S, self._work.set)


def rows(services: list[Object], slices: list[Object], endpoints: list[Object], book: Book) -> dict[str, Any]:
    """Address -> `{"sticky": whether one pod always gets the same, "*": addresses for every port, "80": targets}`."""
    by_name: dict[tuple[str, str], list[Object]] = {}
    for slice in slices:
        metadata = slice["metadata"]
        name = mapping(metadata.get("labels")).get(SERVICE_NAME, "")
        by_name.setdefault((metadata["namespace"], name), []).append(slice)
    by_hand = {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in endpoints}
    found: dict[str, Any] = {}
    for service in services:
        name = (service["metadata"]["namespace"], service["metadata"]["name"])
        groups = [_of_slice(slice) for slice in by_name.get(name, [])]
        if not groups and name in by_hand:
            groups = [_of_subset(subset) for subset in items(by_hand[name].get("subsets"))]
        entry = _entry(service, groups)
        own: str = service["spec"].get("clusterIP") or ""
        for address in {own if own != HEADLESS else "", book.get(name) or ""} - {""}:
            found[address] = entry
    return found


Group = tuple[list[str], dict[str, int]]
"""Addresses that are ready, and the number of each port by its name."""


def _of_slice(slice: Object) -> Group:
    ready = [
        each for each in items(slice.get("endpoints")) if mapping(each.get("conditions")).get("ready") is not False
    ]
    ports = {each.get("name") or "": each["port"] for each in items(slice.get("ports")) if each.get("port")}
    return [each["addresses"][0] for each in ready], ports


def _of_subset(subset: Object) -> Group:
    ports = {each.get("name") or "": each["port"] for each in items(subset.get("ports"))}
    return [each["ip"] for each in items(subset.get("addresses"))], ports


def _entry(service: Object, groups: list[Group]) -> dict[str, Any]:
    spec = service["spec"]
    entry: dict[str, Any] = {"sticky": spec.get("sessionAffinity") == "ClientIP"}
    if spec.get("clusterIP") == HEADLESS:
        entry["*"] = sorted({address for addresses, _ in groups for address in addresses})
        return entry
    for port in items(spec.get("ports")):
        targets: list[Target] = []
        for addresses, ports in groups:
            number = ports.get(port.get("name") or "")
            targets += [[address, number] for address in addresses if number]
        entry[str(port["port"])] = sorted(targets)
    return entry
