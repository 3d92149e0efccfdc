"""Files that travel inside of a component: an archive in its source, unpacked when the source is loaded.

Called by `wherry.dsl.python_component` for `embedded_artifact_path`.  The names that the unpacking code leaves behind
are those by which KFP's executor finds the files.
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


def helper_source(path: str) -> str:
    """The source that unpacks a file or a folder, with the archive in it.

    The archive is the same for the same files, whenever it is made.  Raises ValueError when there is nothing there.
    """
    import base64  # noqa: PLC0415 - only components with embedded files need these
    import gzip  # noqa: PLC0415
    import io  # noqa: PLC0415
    import tarfile  # noqa: PLC0415

    if not os.path.exists(path):
        raise ValueError(at(f"embedded_artifact_path does not exist: {path}"))
    name = os.path.basename(os.path.normpath(path))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(path, arcname="." if os.path.isdir(path) else name)
    packed = gzip.compress(buffer.getvalue(), mtime=0)
    file = "" if os.path.isdir(path) else _file_line(name)
    return _HELPER.format(archive=base64.b64encode(packed).decode("ascii"), file=file)


def _file_line(name: str) -> str:
    return f"\n__KFP_EMBEDDED_ASSET_FILE = __kfp_os.path.join(__KFP_EMBEDDED_ASSET_DIR, '{name}')\n"
