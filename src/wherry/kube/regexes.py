"""Regular expressions that users write, in schemas and rules: Go's syntax, in time linear in the text.

Called by the validation of custom objects.  Invariant: no pattern makes a search take more than linear time or more
than a bounded memory (RE2); the library is loaded when the first pattern is compiled, never before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

RE2 = "re2"  # lazy: most servers never meet a pattern
_MEMORY_BYTES = 2 << 20  # of one compiled pattern


class MalformedPattern(ValueError):
    """The text is no regular expression of RE2, or one that needs too much memory."""


@lru_cache(maxsize=128)
def search(pattern: str) -> Callable[[str], bool]:
    """Whether a text has a part that the pattern matches, as a function; raises MalformedPattern."""
    re2: Any = import_module(RE2)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, ValueError) as problem:
        raise MalformedPattern(_text(problem)) from problem
    return lambda text: compiled.search(text) is not None


def _text(problem: Exception) -> str:
    said: Any = problem.args[0] if problem.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
