"""A loop over as many items as the argument has, and one task that collects what all of them returned.

Run by `benchmarks.wide`.
"""

from typing import List  # noqa: UP035 - as KFP's users write it

from wherry import dsl


@dsl.component
def add(a: int, b: int) -> int:
    return a + b


@dsl.component
def total(numbers: List[int]) -> int:  # noqa: UP006
    return sum(numbers)


@dsl.pipeline
def wide(items: List[int], offset: int = 1) -> int:  # noqa: UP006
    with dsl.ParallelFor(items=items) as item:
        one = add(a=item, b=offset)
    return total(numbers=dsl.Collected(one.output)).output
