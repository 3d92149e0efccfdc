"""How big a pipeline document may be, and how much of it a message repeats.

Read by the modules of `wherry.ir`.
"""

from __future__ import annotations

MAX_BYTES = 64 << 20
MAX_DEPTH = 100  # KFP's own documents stay below 20
MAX_BITS = 1023  # larger integers are no doubles, which protobuf's numbers are
_MESSAGE_CHARS = 600


def shortened(text: str) -> str:
    """A message that repeats what the document says, at a length that somebody reads."""
    if len(text) <= _MESSAGE_CHARS:
        return text
    return f"{text[: _MESSAGE_CHARS - 100]} … {text[-100:]}"
