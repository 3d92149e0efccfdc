"""Unpacks the archive of a project's code, whole or not at all.

Loaded by `wherry.runtime.source` when an archive is not unpacked yet.  Invariant: no member leaves the folder, and what
is unpacked is bounded.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile

from wherry.runtime.digests import file_sha256
from wherry.runtime.source import CodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CODE_LIMIT_BYTES = 2 << 30  # unpacked


def extract(code: Mapping[str, str], path: str, target: str) -> None:
    """Unpacks the archive at `path`, which has to be what `code` names, as the folder `target`.

    Raises CodeError and OSError.
    """
    try:
        with open(path, "rb") as file:
            if file_sha256(path) != code["sha256"]:
                raise CodeError(f"The code archive {path} does not have the digest it should have")
            temporary = tempfile.mkdtemp(prefix=f"{os.path.basename(target)}.", dir=os.path.dirname(target))
            try:
                with zipfile.ZipFile(file) as archive:
                    _check_members(archive, path)
                    archive.extractall(temporary)
                os.rename(temporary, target)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    except FileNotFoundError:
        raise CodeError(f"The code archive is gone: nothing at {path}") from None
    except zipfile.BadZipFile as error:
        raise CodeError(f"The code archive {path} is not a zip file: {error}") from None


def _check_members(archive: zipfile.ZipFile, path: str) -> None:
    size = 0
    for member in archive.infolist():
        name = member.orig_filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or "\0" in name or (len(name) > 1 and name[1] == ":"):
            raise CodeError(f"The code archive {path} has a member that would leave its folder: {name!r}")
        mode = member.external_attr >> 16
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
            raise CodeError(f"The code archive {path} has a member that is no file or folder: {name!r}")
        size += member.file_size
        if size > CODE_LIMIT_BYTES:
            raise CodeError(f"The code archive {path} unpacks to more than {CODE_LIMIT_BYTES:,} bytes")
