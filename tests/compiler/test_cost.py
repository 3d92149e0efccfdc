"""The compiler's work grows with the pipeline, not with its square."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from wherry import dsl


@dsl.component
def step(n: int) -> int:
    return n + 1


def chain(tasks: int) -> Any:
    @dsl.pipeline
    def flow(x: int = 0) -> int:
        task = step(n=x)
        for _ in range(tasks - 1):
            task = step(n=task.output)
        return task.output

    return flow


def wide(tasks: int) -> Any:
    @dsl.pipeline
    def flow(x: int = 0):
        with dsl.If(x == 1):
            for _ in range(tasks):
                step(n=x)

    return flow


def many_groups(tasks: int) -> Any:
    @dsl.pipeline
    def flow(x: int = 0):
        for _ in range(tasks // 2):
            with dsl.ParallelFor([1, 2]) as n:
                step(n=n)
            with dsl.If(x == 1):
                step(n=x)

    return flow


def calls(make: Any, tasks: int) -> int:
    """How many functions are called: the cost without the machine's moods."""
    count = 0

    def counted(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        make(tasks)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("make", [chain, wide, many_groups])
def test_ten_times_the_tasks_cost_ten_times_as_much(make: Any) -> None:
    assert calls(make, 500) < 10.5 * calls(make, 50)
