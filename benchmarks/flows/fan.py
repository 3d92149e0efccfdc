"""A loop over as many items as the argument has; nothing collects what its tasks return.

Run by `benchmarks.cluster`.
"""

from typing import List  # noqa: UP035 - as KFP's users write it

from wherry import dsl


@dsl.component
def add(a: int, b: int) -> int:
    return a + b


@dsl.pipeline
def fan(items: List[int]):  # noqa: UP006
    with dsl.ParallelFor(items=items) as item:
        add(a=item, b=1)
