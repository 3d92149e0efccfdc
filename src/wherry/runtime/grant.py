"""How a task gets into its object store: the grant in `WHERRY_GRANT`, as JSON.

Read by `wherry.runtime.remote`.  `{"v": 1, "kind": "keys" | "pod", "endpoint", "region"}`; kind `keys` has the
short-lived `access_key_id`, `secret_access_key`, `session_token` and `ends_at` (epoch seconds) beside, kind `pod` means
that the pod's service account is known to the provider.  Invariant: credentials are never written to a log or a file.
"""

from __future__ import annotations

import calendar
import http.client
import json
import os
import threading
import time
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

from wherry.runtime.descriptor import GRANT_VARIABLE
from wherry.runtime.failures import TaskError
from wherry.runtime.shapes import is_object
from wherry.runtime.sigv4 import Keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

FORM = {"content-type": "application/x-www-form-urlencoded"}
"""Headers of a request to STS."""
_RENEW_BEFORE_S = 300.0
_TIMEOUT_S = 20.0


class GrantError(TaskError):
    """There is no way into the object store; the message says why."""

    def __init__(self, message: str, kind: str = "GrantError") -> None:
        super().__init__(message, kind=kind)


def ended(ends_at: float) -> GrantError:
    """What a task says whose grant is over."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ends_at))
    return GrantError(
        f"The grant of this task ended at {moment}, before the task did, and its artifacts are out of reach: "
        "give the target a longer one: grant_hours",
        kind="GrantEnded",
    )


class Grant:
    """Where the store is, and the keys to it."""

    def __init__(self, endpoint: str, region: str, keys: Callable[[], Keys]) -> None:
        self.endpoint = endpoint
        self.region = region
        self.keys = keys


def parse(text: str, environ: Mapping[str, str]) -> Grant:
    """The grant in `text`.  Raises GrantError."""
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not is_object(fields) or fields.get("v") != 1 or fields.get("kind") not in ("keys", "pod"):
        raise GrantError(f"{GRANT_VARIABLE} holds no grant that this runtime knows")
    endpoint, region = str(fields["endpoint"]), str(fields["region"])
    if fields["kind"] == "keys":
        keys = Keys(
            fields["access_key_id"], fields["secret_access_key"], fields.get("session_token") or "", fields["ends_at"]
        )
        return Grant(endpoint, region, lambda: keys)
    return Grant(endpoint, region, Renewed(lambda: of_pod(environ, endpoint, region)))


class Renewed:
    """Keys that are asked for again before they end; may be called from many threads."""

    def __init__(self, ask: Callable[[], Keys]) -> None:
        self._ask = ask
        self._keys: Keys | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Keys:
        with self._lock:
            keys = self._keys
            if keys is None or (keys.ends_at is not None and keys.ends_at - _RENEW_BEFORE_S < time.time()):
                keys = self._keys = self._ask()
            return keys


def of_pod(environ: Mapping[str, str], endpoint: str, region: str) -> Keys:
    """The keys of the pod's own service account: a web identity (IRSA, MinIO, Ceph) or the container's credentials
    (EKS Pod Identity).  Raises GrantError."""
    token_file, role = environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"), environ.get("AWS_ROLE_ARN")
    if token_file:
        own = f"https://sts.{region}.amazonaws.com" if _is_amazon(endpoint) else endpoint
        return _web_identity(environ.get("AWS_ENDPOINT_URL_STS") or own, token_file, role or "")
    address = environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not address and environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        address = "http://169.254.170.2" + environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
    if address:
        return _container(address, environ)
    raise GrantError(
        "The target says grant = 'pod', and the pod's service account has no credentials for the object store: neither "
        "AWS_WEB_IDENTITY_TOKEN_FILE nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set in the pod"
    )


def _is_amazon(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _web_identity(endpoint: str, token_file: str, role: str) -> Keys:
    with open(token_file, encoding="utf-8") as file:
        token = file.read().strip()
    fields = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleSessionName": "wherry",
        "WebIdentityToken": token,
    }
    if role:
        fields["RoleArn"] = role
    return parse_session(_fetched("POST", endpoint.rstrip("/") + "/", urlencode(fields).encode(), FORM))


def parse_session(answer: bytes) -> Keys:
    """The keys in an answer of STS.  Raises GrantError when it has none."""
    try:
        found = {
            element.tag.rpartition("}")[2]: element.text or "" for element in ElementTree.fromstring(answer).iter()
        }
        return Keys(
            found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], parse_time(found["Expiration"])
        )
    except (ElementTree.ParseError, KeyError, ValueError):
        raise GrantError("The answer of the provider's STS holds no credentials") from None


def parse_time(text: str) -> float:
    """Epoch seconds of a time as AWS writes it; fractions of seconds are left out.  Raises ValueError."""
    return float(calendar.timegm(time.strptime(text.partition(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S")))


def _container(address: str, environ: Mapping[str, str]) -> Keys:
    headers: dict[str, str] = {}
    token_file = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if token_file and os.path.isfile(token_file):
        with open(token_file, encoding="utf-8") as file:
            headers["Authorization"] = file.read().strip()
    elif environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        headers["Authorization"] = environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    answer: Any = json.loads(_fetched("GET", address, None, headers))
    return Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"], parse_time(answer["Expiration"]))


def fetch(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and content of one answer.  Raises GrantError when there is none."""
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=_TIMEOUT_S)
    try:
        connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise GrantError(f"{parts.scheme}://{parts.netloc} gives no credentials: {error}") from error
    finally:
        connection.close()


def _fetched(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    status, data = fetch(method, url, body, headers)
    if status != 200:
        where = url.partition("?")[0]
        raise GrantError(f"{where} gives no credentials: {status} {data[:500].decode('utf-8', 'replace')}")
    return data
