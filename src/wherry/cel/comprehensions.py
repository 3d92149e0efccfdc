"""Comprehensions: what all, exists, filter, map and their like do, step by step.

Called by `wherry.cel.evaluator`.  Invariant: each step is paid for before it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from wherry.cel.errors import NoValue
from wherry.cel.frames import Evaluate, Frame
from wherry.cel.values import truth, type_of


class Loop:
    """Steps through a list or map; each step sets the variables and gives the key (index) and the item."""

    def __init__(self, frame: Frame, value: Any, variables: tuple[str, ...]) -> None:
        self._frame = frame
        self.over_map = value.__class__ is dict
        self._variables = variables
        if self.over_map:
            self._pairs: Iterable[tuple[Any, Any]] = value.items() if len(variables) == 2 else ((k, k) for k in value)
        elif isinstance(value, list):
            self._pairs = enumerate(cast("list[Any]", value))
        else:
            raise NoValue(f"no such overload: {type_of(value)} cannot be ranged over")

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        frame, names = self._frame, self._variables
        for key, item in self._pairs:
            frame.spend(1)
            if len(names) == 2:
                frame.variables[names[0]] = key
                frame.variables[names[1]] = item
            else:
                frame.variables[names[0]] = item
            yield key, item


Test = Evaluate | None
Run = Callable[[Frame, "Loop", Test, Test], Any]


def _decided(decisive: bool) -> Callable[[Frame, Loop, Test, Test], bool]:
    """`all` (decided by False) and `exists` (by True): an item without a value does not matter when another decides."""

    def run(frame: Frame, loop: Loop, test: Test, step: Test) -> bool:
        assert test is not None
        fault: NoValue | None = None
        for _ in loop:
            try:
                if truth(test(frame)) is decisive:
                    return decisive
            except NoValue as problem:
                fault = fault or problem
        if fault:
            raise fault
        return not decisive

    return run


def _exists_one(frame: Frame, loop: Loop, test: Test, step: Test) -> bool:
    assert test is not None
    return sum([truth(test(frame)) for _ in loop]) == 1


def _filter(frame: Frame, loop: Loop, test: Test, step: Test) -> Any:
    assert test is not None
    return [item for _, item in loop if truth(test(frame))]


def _map(frame: Frame, loop: Loop, test: Test, step: Test) -> Any:
    assert step is not None
    return [step(frame) for _ in loop if test is None or truth(test(frame))]


def _transform_map(frame: Frame, loop: Loop, test: Test, step: Test) -> Any:
    assert step is not None
    return {key: step(frame) for key, _ in loop if test is None or truth(test(frame))}


MACROS: dict[str, Run] = {
    "all": _decided(False),
    "exists": _decided(True),
    "exists_one": _exists_one,
    "existsOne": _exists_one,
    "filter": _filter,
    "map": _map,
    "transformList": _map,
    "transformMap": _transform_map,
}
