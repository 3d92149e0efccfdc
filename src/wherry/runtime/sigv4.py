"""Signatures of version 4, as S3 and STS ask for them: pure.

Called by `wherry.runtime.s3`, and by the server where it asks for grants.  Invariant: nothing is read from the
environment or the clock; what is signed is what is sent.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNRESERVED = "-_.~"
EMPTY_SHA256 = hashlib.sha256().hexdigest()


class Keys:
    """Credentials; `ends_at` (epoch seconds) is None for those that do not end."""

    def __init__(self, access_key: str, secret_key: str, token: str = "", ends_at: float | None = None) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token
        self.ends_at = ends_at


def quoted_path(path: str) -> str:
    """A path as it is sent and signed; slashes stay."""
    return quote(path, safe="/" + _UNRESERVED)


def quoted_query(query: Sequence[tuple[str, str]]) -> str:
    """A query as it is sent and signed: sorted, all that is not unreserved escaped."""
    pairs = sorted((quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed_headers(
    keys: Keys,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload_sha256: str,
    *,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """`headers` (which have `host`) with those that prove who asks; `path` and `query` are quoted."""
    moment = time.gmtime(now)
    stamp, day = time.strftime("%Y%m%dT%H%M%SZ", moment), time.strftime("%Y%m%d", moment)
    found = {name.lower(): value.strip() for name, value in headers.items()}
    found["x-amz-date"] = stamp
    found["x-amz-content-sha256"] = payload_sha256
    if keys.token:
        found["x-amz-security-token"] = keys.token
    names = ";".join(sorted(found))
    lines = "".join(f"{name}:{found[name]}\n" for name in sorted(found))
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload_sha256}"
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    signature = hmac.new(
        _signing_key(keys.secret_key, day, region, service),
        f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(),
        hashlib.sha256,
    ).hexdigest()
    found["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return found


def _signing_key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
