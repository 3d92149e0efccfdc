"""Whether this machine lets containers have mounts: found out by trying.

Called by `wherry doctor`; a server never loads it.  Invariant: the trial is a process of its own, and leaves nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_MOUNTS = str(Path(__file__).with_name("mounts.py"))
_TRIAL = (
    "import os, runpy, sys; path, folder = sys.argv[1:]; os.mkdir(folder + '/source');"
    " runpy.run_path(path)['mount']([(folder + '/source', folder + '/target', True)], folder)"
)


def why_none() -> str:
    """Why containers of this machine can have no mounts; "" when they can.  Tries it, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _TRIAL, _MOUNTS, folder], capture_output=True, text=True, check=False
        )
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
