"""The formats of texts that a structural schema may ask for.

Called by `wherry.kube.schemas.validation`.  Source: "Extend the Kubernetes API with CustomResourceDefinitions",
Validation.  Invariant: a format that is not in the table says nothing; every check takes linear time.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from wherry.kube.names import dns_label_error, dns_subdomain_error
from wherry.kube.times import seconds_of

Check = Callable[[str], bool]

_HOSTNAME = re.compile(r"([a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?\.)*[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?\.?")
_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_MAC = re.compile(
    r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}([:-][0-9a-fA-F]{2}){0,2}|([0-9a-fA-F]{4}\.){2,3}[0-9a-fA-F]{4}"
)
_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?%s[0-9a-fA-F]{3}-?%s[0-9a-fA-F]{3}-?[0-9a-fA-F]{12}"
_DURATION_UNIT = (
    r"(ns|us|µs|ms|s|m|h|d|w|nanos?|micros?|millis?|secs?|seconds?|minutes?|mins?|hours?|hrs?|days?|weeks?)"
)
_DURATION = re.compile(rf"-?(\d+(\.\d*)?\s*{_DURATION_UNIT}\s*)+|0")
_RGB = r"\s*(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])\s*"


def _matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _raises_not(read: Callable[[str], object]) -> Check:
    def check(text: str) -> bool:
        try:
            read(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _uri(text: str) -> bool:
    """An absolute URI or an absolute path, as Go's ParseRequestURI takes it."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(text) and " " not in text and (bool(parts.scheme) or text.startswith("/"))


def _hostname(text: str) -> bool:
    return len(text) <= 255 and _HOSTNAME.fullmatch(text) is not None and all(len(p) <= 63 for p in text.split("."))


def _isbn10(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"\d{9}[\dXx]", digits, re.ASCII):
        return False
    values = [10 if digit in "xX" else int(digit) for digit in digits]
    return sum(value * (10 - index) for index, value in enumerate(values)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"\d{13}", digits, re.ASCII):
        return False
    return sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits)) % 10 == 0


def _creditcard(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"\d{12,19}", digits, re.ASCII):
        return False
    doubled = [int(d) * (2 if index % 2 else 1) for index, d in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


# By their names without dashes, as the API server compares them.
FORMATS: dict[str, Check] = {
    "bsonobjectid": _matches(r"[0-9a-fA-F]{24}"),
    "byte": _raises_not(lambda text: base64.b64decode(text, validate=True)),
    "cidr": _raises_not(lambda text: ip_network(text if "/" in text else "", strict=False)),
    "creditcard": _creditcard,
    "date": _raises_not(lambda text: date.fromisoformat(text if len(text) == 10 else "")),
    "datetime": _raises_not(seconds_of),
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "email": lambda text: len(text) <= 320 and _EMAIL.fullmatch(text) is not None,
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _hostname,
    "ip": _raises_not(ip_address),
    "ipv4": _raises_not(IPv4Address),
    "ipv6": _raises_not(IPv6Address),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "k8slongname": lambda text: not dns_subdomain_error(text),
    "k8sshortname": lambda text: not dns_label_error(text),
    "mac": lambda text: _MAC.fullmatch(text) is not None,
    "password": lambda text: True,
    "rgbcolor": _matches(rf"rgb\({_RGB},{_RGB},{_RGB}\)"),
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _uri,
    "uuid": _matches(_UUID % ("[0-9a-fA-F]", "[0-9a-fA-F]")),
    "uuid3": _matches(_UUID % ("3", "[0-9a-fA-F]")),
    "uuid4": _matches(_UUID % ("4", "[89abAB]")),
    "uuid5": _matches(_UUID % ("5", "[89abAB]")),
}


def check_of(name: str) -> Check | None:
    """The check of a format, None when there is none of that name."""
    return FORMATS.get(name.replace("-", ""))
