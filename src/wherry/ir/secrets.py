"""Names whose values people are not to be shown.

Called by whoever shows arguments, constants or defaults.  Pure, and loads nothing heavy.
"""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"(?:^|[^a-z])(?:password|passwd|passphrase|secret|token|api_?key|access_?key|private_?key|credentials?)s?(?:$|[^a-z])"
)


def is_secret(name: str) -> bool:
    """Whether a value of this name is not to be shown."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    return _SECRET.search(words) is not None
