"""Files that travel inside of a component: an archive in its source, unpacked when the source is loaded.

Called by `wherry.dsl.python_component` for `embedded_artifact_path` and by `wherry.dsl.notebooks`.  The names that the
unpacking code leaves behind are those by which KFP's executor finds the files.
"""

from __future__ import annotations

import os

from wherry.compiler.places import at

_HELPER = """__KFP_EMBEDDED_ARCHIVE_B64 = '{archive}'

import base64 as __kfp_b64
import io as __kfp_io
import os as __kfp_os
import sys as __kfp_sys
import tarfile as __kfp_tarfile
import tempfile as __kfp_tempfile

# Extract embedded archive at import time to ensure sys.path and globals are set
__kfp_tmpdir = __kfp_tempfile.TemporaryDirectory()
__KFP_EMBEDDED_ASSET_DIR = __kfp_tmpdir.name
try:
    __kfp_bytes = __kfp_b64.b64decode(__KFP_EMBEDDED_ARCHIVE_B64.encode('ascii'))
    with __kfp_tarfile.open(fileobj=__kfp_io.BytesIO(__kfp_bytes), mode='r:gz') as __kfp_tar:
        __kfp_tar.extractall(path=__KFP_EMBEDDED_ASSET_DIR)
except Exception as __kfp_e:
    raise RuntimeError(f'Failed to extract embedded archive: {{__kfp_e}}')

# Always prepend the extracted directory to sys.path for import resolution
if __KFP_EMBEDDED_ASSET_DIR not in __kfp_sys.path:
    __kfp_sys.path.insert(0, __KFP_EMBEDDED_ASSET_DIR)
{file}
"""


_LARGE_BYTES = 1 << 20


def helper_source(path: str) -> str:
    """The source that unpacks a file or a folder, with the archive in it.  Raises ValueError when it is not there."""
    if not os.path.exists(path):
        raise ValueError(at(f"embedded_artifact_path does not exist: {path}"))
    file = "" if os.path.isdir(path) else _file_line(os.path.basename(os.path.normpath(path)))
    return _HELPER.format(archive=archive_text(path), file=file)


def archive_text(path: str) -> str:
    """A file, or what is in a folder, as a tar.gz archive in base64: the same text for the same contents and modes."""
    import base64  # noqa: PLC0415 - only components with embedded files need these
    import gzip  # noqa: PLC0415
    import io  # noqa: PLC0415
    import tarfile  # noqa: PLC0415
    import warnings  # noqa: PLC0415

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        name = "." if os.path.isdir(path) else os.path.basename(os.path.normpath(path))
        archive.add(path, arcname=name, filter=anonymous)
    packed = gzip.compress(buffer.getvalue(), mtime=0)
    if len(packed) > _LARGE_BYTES:
        warnings.warn(
            at(
                f"Embedded artifact archive is large ({len(packed) / _LARGE_BYTES:.1f}MB compressed). "
                "Consider moving large assets to a container image or object store."
            ),
            UserWarning,
            stacklevel=2,
        )
    return base64.b64encode(packed).decode("ascii")


def _file_line(name: str) -> str:
    return f"\n__KFP_EMBEDDED_ASSET_FILE = __kfp_os.path.join(__KFP_EMBEDDED_ASSET_DIR, '{name}')\n"
