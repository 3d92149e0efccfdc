"""A chain of CHAIN_TASKS tasks, each a process of its own that adds one to what the task before it returned.

Run by `benchmarks.chain`, compiled by `benchmarks.compiling`, there also with kfp (BENCH_DSL=kfp).
"""

import importlib
import os

dsl = importlib.import_module(os.environ.get("BENCH_DSL", "wherry") + ".dsl")
TASKS = int(os.environ.get("CHAIN_TASKS", "20"))


@dsl.component
def add(a: int, b: int) -> int:
    return a + b


@dsl.pipeline
def chain(start: int = 0) -> int:
    last = add(a=start, b=1)
    for _ in range(TASKS - 1):
        last = add(a=last.output, b=1)
    return last.output
