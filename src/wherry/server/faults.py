"""What ended a server, as a sentence for its user.

Called where a server's process ends: `wherry.server.__main__` and `wherry up`.  Invariant: every error becomes one
`WherryError`; what is a mistake of ours is a `Fault`.
"""

from __future__ import annotations

from typing import cast

from wherry.errors import WherryError
from wherry.home import Home


def explained(error: BaseException, home: Home) -> WherryError:
    """The sentence for a user in what ended the server: of several errors, the first that has one."""
    if isinstance(error, WherryError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = cast("BaseExceptionGroup[BaseException]", error).exceptions
        reasons = [explained(inner, home) for inner in found]
        return next((reason for reason in reasons if not isinstance(reason, Fault)), reasons[0])
    if isinstance(error, OSError):
        where = error.filename or home.path
        return WherryError(f"the server cannot go on: {error.strerror or error}: {where}")
    return Fault(
        f"the server ended by a fault of wherry's own: {type(error).__name__}: {error}",
        hint=f"{home.log} has the traceback; please report it",
    )


class Fault(WherryError):
    """What ended the server is a mistake in wherry."""
