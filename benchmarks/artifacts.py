"""`python -m benchmarks.artifacts [--gib N] [--files N]` moves a large file and many small ones through S3.

Not part of `make bench`: 5 GiB and 10,000 files take minutes.  Both ways as a task does it, in a process of its own,
against a real S3 server on this machine.  Prints one JSON document: seconds, MiB or files a second, and by how much the
process grew; exit code 1 when it grew with the sizes or something came back different.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import objectstore

from wherry.runtime import zipapp

MOST_MIB = 64  # a piece and a connection for each thread, whatever the sizes
PROGRAM = """
import json, os, resource, shutil, sys, time
from wherry.runtime.digests import digest
from wherry.runtime.remote import RemoteStore
from wherry.runtime.s3 import Client
from wherry.runtime.sigv4 import Keys

endpoint, access, secret, bucket, folder, size, files = sys.argv[1:]
store = RemoteStore(Client(endpoint, "us-east-1", lambda: Keys(access, secret)), folder)

def rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def move(name, make):
    uri = f"s3://{bucket}/{name}"
    path = store.local_path(uri)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    make(path)
    before = digest(path)
    grown, start = rss(), time.perf_counter()
    store.keep(uri)
    up = time.perf_counter()
    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    middle = time.perf_counter()
    assert store.fetch([uri]) == []
    end = time.perf_counter()
    assert digest(path) == before
    return {"up_s": up - start, "down_s": end - middle, "grown_mib": rss() - grown}

def sparse(path):
    with open(path, "wb") as file:
        file.write(b"begin")
        file.truncate(int(size))

def many(path):
    for number in range(int(files)):
        target = f"{path}/{number % 100}/{number}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w") as file:
            file.write(str(number))

print(json.dumps({"file": move("file", sparse), "folder": move("folder", many)}))
"""


def main() -> int:
    """Take the figures and print them."""
    parser = argparse.ArgumentParser(description="Moves a large file and many small ones through an object store.")
    parser.add_argument("--gib", type=float, default=5.0, help="size of the file; default 5")
    parser.add_argument("--files", type=int, default=10_000, help="files in the folder; default 10,000")
    asked = parser.parse_args()
    size = int(asked.gib * (1 << 30))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pyz = zipapp.build(folder / "runtime.pyz")
        (folder / "server").mkdir()
        with objectstore.serve(folder / "server") as server:
            words = [server.endpoint(), server.access_key, server.secret_key, objectstore.BUCKET]
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, *words, str(folder / "task"), str(size), str(asked.files)],
                env={"PYTHONPATH": str(pyz), "PATH": os.environ["PATH"]},
                stdout=subprocess.PIPE,
                check=True,
            )
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    for way in ("up", "down"):
        found["file"][f"{way}_mib_per_s"] = size / (1 << 20) / found["file"][f"{way}_s"]
        found["folder"][f"{way}_files_per_s"] = asked.files / found["folder"][f"{way}_s"]
    rounded = {what: {name: round(value, 2) for name, value in each.items()} for what, each in found.items()}
    print(json.dumps({"gib": asked.gib, "files": asked.files, **rounded}, indent=2))
    return int(any(each["grown_mib"] > MOST_MIB for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
