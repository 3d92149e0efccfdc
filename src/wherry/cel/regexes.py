"""Regular expressions of users: RE2's, whose time is linear in the text, whatever the pattern.

Called wherever a pattern comes from a document: `matches`, `find`, a schema's `pattern`.  Invariant: no pattern and no
text make a search take more than linear time, or a compilation more than a few megabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from wherry.cel.errors import NoValue

_ENGINE = "re2"  # google-re2, loaded when the first pattern is needed
_MAX_BYTES = 2 << 20
_MAX_PATTERN = 100_000
_STATES_PER_STEP = 50  # of a search: characters of the text times instructions of the pattern


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """The pattern, as an object with `search(text)` and `finditer(text)`; raises NoValue with what is wrong."""
    re2: Any = import_module(_ENGINE)
    if len(pattern) > _MAX_PATTERN:
        raise NoValue(f"the pattern has {len(pattern)} characters; more than {_MAX_PATTERN} are refused")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_BYTES
    try:
        return re2.compile(pattern, options=options)
    except (re2.error, UnicodeError) as problem:
        why = problem.args[0] if problem.args else problem
        why = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise NoValue(f"error parsing regexp: {why}") from None


def search_cost(arguments: Sequence[Any], steps: int) -> int:
    """What a search costs that may have to follow every state of the pattern at every character."""
    text, pattern = arguments[0], arguments[1]
    return 1 + len(text) * compiled(pattern).programsize // _STATES_PER_STEP


def matches(text: str, pattern: str) -> bool:
    """Whether a part of the text matches; raises NoValue for what is no pattern."""
    found = compiled(pattern)
    try:
        return found.search(text) is not None
    except UnicodeError:
        raise NoValue("the text has half of a character (a lone surrogate)") from None


def find(text: str, pattern: str) -> str:
    """The first part of the text that matches, empty without one."""
    found = compiled(pattern).search(text)
    return found.group() if found is not None else ""


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """All parts that match, in order, at most `limit` of them (-1: all)."""
    if limit == 0:
        return []
    made: list[str] = []
    for found in compiled(pattern).finditer(text):
        made.append(found.group())
        if len(made) == limit:
            break
    return made
