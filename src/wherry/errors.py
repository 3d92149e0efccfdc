"""Errors that a user sees: one base, so that the edges (CLI, server) know what to print plainly.

Called from every layer.  Invariant: a `WherryError` is a finished sentence for the user; anything else that
escapes is a fault of ours and is shown as such.
"""

from __future__ import annotations


class WherryError(Exception):
    """A problem the user can act on.  `hint` says what to do next, when there is something to say."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(WherryError):
    """The command line, a file or an argument is wrong; the process exits with 2."""
