"""The commit record: the one fact that says an attempt is over and how.

Called by `wherry.runtime.main`, last of all.  Invariant: a record is made once, whole, and never changed; the
termination message is only a copy.  Record: `{"v": 1, "state": "SUCCEEDED" | "FAILED", "exit_code": int, "outputs":
{...} | null, "error": {"type", "message", "traceback", "hint"?} | null}`.
"""

from __future__ import annotations

import json
import os

from wherry.runtime import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MESSAGE_LIMIT_BYTES = 4000  # Kubernetes keeps 4096 of a termination message
MESSAGE_VARIABLE = "WHERRY_TERMINATION_LOG"
_DEFAULT_MESSAGE_PATH = "/dev/termination-log"


class Outcome:
    """How the user's code ended; `final` is False when the attempt was stopped from outside and must not commit."""

    def __init__(
        self,
        exit_code: int,
        *,
        outputs: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
        final: bool = True,
    ) -> None:
        self.exit_code = exit_code
        self.outputs = outputs
        self.error = error
        self.final = final

    def record(self) -> bytes:
        """The commit record's text."""
        fields = {
            "v": 1,
            "state": "SUCCEEDED" if self.error is None else "FAILED",
            "exit_code": self.exit_code,
            "outputs": self.outputs,
            "error": self.error,
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def existing(uri: str) -> bytes | None:
    """The record at `uri`, or None.  Raises StoreError and OSError."""
    place = store.store_for(uri)
    return place.read(uri) if place.exists(uri) else None


def exit_code_of(record: bytes) -> int:
    """The exit code that a record holds; 1 when it cannot be read."""
    try:
        return int(json.loads(record)["exit_code"])
    except (ValueError, KeyError, TypeError):
        return 1


def write(uri: str, record: bytes) -> bool:
    """Create the record; False when there is one already.  Raises StoreError and OSError."""
    return store.store_for(uri).create(uri, record)


def write_termination_message(record: bytes, environ: Mapping[str, str]) -> None:
    """Copy a record that fits into the pod's termination message; what cannot be written is left to the record."""
    path = environ.get(MESSAGE_VARIABLE)
    flags = os.O_WRONLY | os.O_TRUNC | (os.O_CREAT if path else 0)
    if len(record) > MESSAGE_LIMIT_BYTES:
        return
    try:
        descriptor = os.open(path or _DEFAULT_MESSAGE_PATH, flags, 0o644)
    except OSError:
        return  # no such file outside a pod
    try:
        os.write(descriptor, record)
    except OSError:
        return  # a full disk: the record speaks
    finally:
        os.close(descriptor)
