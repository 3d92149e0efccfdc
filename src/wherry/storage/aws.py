"""An S3 account: endpoint, region and keys, from the environment and the files that AWS' own tools read.

Called by `wherry.storage.objects` and `wherry.storage.grants`, on the server's side only.  Invariant: keys stay in
memory; what is asked for is told by name when it is not there.
"""

from __future__ import annotations

import configparser
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from wherry.errors import UsageError
from wherry.runtime.failures import TaskError
from wherry.runtime.grant import Renewed, of_pod, parse_time
from wherry.runtime.sigv4 import Keys
from wherry.storage.errors import StorageError

DEFAULT_REGION = "us-east-1"
_PROCESS_LIMIT_S = 60.0
_NEEDS_A_TOOL = ("sso_session", "sso_start_url", "role_arn")  # what a profile may say that only AWS' own tools do


class Account(NamedTuple):
    """Where S3 is and who asks; `keys` may take a while (a process, a request) and raises StorageError."""

    endpoint: str
    region: str
    sts: str
    keys: Callable[[], Keys]


class _Process(msgspec.Struct, rename="pascal"):
    """What a credential process prints."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    expiration: str = ""


def account(environ: Mapping[str, str], endpoint: str | None = None) -> Account:
    """The account that `environ` and its files name; `endpoint` replaces theirs.  Raises UsageError."""
    profile = _profile(environ)
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or profile.get("region") or DEFAULT_REGION
    given = (
        endpoint
        or environ.get("AWS_ENDPOINT_URL_S3")
        or environ.get("AWS_ENDPOINT_URL")
        or environ.get("AWS_ENDPOINT")
        or profile.get("endpoint_url")
    )
    own = given or f"https://s3.{region}.amazonaws.com"
    parts = urlsplit(own)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise UsageError(f"the endpoint {own!r} of the object store is not an http:// or https:// address")
    sts = environ.get("AWS_ENDPOINT_URL_STS") or (given or f"https://sts.{region}.amazonaws.com")
    return Account(own.rstrip("/"), region, sts, _keys(environ, profile, own, region))


def _keys(environ: Mapping[str, str], profile: Mapping[str, str], endpoint: str, region: str) -> Callable[[], Keys]:
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if access and secret:
        fixed = Keys(access, secret, environ.get("AWS_SESSION_TOKEN") or "")
        return lambda: fixed
    if profile.get("aws_access_key_id") and profile.get("aws_secret_access_key"):
        kept = Keys(
            profile["aws_access_key_id"], profile["aws_secret_access_key"], profile.get("aws_session_token") or ""
        )
        return lambda: kept
    if profile.get("credential_process"):
        command = profile["credential_process"]
        return Renewed(lambda: _of_process(command, environ))
    if any(
        environ.get(name)
        for name in (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        )
    ):
        return Renewed(lambda: _of_pod(environ, endpoint, region))
    raise UsageError("there are no credentials for the object store", hint=_hint(environ, profile))


def _hint(environ: Mapping[str, str], profile: Mapping[str, str]) -> str:
    name = environ.get("AWS_PROFILE") or "default"
    if any(profile.get(key) for key in _NEEDS_A_TOOL):
        return (
            f"The profile {name!r} needs AWS' own tools: give it a line"
            f" credential_process = aws configure export-credentials --profile {name} --format process"
        )
    return (
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where the home's server is started, or give the profile "
        f"{name!r} keys in ~/.aws/credentials; a server that runs already (wherry down stops it) has its environment."
    )


def _of_pod(environ: Mapping[str, str], endpoint: str, region: str) -> Keys:
    try:
        return of_pod(environ, endpoint, region)
    except (TaskError, OSError) as error:
        raise StorageError(f"the object store's credentials cannot be had: {error}") from error


def _of_process(command: str, environ: Mapping[str, str]) -> Keys:
    try:
        done = subprocess.run(
            shlex.split(command), env=dict(environ), capture_output=True, timeout=_PROCESS_LIMIT_S, check=True
        )
        told = msgspec.json.decode(done.stdout, type=_Process)
        ends_at = parse_time(told.expiration.replace("+00:00", "Z")) if told.expiration else None
    except (OSError, ValueError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        program = shlex.split(command)[:1]
        raise StorageError(f"the credential_process {program} gives no credentials: {error}") from error
    return Keys(told.access_key_id, told.secret_access_key, told.session_token, ends_at)


def _profile(environ: Mapping[str, str]) -> dict[str, str]:
    """What ~/.aws/credentials and ~/.aws/config say of the profile in use; the former has precedence."""
    name = environ.get("AWS_PROFILE") or "default"
    home = environ.get("HOME") or os.path.expanduser("~")
    config = environ.get("AWS_CONFIG_FILE") or os.path.join(home, ".aws", "config")
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join(home, ".aws", "credentials")
    found: dict[str, str] = {}
    known = False
    for path, section in ((config, name if name == "default" else f"profile {name}"), (credentials, name)):
        parser = configparser.RawConfigParser()
        try:
            parser.read(os.path.expanduser(path), encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
        if parser.has_section(section):
            known = True
            found |= dict(parser.items(section))
    if environ.get("AWS_PROFILE") and not known:
        raise UsageError(f"AWS_PROFILE names {name!r}, which is neither in {config} nor in {credentials}")
    return found
