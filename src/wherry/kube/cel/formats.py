"""Named formats in expressions: `!format.dns1123Label().validate(self.name).hasValue()`.

Rows of `Overload`.  Source: "Common Expression Language in Kubernetes", format library.  Invariant: `validate` is none
for a text of the format, else the sentences that say what is wrong.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import NamedTuple

from wherry.cel.errors import NoValue
from wherry.cel.functions import Overload, overload
from wherry.cel.times import read_timestamp
from wherry.cel.values import NONE, Optional, register
from wherry.kube.names import (
    LABEL_LENGTH,
    dns_label_error,
    dns_subdomain_error,
    label_value_error,
    qualified_name_error,
)

_DNS1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*:|/)[^\x00-\x20\x7f]*")


class Format(NamedTuple):
    """A format by its name."""

    name: str


register(Format, "kubernetes.NamedFormat")


def _dns1035(text: str) -> str:
    if len(text) > LABEL_LENGTH:
        return f"must be no more than {LABEL_LENGTH} characters"
    if _DNS1035.fullmatch(text):
        return ""
    return (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    )


def _prefix(check: Callable[[str], str]) -> Callable[[str], str]:
    """A prefix of generated names may end in what a name may not end in."""
    return lambda text: check(text[:-1] + "a" if text.endswith("-") else text)


def _byte(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "invalid base64"
    return ""


def _moment(text: str) -> str:
    try:
        read_timestamp(text)
    except NoValue:
        return "invalid datetime"
    return ""


def _date(text: str) -> str:
    return "invalid date" if len(text) != 10 or _moment(f"{text}T00:00:00Z") else ""


def _pattern(pattern: re.Pattern[str], problem: str) -> Callable[[str], str]:
    return lambda text: "" if pattern.fullmatch(text) else problem


_CHECKS: dict[str, Callable[[str], str]] = {
    "dns1123Label": dns_label_error,
    "dns1123Subdomain": dns_subdomain_error,
    "dns1035Label": _dns1035,
    "qualifiedName": qualified_name_error,
    "dns1123LabelPrefix": _prefix(dns_label_error),
    "dns1123SubdomainPrefix": _prefix(dns_subdomain_error),
    "dns1035LabelPrefix": _prefix(_dns1035),
    "labelValue": label_value_error,
    "uri": _pattern(_URI, "invalid URI"),
    "uuid": _pattern(_UUID, "does not match the UUID format"),
    "byte": _byte,
    "date": _date,
    "datetime": _moment,
}


def _named(name: str) -> Optional:
    return Optional(True, Format(name)) if name in _CHECKS else NONE


def _validate(given: Format, text: str) -> Optional:
    problem = _CHECKS[given.name](text)
    return Optional(True, [problem]) if problem else NONE


def _format(name: str) -> Callable[[], Format]:
    return lambda: Format(name)


_F = "kubernetes.NamedFormat"
FORMATS: list[Overload] = [
    *(overload(f"format.{name}(): {_F}", _format(name)) for name in _CHECKS),
    overload(f"format.named(string): optional({_F})", _named),
    overload(f".validate({_F}, string): optional(list(string))", _validate),
]
