"""How a task's failure is told: the error part of the commit record, the traceback trimmed to the user's code.

Used by `wherry.runtime.main` and the modules that it calls.  Invariant: frames of the runtime itself are never shown;
what the user reads begins in the user's own file.
"""

from __future__ import annotations

import os
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

_OWN_FOLDER = os.path.dirname((lambda: 0).__code__.co_filename) + os.sep  # where it was compiled, as frames say
_MESSAGE_LIMIT = 4_000  # characters kept of one message; the log has all of it
_TRACEBACK_LIMIT = 16_000

# Import names whose distribution has another name, for the hint about `packages_to_install`.
_DISTRIBUTIONS = {
    "Crypto": "pycryptodome",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google.cloud.storage": "google-cloud-storage",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


class TaskError(Exception):
    """The task fails with this sentence; `kind` is the error's type in the commit record."""

    def __init__(self, message: str, *, kind: str = "TaskError") -> None:
        super().__init__(message)
        self.kind = kind


class RequirementsError(TaskError):
    """Packages cannot be had; the message says which and why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="RequirementsError")


def error_record(error: BaseException) -> dict[str, Any]:
    """The `error` of a commit record: type, message, trimmed traceback and, where we have advice, a hint."""
    kind = error.kind if isinstance(error, TaskError) else type(error).__name__
    record: dict[str, Any] = {
        "type": kind,
        "message": printable(_text_of(error))[:_MESSAGE_LIMIT],
        "traceback": printable(trimmed_traceback(error)),
    }
    hint = hint_for(error)
    if hint:
        record["hint"] = hint
    return record


def simple_error(kind: str, message: str) -> dict[str, Any]:
    """An `error` that comes from no exception: the command's exit code, a signal."""
    return {"type": kind, "message": printable(message)[:_MESSAGE_LIMIT], "traceback": ""}


def trimmed_traceback(error: BaseException) -> str:
    """The traceback as Python prints it, from the first frame of user code on; "" when no user code was running."""
    trace = _first_user_frame(error.__traceback__)
    if trace is None and not isinstance(error, SyntaxError):
        return ""
    try:
        lines = traceback.format_exception(type(error), error, trace)
    except Exception:  # noqa: BLE001 - boundary: a user's exception may break its own formatting
        lines = [f"{type(error).__name__}\n"]
    text = "".join(lines)
    if len(text) > _TRACEBACK_LIMIT:
        text = text[:1_000] + "\n  ...\n" + text[-(_TRACEBACK_LIMIT - 1_000) :]
    return text


def hint_for(error: BaseException) -> str:
    """What to change so that the error goes away, or ""."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top = error.name.partition(".")[0]
    if top in sys.modules or top in ("kfp", "wherry"):
        return ""
    package = _DISTRIBUTIONS.get(error.name) or _DISTRIBUTIONS.get(top, top)
    return (
        f"Module '{top}' is not in this task's environment. Name it in the component's decorator: "
        f"@dsl.component(packages_to_install=['{package}']); if it is a module of your project, "
        "add its folder to [code] include in wherry.toml."
    )


def say(text: str) -> None:
    """Write a line to stderr, where the user's log is; a closed or full stderr is no reason to fail."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return


def printable(text: str) -> str:
    """The text with what cannot be written as UTF-8 (lone surrogates) spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - boundary: a user's exception may have a broken __str__
        return "<the exception cannot be printed>"


def _first_user_frame(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and _is_own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_own(filename: str) -> bool:
    return filename.startswith((_OWN_FOLDER, "<frozen"))
