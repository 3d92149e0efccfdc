"""Builds `runtime.pyz`, the one file that carries the runtime into a task, from this package's own files.

Called by the server when it prepares a home and by the cluster side for its ConfigMap.  Invariant: deterministic: equal
sources give equal bytes, on every machine and Python, so that the content digest names the runtime.

The root of the archive has `__main__.py`, `wherry/` (this package, and a `wherry.dsl` for use inside tasks) and `kfp/`.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

_MAIN = """\
import os
import sys

from wherry.runtime import main

main.preload()
sys.exit(main.run(os.environ))
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = frozenset(("zipapp.py",))  # of no use inside a task


def content() -> bytes:
    """The archive's bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(_members().items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            info.create_system = 3  # Unix, wherever it is built
            archive.writestr(info, data)
    return buffer.getvalue()


def digest() -> str:
    """The sha256 (hex) of the archive."""
    return hashlib.sha256(content()).hexdigest()


def build(dest: Path) -> Path:
    """Write the archive to `dest`, or, where that is a folder, to `runtime-<first 12 of its digest>.pyz` in it.

    An archive with these bytes that is there already is left alone; the file appears whole.  Returns its path.  Raises
    OSError.
    """
    data = content()
    path = dest / f"runtime-{hashlib.sha256(data).hexdigest()[:12]}.pyz" if dest.is_dir() else dest
    if path.is_file() and path.read_bytes() == data:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
    return path


def _members() -> dict[str, bytes]:
    package = Path(__file__).parent
    inside = package / "shim" / "inside_wherry"
    members = {
        "__main__.py": _MAIN.encode(),
        "wherry/__init__.py": (inside / "wherry_package.py").read_bytes(),
        "wherry/dsl/__init__.py": (inside / "wherry_dsl.py").read_bytes(),
    }
    for file in package.glob("*.py"):
        if file.name not in _LEFT_OUT:
            members[f"wherry/runtime/{file.name}"] = file.read_bytes()
    for file in (package / "shim" / "kfp").rglob("*.py"):
        members[file.relative_to(package / "shim").as_posix()] = file.read_bytes()
    return members
