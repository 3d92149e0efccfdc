"""Short-lived credentials for tasks: sessions that may read a task's inputs and write below its attempt's own folder.

Made by `wherry.storage.stores.open_granter`.  Invariant: a grant never gives more than its policy says, and ends; the
server's own credentials go nowhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

from wherry.runtime.failures import TaskError
from wherry.runtime.grant import FORM, fetch, parse_session
from wherry.runtime.sigv4 import signed_headers
from wherry.storage.aws import Account, account
from wherry.storage.errors import GrantRefused, StorageError
from wherry.storage.stores import Grant, Granter, ObjectSettings

POLICY_LIMIT = 2048
"""The longest policy of a session that AWS takes, in characters."""
_VERSION = "2011-06-15"
_PASSING = frozenset((429, 500, 502, 503, 504))
_NOT_IN_SESSION_NAMES = re.compile(r"[^A-Za-z0-9_=,.@-]+")
_PATTERN = re.compile(r"[*?$]")
_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
_HINTS = {
    "MissingParameter": "Name a role for tasks: grant_role.",
    "ValidationError": "Name a role for tasks (grant_role), whose longest session is at least grant_hours.",
    "InvalidParameterValue": "See grant_role and grant_hours of the target.",
    "InvalidAction": "This object store gives no sessions; grant = 'pod' uses the pods' own identity.",
    "NotImplemented": "This object store gives no sessions; grant = 'pod' uses the pods' own identity.",
    "AccessDenied": "The server's own credentials must be allowed to assume grant_role.",
    "PackedPolicyTooLarge": "The task reads too many places at once.",
}


def make(url: str, environ: Mapping[str, str], settings: ObjectSettings) -> Granter:
    """The granter of the store at `url`.  Raises UsageError."""
    found = account(environ, settings.endpoint)
    return Pods(found) if settings.grant == "pod" else Sessions(url, found, settings)


class Pods:
    """Lets pods use the identity that their service account has with the provider; nothing is handed to them."""

    def __init__(self, account: Account) -> None:
        self._text = _text("pod", account)

    async def grant(self, root: str, reads: Sequence[str]) -> Grant:
        """See `Granter`."""
        return Grant(self._text, secret=False)


class Sessions:
    """Asks STS for a session of `grant_role`, or of the server's own user where the provider needs no role."""

    def __init__(self, url: str, account: Account, settings: ObjectSettings) -> None:
        self._url = url.rstrip("/")
        self._account = account
        self._settings = settings

    async def grant(self, root: str, reads: Sequence[str]) -> Grant:
        """See `Granter`."""
        asked = policy(root, reads, store=self._url, region=self._account.region)
        name = "wherry-" + _NOT_IN_SESSION_NAMES.sub("-", root[len(self._url) :].strip("/"))[-57:].strip("-")
        try:
            return await asyncio.to_thread(self._ask, asked, name)
        except TaskError as error:
            raise StorageError(f"no grant for {root}: {error}") from error

    def _ask(self, asked: str, name: str) -> Grant:
        fields = {
            "Action": "AssumeRole",
            "Version": _VERSION,
            "RoleSessionName": name,
            "DurationSeconds": str(round(self._settings.grant_hours * 3600)),
            "Policy": asked,
        }
        if self._settings.grant_role:
            fields["RoleArn"] = self._settings.grant_role
        body = urlencode(fields).encode()
        parts = urlsplit(self._account.sts)
        path = parts.path or "/"
        headers = signed_headers(
            self._account.keys(),
            "POST",
            path,
            "",
            {**FORM, "host": parts.netloc},
            hashlib.sha256(body).hexdigest(),
            region=self._account.region,
            service="sts",
            now=time.time(),
        )
        status, answer = fetch("POST", self._account.sts, body, headers)
        if status != 200:
            raise self._refusal(status, answer)
        keys = parse_session(answer)
        secret = {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "session_token": keys.token,
            "ends_at": keys.ends_at,
        }
        return Grant(_text("keys", self._account, **secret), secret=True, ends_at=keys.ends_at)

    def _refusal(self, status: int, answer: bytes) -> StorageError:
        try:
            elements = {each.tag.rpartition("}")[2]: each.text or "" for each in ElementTree.fromstring(answer).iter()}
        except ElementTree.ParseError:
            elements = {}
        code = elements.get("Code", "")
        said = ": ".join(part for part in (code, elements.get("Message", "")) if part) or f"status {status}"
        message = f"{self._account.sts} gives no session for a task: {said}"
        if status in _PASSING or code in ("Throttling", "SlowDown"):
            return StorageError(message)
        return GrantRefused(message, hint=_HINTS.get(code, "See the target's grant, grant_role and grant_hours."))


def policy(root: str, reads: Sequence[str], *, store: str, region: str = "") -> str:
    """The policy of a task's session, as JSON: write below `root`, read that and `reads`.

    Where the reads are too many for a policy, those of the same run become the run's folder, then all those in
    `store` become the store.  Raises GrantRefused when that is still too long.
    """
    partition = next((name for start, name in _PARTITIONS.items() if region.startswith(f"{start}-")), "aws")
    for widened in (reads, [_run_of(uri, store) for uri in reads], [_store_of(uri, store) for uri in reads]):
        text = json.dumps(_document(root, widened, partition), separators=(",", ":"))
        if len(text) <= POLICY_LIMIT:
            return text
    raise GrantRefused(
        f"the task at {root} reads from {len(set(reads))} places, which no session of the object store can be given",
        hint="Put what it imports below one folder, or give pods an identity of their own: grant = 'pod'.",
    )


def _document(root: str, reads: Iterable[str], partition: str) -> dict[str, Any]:
    arn = f"arn:{partition}:s3:::"
    readable = list(_outermost([root, *reads]))
    prefixes: dict[str, list[str]] = {}
    for uri in readable:
        bucket, _, key = uri.partition("://")[2].partition("/")
        key = _escaped(key)
        prefixes.setdefault(bucket, []).extend([key, f"{key}/*"] if key else ["*"])
    objects = [f"{arn}{bucket}/{key}" for bucket, keys in prefixes.items() for key in keys]
    own = f"{arn}{_escaped(root.partition('://')[2])}/*"
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:AbortMultipartUpload"], "Resource": own},
    ]
    for bucket, keys in prefixes.items():
        condition = {"StringLike": {"s3:prefix": keys}}
        statements.append(
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"{arn}{bucket}", "Condition": condition}
        )
    return {"Version": "2012-10-17", "Statement": statements}


def _outermost(uris: Iterable[str]) -> Iterator[str]:
    """Each once, without those that lie inside another."""
    last = ""
    for uri in sorted(set(uris), key=lambda uri: f"{uri}/"):
        if not last or not f"{uri}/".startswith(f"{last}/"):
            last = uri
            yield uri


def _run_of(uri: str, store: str) -> str:
    """The folder of the run that made it: `<store>/<pipeline>/<run>`."""
    inside = uri[len(store) + 1 :].split("/") if uri.startswith(f"{store}/") else []
    return "/".join([store, *inside[:2]]) if len(inside) > 2 else uri


def _store_of(uri: str, store: str) -> str:
    return store if uri.startswith(f"{store}/") else uri


def _escaped(key: str) -> str:
    """What stands for itself in a policy's patterns."""
    return _PATTERN.sub(lambda found: f"${{{found[0]}}}", key)


def _text(kind: str, account: Account, **fields: Any) -> str:
    return json.dumps({"v": 1, "kind": kind, "endpoint": account.endpoint, "region": account.region, **fields})
