"""Where in the user's own source a task, a group or a mistake is.

Called whenever the DSL makes a record or refuses something.  Invariant: a place never points into wherry itself.
"""

from __future__ import annotations

import os
import sys

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_COMMAND_LINE = os.path.join(_PACKAGE, "cli", "")  # what has called it is not a user's source


def caller() -> str:
    """`file.py:12` of the innermost frame outside of wherry; empty when there is none."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - documented, and the only cheap way
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(_COMMAND_LINE):
            return ""
        if not filename.startswith(_PACKAGE) and not filename.startswith("<frozen"):
            return f"{os.path.basename(filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def at(message: str, place: str = "") -> str:
    """The message with the place in the user's source that it is about (the caller's, when none is given)."""
    where = place or caller()
    return f"{message} ({where})" if where else message
