"""The chain of `chain.py` for Dagster, each step a process of its own: prints the seconds that the run took.

Run by `benchmarks.chain` with the interpreter that has Dagster.  The multiprocess executor starts a new interpreter for
each step; values pass through files, as Dagster does by default.
"""

import os
import time

from dagster import DagsterInstance, execute_job, job, multiprocess_executor, op, reconstructable

TASKS = int(os.environ.get("CHAIN_TASKS", "2"))


@op
def first() -> int:
    return 1


@op
def add(a: int) -> int:
    return a + 1


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 2}))
def chain():
    last = first()
    for number in range(TASKS - 1):
        last = add.alias(f"add_{number}")(last)


if __name__ == "__main__":
    begin = time.perf_counter()
    result = execute_job(reconstructable(chain), instance=DagsterInstance.get())
    assert result.success
    print(time.perf_counter() - begin)
