"""A Python of a command's own, for one that installs packages: what it installs, no other task sees.

Called by `wherry.runtime.commands` where the task's interpreter belongs to others too.  Invariant: nothing outside the
given folder is written; the packages of the shared interpreter stay importable, those installed now come first.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import site
import sys
import sysconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTALLS = re.compile(r"\b(?:pip3?|ensurepip)\b")
_PIP_SCRIPT = '#!/bin/sh\nexec "$(dirname "$0")/python3" -m pip "$@"\n'


def is_needed(words: Sequence[str]) -> bool:
    """Whether the command line speaks of pip."""
    return any(_INSTALLS.search(word) for word in words)


def make(folder: str) -> str:
    """Make a virtual environment in `folder`, on top of the running interpreter's; returns its `bin`.

    Raises OSError.
    """
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    base = str(getattr(sys, "_base_executable", None) or sys.executable)
    packages = os.path.join(folder, "lib", minor, "site-packages")
    programs = os.path.join(folder, "bin")
    os.makedirs(packages)
    os.makedirs(programs)
    for name in ("python", "python3", minor):
        os.symlink(base, os.path.join(programs, name))
    for name in ("pip", "pip3"):
        with open(os.path.join(programs, name), "w") as file:
            file.write(_PIP_SCRIPT)
        os.chmod(os.path.join(programs, name), 0o755)
    with open(os.path.join(folder, "pyvenv.cfg"), "w") as file:
        file.write(f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\n")
    with open(os.path.join(packages, "_shared.pth"), "w") as file:
        for shared in site.getsitepackages():
            file.write(f"import site; site.addsitedir({shared!r})\n")
        file.writelines(f"{wheel}\n" for wheel in pip_wheels())
    return programs


def pip_wheels() -> list[str]:
    """The wheel of pip that Python brings, from which it runs as it is; [] where pip is installed, or nowhere."""
    if importlib.util.find_spec("pip") is not None:
        return []
    bundled = os.path.join(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")
    folders = [bundled, sysconfig.get_config_var("WHEEL_PKG_DIR") or bundled]
    return [wheel for folder in folders for wheel in sorted(glob.glob(os.path.join(folder, "pip-*.whl")))][-1:]
