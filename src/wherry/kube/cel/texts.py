"""Kubernetes' functions of regular expressions and of URLs.

Rows of `Overload`.  Source: "Common Expression Language in Kubernetes", regex and URL libraries.  Invariant: a URL is
what Go's url.ParseRequestURI takes: absolute, or a path from the root.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from wherry.cel.errors import NoValue
from wherry.cel.functions import Overload, overload
from wherry.cel.regexes import find, find_all, search_cost
from wherry.cel.values import register, shown

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_HOST = re.compile(r"([A-Za-z0-9\-._~!$&'()*+,;=%\"<>]*|\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9\-._~%]+)?\])(:\d*)?", re.ASCII)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class URL(NamedTuple):
    """The parts of a URL."""

    scheme: str
    host: str  # with the port
    path: str
    query: str


register(URL, "kubernetes.URL")


def _url(text: str) -> URL:
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise NoValue("URL parse error during conversion from string: invalid control character in URL")
    if not text.startswith("/") and not _SCHEME.match(text):
        raise NoValue(f"URL parse error during conversion from string: parse {shown(text)}: invalid URI for request")
    try:
        parts = urlsplit(text, allow_fragments=False)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        raise NoValue(f"URL parse error during conversion from string: parse {shown(text)}") from None
    if not _HOST.fullmatch(host) or _BROKEN_ESCAPE.search(parts.path):
        raise NoValue(f"URL parse error during conversion from string: parse {shown(text)}: invalid character or port")
    return URL(parts.scheme, host, parts.path, parts.query)


def _is_url(text: str) -> bool:
    try:
        _url(text)
    except NoValue:
        return False
    return True


def _hostname(value: URL) -> str:
    name = value.host.rpartition("]")[0].lstrip("[") if value.host.startswith("[") else value.host.partition(":")[0]
    return unquote(name)


def _port(value: URL) -> str:
    rest = value.host.rpartition("]")[2] if value.host.startswith("[") else value.host
    return rest.partition(":")[2]


def _escaped_path(value: URL) -> str:
    return quote(unquote(value.path), safe="/:@!$&'()*+,;=~") if "%" not in value.path else value.path


def _query(value: URL) -> dict[str, Any]:
    made: dict[str, list[str]] = {}
    for key, item in parse_qsl(value.query, keep_blank_values=True):
        made.setdefault(key, []).append(item)
    return made


_U = "kubernetes.URL"
TEXTS: list[Overload] = [
    overload(".find(string, string): string", find, search_cost),
    overload(".findAll(string, string): list(string)", find_all, search_cost),
    overload(".findAll(string, string, int): list(string)", find_all, search_cost),
    overload(f"url(string): {_U}", _url),
    overload("isURL(string): bool", _is_url),
    overload(f".getScheme({_U}): string", lambda value: value.scheme),
    overload(f".getHost({_U}): string", lambda value: value.host),
    overload(f".getHostname({_U}): string", _hostname),
    overload(f".getPort({_U}): string", _port),
    overload(f".getEscapedPath({_U}): string", _escaped_path),
    overload(f".getQuery({_U}): map(string, list(string))", _query),
]
