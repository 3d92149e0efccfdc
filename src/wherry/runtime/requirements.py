"""Packages that a task needs and its image lacks: installed by pip before the task runs, as KFP does.

Called by `wherry.runtime.main` in a pod of a cluster, whose annotation comes as `WHERRY_ENVIRONMENT`.  Invariants: user
code runs in an interpreter that has been started after the installation; what the image has already is not fetched; a
task that needs nothing loads nothing for it.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys

from wherry.runtime.failures import RequirementsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VARIABLE = "WHERRY_ENVIRONMENT"
_METADATA = "importlib.metadata"  # the lazy entries: most tasks name no packages, or none that are missing
_INSTALLING = "wherry.runtime.installing"
_EXACT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:==([A-Za-z0-9.!+_-]+))?")


def install(environ: Mapping[str, str]) -> None:
    """Install what `environ` asks for and the image lacks; if anything was, start this program anew.

    Raises RequirementsError.
    """
    text = environ.get(VARIABLE)
    if not text:
        return
    asked: dict[str, Any] = json.loads(text)
    _check_python(asked.get("python"))
    missing = [each for each in asked.get("requirements") or () if not is_there(each)]
    os.environ.pop(VARIABLE, None)
    if not missing:
        return
    kept = importlib.import_module(_INSTALLING).install(missing, asked, environ)
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **kept})


def is_there(requirement: str) -> bool:
    """Whether the image has the package, in the exact version if one is named; False for what only pip can tell."""
    match = _EXACT.fullmatch(requirement.strip())
    if match is None:
        return False
    metadata = importlib.import_module(_METADATA)
    try:
        found = metadata.version(match[1])
    except metadata.PackageNotFoundError:
        return False
    return match[2] is None or match[2] == found


def _check_python(wanted: str | None) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if wanted and wanted != here:
        raise RequirementsError(f"[images] in wherry.toml says that this image has Python {wanted}, but it has {here}")
