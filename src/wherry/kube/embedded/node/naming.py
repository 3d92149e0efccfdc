"""Names of a cluster's DNS in what a process is given: each becomes an address that can be dialled here.

Called by `network` for environment values, arguments and files of config maps, when a process starts; API objects keep
what they say.  Pure.  Source: "DNS for Services and Pods".  Invariants: only a name that leads to
a service, or that the pod's hostAliases have, is replaced, where it can only be a host; the time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from wherry.kube.names import dns_label_error

_ZONE = ("svc", "cluster", "local")
_TOKEN = re.compile(r"[A-Za-z0-9._-]+")
_PORT = re.compile(r":([0-9]{1,5})(?![0-9A-Za-z_])")
_WORD = re.compile(r"[A-Za-z0-9]+")
# The last word of a variable or a flag whose value is a host, or several.
_HOSTS = frozenset(
    ("addr", "addrs", "address", "addresses", "host", "hosts", "hostlist", "nodes", "peers", "uri", "url")
)
_SERVERS = frozenset(("endpoint", "endpoints", "server", "servers", "broker", "brokers", "master", "tracker"))
_INDEXED = re.compile(r"[a-z0-9-]*-[0-9]+")


class Known(NamedTuple):
    """A service as names lead to it."""

    ports: Collection[int]
    headless: bool
    external: str = ""  # what an ExternalName stands for


class Names(NamedTuple):
    """What the names in a pod's texts mean.

    `hosts` are the names that the pod itself gives to addresses (hostAliases), and go before all others.
    `services` are those of the pod's own namespace; `others` says whether a namespace has a service; `address` gives
    `(namespace, service)` and `(namespace, service, host)` their addresses.
    """

    namespace: str
    services: Mapping[str, Known]
    address: Callable[[tuple[str, ...]], str]
    hosts: Mapping[str, str] = MappingProxyType({})

    def resolve(self, token: str, *, sure: bool, port: int | None) -> str | None:
        """The address of a name, None when it is none.  `sure`: it stands where only a host can stand."""
        if token in self.hosts and (sure or port is not None):
            return self.hosts[token]
        labels = token.removesuffix(".").split(".")
        full = len(labels) > 3 and tuple(labels[-3:]) == _ZONE
        strong = full or (len(labels) > 2 and labels[-1] == "svc")
        rest = labels[:-3] if full else labels[:-1] if strong else labels
        if len(rest) > 3 or any(dns_label_error(label) for label in rest):
            return None
        if strong:
            return self._strong(rest)
        if len(rest) == 1:
            known = self.services.get(rest[0])
            if known is None or not (sure or (port is not None and port in known.ports)):
                return None
            return self._of(known, (self.namespace, rest[0]))
        *host, service = rest if rest[-1] != self.namespace else rest[:-1]
        known = self.services.get(service)
        if known is None:
            return None
        if not host:
            return self._of(known, (self.namespace, service))
        named = len(host) == 1 and known.headless and (sure or port is not None or _INDEXED.fullmatch(host[0]))
        return self.address((self.namespace, service, host[0])) if named else None

    def _strong(self, rest: list[str]) -> str | None:
        """`SERVICE.NAMESPACE` or `HOST.SERVICE.NAMESPACE`, said to be one: the service may come later."""
        if len(rest) == 2:
            service, namespace = rest
            known = self.services.get(service) if namespace == self.namespace else None
            return self._of(known, (namespace, service))
        if len(rest) == 3:
            return self.address((rest[2], rest[1], rest[0]))
        return None

    def _of(self, known: Known | None, name: tuple[str, ...]) -> str:
        return known.external if known is not None and known.external else self.address(name)


def rewrite(text: str, names: Names, *, host: bool = False) -> str:
    """The text with its names replaced; `host` says that the whole of it is a host, or a list of them."""
    found: list[str] = []
    position = 0
    for match in _TOKEN.finditer(text):
        token, start, end = match[0], match.start(), match.end()
        if not _is_name(token):
            continue
        before = text[start - 1 : start]
        follows = _PORT.match(text, end)
        url = text[max(0, start - 2) : start] == "//" or (before == "@" and follows is not None)
        alone = host and before in ("", ",", ";", " ") and text[end : end + 1] in ("", ",", ";", " ", ":", "/")
        if before in ("/", "\\", "$") and not url:
            continue
        address = names.resolve(token, sure=url or alone, port=int(follows[1]) if follows else None)
        if address is not None:
            bracketed = ":" in address and (url or follows is not None)
            found += (text[position:start], f"[{address}]" if bracketed else address)
            position = end
    return "".join([*found, text[position:]]) if found else text


def _is_name(token: str) -> bool:
    return not token.startswith((".", "-")) and token.islower() and "_" not in token and ".." not in token


def is_host(name: str) -> bool:
    """Whether a variable or a flag is named like one that holds a host."""
    words = _WORD.findall(name.replace("_", " "))
    return bool(words) and words[-1].lower() in _HOSTS | _SERVERS


def environment(environ: Mapping[str, str], names: Names) -> dict[str, str]:
    """The variables with the names in their values replaced."""
    return {key: rewrite(value, names, host=is_host(key)) for key, value in environ.items()}


def arguments(argv: list[str], names: Names) -> list[str]:
    """The command line with the names in it replaced."""
    found: list[str] = []
    flag = ""
    for word in argv:
        head, equals, value = word.partition("=")
        if word.startswith("-") and equals and " " not in head:
            found.append(f"{head}={rewrite(value, names, host=is_host(head))}")
        else:
            found.append(rewrite(word, names, host=bool(flag) and is_host(flag)))
        flag = word if word.startswith("-") and not equals else ""
    return found
