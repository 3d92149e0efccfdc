"""Addresses of this node's pods, and of the names that lead to them: who has which part of 127.0.0.0/8.

Used by `network`; pure but for `Book`, which is a file.  Every address of 127.0.0.0/8 can be listened on and dialled on
Linux without any setting up.  Invariants: a pod has an address of its own while it lives; a name that was given to a
process has its address as long as its service exists, so that whoever comes later under that name is found there.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from wherry.kube.embedded.node.lifecycle import NODE_IP

_BLOCK = 4096  # addresses of the pods of one home
_FIRST, _LAST = int(ipaddress.ip_address("127.16.0.0")), int(ipaddress.ip_address("127.127.255.255"))
NAMES = ipaddress.ip_network("127.128.0.0/10")
"""Where names without an address of their own (headless services) have theirs; services are above (`services`)."""


def pods_of(home: str) -> range:
    """The addresses of a home's pods, as numbers; two homes rarely share a block, and then only addresses by chance."""
    blocks = (_LAST - _FIRST + 1) // _BLOCK
    first = _FIRST + zlib.crc32(home.encode()) % blocks * _BLOCK
    return range(first + 1, first + _BLOCK - 1)


def are_bound() -> bool:
    """Whether this machine lets anybody listen on other loopback addresses than 127.0.0.1: Linux does, macOS not."""
    with socket.socket() as trial:
        try:
            trial.bind((str(NAMES[1]), 0))
        except OSError:
            return False
    return True


class Pool:
    """The addresses of pods: given in turn, so that one that has just become free is not used at once."""

    def __init__(self, home: str) -> None:
        self._range = pods_of(home)
        self._next = 0
        self._taken: dict[int, str] = {}  # address -> uid of its pod, or the name that it is kept for

    def take(self, holder: str) -> str:
        """The next free address."""
        for _ in self._range:
            number = self._range[self._next % len(self._range)]
            self._next += 1
            if number not in self._taken:
                self._taken[number] = holder
                return str(ipaddress.ip_address(number))
        return NODE_IP  # more pods than addresses: those share the node's

    def keep(self, address: str, holder: str) -> None:
        """Remembers an address that was given in an earlier life of the server."""
        number = int(ipaddress.ip_address(address))
        if number in self._range:
            self._taken[number] = holder
            self._next = max(self._next, self._range.index(number) + 1)

    def free(self, address: str, holder: str) -> None:
        """Takes an address back, if it is still this holder's."""
        number = int(ipaddress.ip_address(address))
        if self._taken.get(number) == holder:
            del self._taken[number]


class Book:
    """Which names have which addresses, in a file, so that a later server gives the same.

    A name is `(namespace, service)` or `(namespace, service, host)`.
    """

    def __init__(self, path: str, pool: Pool) -> None:
        self._path = path
        self._pool = pool
        self._names: dict[tuple[str, ...], str] = {}
        for name, address in _read(path).items():
            self._names[tuple(name.split("/"))] = address
            pool.keep(address, name)

    def __getitem__(self, name: tuple[str, ...]) -> str:
        """The address of a name; one that has none is given one.  Raises OSError when that cannot be written down."""
        address = self._names.get(name)
        if address is None:
            text = "/".join(name)
            address = self._pool.take(text) if len(name) == 3 else self._virtual(text)
            self._write({**self._names, name: address})
        return address

    def get(self, name: tuple[str, ...]) -> str | None:
        """The address of a name, None when it has none."""
        return self._names.get(name)

    def services(self) -> Iterable[tuple[str, str]]:
        """The services whose names have addresses."""
        return {(name[0], name[1]) for name in self._names}

    def forget(self, namespace: str, service: str) -> None:
        """The service is gone."""
        gone = [name for name in self._names if name[:2] == (namespace, service)]
        if gone:
            for name in gone:
                self._pool.free(self._names[name], "/".join(name))
            self._write({name: address for name, address in self._names.items() if name not in gone})

    def _virtual(self, text: str) -> str:
        """An address that follows from the name, or the next one that is free."""
        taken = set(self._names.values())
        place = zlib.crc32(text.encode())
        while (address := str(NAMES[1 + place % (NAMES.num_addresses - 2)])) in taken:
            place += 1
        return address

    def _write(self, names: dict[tuple[str, ...], str]) -> None:
        write_json(self._path, {"/".join(name): address for name, address in names.items()})
        self._names = names


def write_json(path: str, content: Mapping[str, Any]) -> None:
    """Writes a file whole, by rename.  Raises OSError."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + "~", "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(path + "~", path)


def _read(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}
