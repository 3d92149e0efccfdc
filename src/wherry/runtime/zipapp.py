"""Builds `runtime.pyz`, the one file that carries the runtime into a task, from this package's own files.

Called by the server when it prepares a home and by the cluster side for its ConfigMap.  Invariant: deterministic: equal
sources give equal bytes, on every machine and Python, so that the content digest names the runtime.

The root of the archive has `__main__.py`, `wherry/` (this package, and a `wherry.dsl` for use inside tasks) and `kfp/`.
A home's archive also has the running Python's code beside the sources, which other Pythons pass over: compiling the
runtime is most of the time that a command task or a zygote takes to start.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import os
import zipfile
from importlib.machinery import SourceFileLoader
from pathlib import Path

_MAIN = """\
import os
import sys

if sys.argv[1:2] == ["--carry"]:
    from wherry.runtime import carrying

    sys.exit(carrying.carry(sys.argv[2]))

from wherry.runtime import main

main.preload()
sys.exit(main.run(os.environ))
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNCHECKED = (1).to_bytes(4, "little")  # PEP 552: this code goes with its source; look at no time or digest
_WITHOUT_REFERENCES = 2  # later formats of marshal mark what else in the process holds a string: each process differs
_LEFT_OUT = frozenset(("zipapp.py",))  # of no use inside a task


def content(*, compiled: bool = False) -> bytes:
    """The archive's bytes; with `compiled`, also what the running Python makes of the sources."""
    members = _members()
    if compiled:
        members.update(_code())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(members.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            info.create_system = 3  # Unix, wherever it is built
            archive.writestr(info, data)
    return buffer.getvalue()


def digest() -> str:
    """The sha256 (hex) of the archive."""
    return hashlib.sha256(content()).hexdigest()


def build(dest: Path, *, compiled: bool = False) -> Path:
    """Write the archive to `dest`, or, where that is a folder, to `runtime-<first 12 of its digest>.pyz` in it.

    An archive with these bytes that is there already is left alone; the file appears whole.  Returns its path.  Raises
    OSError.
    """
    data = content(compiled=compiled)
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
        if file.parent.name == "types":
            members[f"wherry/dsl/types/{file.name}"] = file.read_bytes()
    return members


def _code() -> dict[str, bytes]:
    """The package's modules as this Python has compiled them, each to be found by `zipimport` before its source."""
    members: dict[str, bytes] = {}
    for file in Path(__file__).parent.glob("*.py"):
        if file.name not in _LEFT_OUT:
            code = SourceFileLoader(f"{__package__}.{file.stem}", str(file)).get_code(f"{__package__}.{file.stem}")
            header = importlib.util.MAGIC_NUMBER + _UNCHECKED + bytes(8)
            members[f"wherry/runtime/{file.stem}.pyc"] = header + marshal.dumps(code, _WITHOUT_REFERENCES)
    return members
