"""The node's network: a pod's address, the names in what it is given, and who may listen where.

Owned by the agent.  Docs: docs/decisions/0027-addresses.md.  Invariants: a pod has its address before its first process
starts, and keeps it; what a process was told stays true when the server is started anew; a task of a pipeline in a
namespace without services costs nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from wherry.kube.embedded.node import addresses
from wherry.kube.embedded.node.containers import ConfigError, Reference, Sources, containers, is_task, items, mapping
from wherry.kube.embedded.node.lifecycle import NODE_IP
from wherry.kube.embedded.node.records import Folder
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import CONFIGMAPS, SERVICES

# Lazy entries: with the first pod that has a network, and with the first service.
NAMING = "wherry.kube.embedded.node.naming"
LINKS = "wherry.kube.embedded.node.links"
TABLE = "wherry.kube.embedded.node.table"


class Links:
    """What the network means for the processes of one pod."""

    def __init__(self, names: Any, variables: Mapping[str, str], net: Mapping[str, Any] | None) -> None:
        self._names = names
        self._naming = import_module(NAMING)
        self.variables = variables
        self.net = net

    def environment(self, environ: dict[str, str]) -> dict[str, str]:
        """The container's variables as its process gets them."""
        return self._naming.environment(environ, self._names)

    def arguments(self, argv: list[str]) -> list[str]:
        """The command line as it is run."""
        return self._naming.arguments(argv, self._names)

    def sources(self, sources: Sources) -> dict[Reference, Object | None]:
        """Config maps with the names in their texts replaced, everything else as it is."""
        return {
            reference: self._rewritten(obj) if reference[0] == CONFIGMAPS and obj is not None else obj
            for reference, obj in sources.items()
        }

    def _rewritten(self, obj: Object) -> Object:
        data: dict[str, str] = mapping(obj.get("data"))
        return {**obj, "data": {key: self._naming.rewrite(text, self._names) for key, text in data.items()}}


class Network:
    """`folder` is the home's `run`, where the table of services and the book of names lie; `are_bound` says whether
    pods can have addresses of their own."""

    def __init__(self, kube: Kube, home: str, folder: str, are_bound: Callable[[], bool] = addresses.are_bound) -> None:
        self._are_bound = cache(are_bound)
        self._kube = kube
        self._pool = addresses.Pool(home)
        self._book = addresses.Book(f"{folder}/names.json", self._pool)
        self._path = f"{folder}/services.json"
        self._table: Any = None
        self._holders: dict[str, str] = {}  # address -> uid of the pod that has it now

    def begin(self, group: asyncio.TaskGroup) -> asyncio.Task[None] | None:
        """There is a service: from now on the table is kept."""
        if self._table is None:
            self._table = import_module(TABLE).Table(self._kube, self._book, self._path)
            return group.create_task(self._table.run())
        return None

    # --- addresses

    def admit(self, pod: Object) -> str:
        """The address of a new pod: that of its name, where it has one, or the next that is free."""
        if pod["spec"].get("hostNetwork") or not self._are_bound():
            return NODE_IP
        metadata, spec = pod["metadata"], pod["spec"]
        address = ""
        if spec.get("subdomain") and spec.get("hostname"):
            with suppress(OSError):  # a full disk: the pod starts, and is told of no name
                address = self._book[metadata["namespace"], spec["subdomain"], spec["hostname"]]
        if not address or address in self._holders:
            address = self._pool.take(metadata["uid"])
        self._holders[address] = metadata["uid"]
        return address

    def adopt(self, pod: Object) -> str:
        """The address of a pod that an earlier server has started."""
        address: str = mapping(pod.get("status")).get("podIP") or NODE_IP
        if address != NODE_IP:
            self._holders[address] = pod["metadata"]["uid"]
            if self._book_has_not(pod):
                self._pool.keep(address, pod["metadata"]["uid"])
        return address

    def _book_has_not(self, pod: Object) -> bool:
        spec = pod["spec"]
        return (
            self._book.get((pod["metadata"]["namespace"], spec.get("subdomain", ""), spec.get("hostname", ""))) is None
        )

    def release(self, uid: str, address: str) -> None:
        """The pod is over."""
        if self._holders.get(address) == uid:
            del self._holders[address]
        if address != NODE_IP:
            self._pool.free(address, uid)

    @property
    def shared(self) -> str:
        """Why no pod has an address of its own; empty when they have."""
        return "" if self._are_bound() else "it has no other loopback address than 127.0.0.1"

    # --- what processes are given

    def concerns(self, pod: Object) -> bool:
        """Whether the pod's processes have a network of their own; tasks have one where there are services."""
        if pod["spec"].get("hostAliases"):
            return True
        if pod["spec"].get("hostNetwork"):
            return False
        return not is_task(pod) or (self._table is not None and self._table.has(pod["metadata"]["namespace"]))

    async def links(self, pod: Object, address: str, folder: Folder) -> Links:
        """What the pod's processes are given.  Raises ConfigError."""
        naming, about = import_module(NAMING), import_module(LINKS)
        namespace: str = pod["metadata"]["namespace"]
        services = (await self._kube.list(SERVICES, namespace)).items if self._table is not None else []
        known = {service["metadata"]["name"]: about.known(service) for service in services}
        subdomain = pod["spec"].get("subdomain")
        if subdomain and subdomain not in known:  # its service may come later
            known[subdomain] = about.COMING
        aliases = items(pod["spec"].get("hostAliases"))
        hosts = {name: alias["ip"] for alias in reversed(aliases) for name in alias.get("hostnames") or ()}
        names = naming.Names(namespace, known, self._address, hosts)
        linked = services if pod["spec"].get("enableServiceLinks", True) else []
        net: dict[str, Any] | None = None
        if address != NODE_IP:
            net = {"ip": address, "ports": f"{folder.path}/ports", "table": self._path, "open": _node_ports(pod)}
        return Links(names, about.variables(linked), net)

    def _address(self, name: tuple[str, ...]) -> str:
        if not self._are_bound():
            return NODE_IP
        if self._table is not None and len(name) == 2 and (own := self._table.address(name)):
            return own
        new = self._book.get(name) is None
        address = self._book[name]
        if new and self._table is not None:
            self._table.changed()
        return address


def _node_ports(pod: Object) -> list[int]:
    """Ports that the pod wants on the node itself.  Raises ConfigError for one that it calls by another number."""
    found: list[int] = []
    for container in containers(pod):
        for port in items(container.get("ports")):
            number = port.get("hostPort")
            if number and number != port["containerPort"]:
                why = f"hostPort {number} is not containerPort {port['containerPort']}"
                raise ConfigError(f"{why}: a process of this machine listens on one port, so they have to be the same")
            if number:
                found.append(number)
    return found
