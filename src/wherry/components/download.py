"""One YAML text from the web.

Called by `wherry.components.loading`.  Invariant: credentials go to the host that they were given for and to no other;
what is read is bounded in size and time.
"""

from __future__ import annotations

import base64
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO

from wherry.compiler.places import at
from wherry.errors import UsageError
from wherry.ir.limits import MAX_BYTES

_GOOGLE_STORAGE = "https://storage.googleapis.com/"
_TIMEOUT_S = 60.0


class MissingSchema(UsageError, ValueError):
    """The address does not say how to fetch it."""


class InvalidSchema(UsageError, ValueError):
    """The address is of a kind that is not fetched."""


class HTTPError(UsageError):
    """The server's answer is not the file."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; the credentials, which urllib leaves behind, go along only to the same place."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        given = req.unredirected_hdrs.get("Authorization")
        if new is not None and given and (new.type, new.host) == (req.type, req.host):
            new.add_unredirected_header("Authorization", given)
        return new


def text(url: str, auth: tuple[str, str] | None = None) -> str:
    """What is at an `http://`, `https://` or `gs://` address.  `auth`: user name and password.

    Raises MissingSchema, InvalidSchema, HTTPError, ConnectionError and, for what is too large or no text, ValueError.
    """
    request = urllib.request.Request(_checked(url))
    if auth is not None:
        request.add_unredirected_header("Authorization", _basic(auth))
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=_TIMEOUT_S) as answer:
            data = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise HTTPError(at(f"{error.code} {error.reason} for url: {url}")) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise ConnectionError(at(f"Could not fetch {url}: {reason}")) from None
    if len(data) > MAX_BYTES:
        raise ValueError(at(f"{url} has more than {MAX_BYTES >> 20} MiB; no component is that large."))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(at(f"{url} is not UTF-8: byte {error.start} is {data[error.start]:#04x}.")) from None


def _checked(url: str) -> str:
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users' input
        raise ValueError(at("url must be a string."))
    if url.startswith("gs://"):
        url = _GOOGLE_STORAGE + url[len("gs://") :]
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise MissingSchema(at(f"Invalid URL {url!r}: No scheme supplied. Perhaps you meant https://{url}?"))
    if scheme.lower() not in ("http", "https"):
        raise InvalidSchema(at(f"{url!r} is not fetched; use https://, http:// or gs://, or load the file."))
    if not rest.strip("/"):
        raise MissingSchema(at(f"Invalid URL {url!r}: No host supplied."))
    return urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]")


def _basic(auth: tuple[str, str]) -> str:
    if not isinstance(auth, tuple) or [type(one) for one in auth] != [str, str]:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(at("auth is a tuple of a user name and a password, both texts."))
    return "Basic " + base64.b64encode(":".join(auth).encode()).decode("ascii")
