"""The names that a document is made of: KFP's rules for task, component and executor names.

Called by the DSL when it registers a task and by the compiler for components and executors.
"""

from __future__ import annotations

from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_sanitized: dict[str, str] = {}


def sanitize(name: str) -> str:
    """Lower-cased, everything but `a-z` and `0-9` one `-`, none at the ends: a name that Kubernetes takes."""
    known = _sanitized.get(name)
    if known is None:
        text = "".join(char if char in _ALLOWED else "-" for char in name.lower())
        known = _sanitized[name] = "-".join(part for part in text.split("-") if part)
    return known


def component_key(name: str) -> str:
    """The key under `components` of the task or group `name`."""
    return "comp-" + sanitize(name)


def executor_label(name: str) -> str:
    """The key under `deploymentSpec.executors` of the task `name`."""
    return "exec-" + sanitize(name)


def validate_pipeline_name(name: str) -> None:
    """Raise ValueError unless the name is 1 to 128 of `a-z`, `0-9` and `-`, the first of them not `-`."""
    if not name or len(name) > 128 or name[0] == "-" or not all(char in _ALLOWED or char == "-" for char in name):
        raise ValueError(
            at(
                f"Invalid pipeline name: {name}.\nPlease specify a pipeline name that matches the regular expression "
                '"^[a-z0-9][a-z0-9-]{0,127}$" using `dsl.pipeline(name=...)` decorator.'
            )
        )


class UniqueNames:
    """Names in use.  `take` gives the name itself or, if it is taken, the first free of `name-2`, `name-3`, ...

    Constant time on average: names are never given back, so the first free index of a name only grows.
    """

    __slots__ = ("_next", "_used")

    def __init__(self, used: Iterable[str] = ()) -> None:
        self._used = set(used)
        self._next: dict[str, int] = {}

    def free(self, name: str) -> str:
        """The name that `take` would give."""
        if name not in self._used:
            return name
        index = self._next.get(name, 2)
        while f"{name}-{index}" in self._used:
            index += 1
        self._next[name] = index
        return f"{name}-{index}"

    def take(self, name: str) -> str:
        """A free name, in use from now on."""
        free = self.free(name)
        self._used.add(free)
        return free
