"""Released public packages to compare with, each in a virtual environment of its own (their pins exclude each other).

Called by the oracle tests and by the benchmarks.  Environments are made once, by uv, under `.cache/oracles/`, behind a
file lock, and are keyed by Python and requirements.  The package indexes that this machine's pip is set up with are
used.  Each has a pip of its own, which kfp's local runners call.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "oracles"

KFP = ["kfp==2.17.0", "kfp-kubernetes==2.17.0"]
METAFLOW = ["metaflow==2.19.39"]
DAGSTER = ["dagster==1.13.29"]

# pip's setting -> uv's variable, and what stands between several values there.
_INDEX_SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", ""),
}


def index_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with uv told of the indexes in pip's configuration; what is set for uv already stays."""
    out = dict(environ)
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, env=out, check=False
    )
    found: dict[str, str] = {}
    for line in listed.stdout.splitlines():  # global.find-links='/some/folder'; the later line has precedence
        key, separator, value = line.partition("=")
        if separator:
            found[key.rpartition(".")[2]] = value.strip("'\"")
    for setting, (variable, joint) in _INDEX_SETTINGS.items():
        if found.get(setting):
            words = found[setting].replace("\\n", " ").split()
            out.setdefault(variable, joint.join(words))
    out.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # pip's own rule: the best version of all indexes
    return out


def python(name: str, requirements: list[str]) -> Path:
    """The interpreter of the environment `name` that has exactly `requirements`; made when it is not there yet."""
    key = hashlib.sha256(json.dumps([sys.version_info[:2], requirements]).encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{key}"
    interpreter = folder / "bin" / "python"
    if (folder / "ready").exists():
        return interpreter
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            environ = index_environment(os.environ)
            uv = str(Path(sys.executable).with_name("uv"))
            subprocess.run(
                [uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(folder)], check=True, env=environ
            )
            subprocess.run(
                [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(interpreter), *requirements],
                check=True,
                env=environ,
            )
            (folder / "ready").touch()
    return interpreter
