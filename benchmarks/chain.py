"""What one more task in a chain costs, each in its own process and durable; the same in Metaflow and Dagster.

One more task: the difference of a long and a short chain, over the difference of their lengths, as the caller of
`wherry run` sees it, so that compiling and submitting the task are in it.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import tempfile
from pathlib import Path

from tests import oracles

from benchmarks import rivals
from benchmarks.measure import Figure, floor, in_turns, medians, new_home, per_item

LONG, SHORT = 200, 20
ROUNDS = 5
METAFLOW_LONG, METAFLOW_SHORT, METAFLOW_ROUNDS = 12, 2, 2
DAGSTER_LONG, DAGSTER_SHORT, DAGSTER_ROUNDS = 8, 2, 2


def figures() -> list[Figure]:
    """`chain_task` in floors; `chain_vs_metaflow` and `chain_vs_dagster` in times faster a task."""
    own = own_chain()
    scratch = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    taken = in_turns(
        {
            "long": lambda: rivals.metaflow_chain(scratch, METAFLOW_LONG),
            "short": lambda: rivals.metaflow_chain(scratch, METAFLOW_SHORT),
        },
        METAFLOW_ROUNDS,
    )
    metaflow_s = one_task(taken, METAFLOW_SHORT, METAFLOW_LONG)
    taken = in_turns(
        {
            "long": lambda: rivals.dagster_chain(scratch, DAGSTER_LONG),
            "short": lambda: rivals.dagster_chain(scratch, DAGSTER_SHORT),
        },
        DAGSTER_ROUNDS,
    )
    dagster_s = one_task(taken, DAGSTER_SHORT, DAGSTER_LONG)
    shutil.rmtree(scratch, ignore_errors=True)
    task_s = own.raw["task_s"]
    return [
        own,
        Figure(
            "chain_vs_metaflow",
            metaflow_s / task_s,
            at_least=10,
            unit="times faster a task",
            raw={"metaflow_task_s": metaflow_s, "task_s": task_s, "version": oracles.METAFLOW},
        ),
        Figure(
            "chain_vs_dagster",
            dagster_s / task_s,
            at_least=3,
            unit="times faster a task than its multiprocess executor",
            raw={"dagster_task_s": dagster_s, "task_s": task_s, "version": oracles.DAGSTER},
        ),
    ]


def own_chain() -> Figure:
    """`chain_task`: a task's cost in wherry over the bare loop's, in turns, on a server that is there."""
    starts = itertools.count(0, 1_000)
    inside: dict[int, list[float]] = {LONG: [], SHORT: []}
    with new_home() as home:

        def chain(tasks: int) -> float:
            seconds, last = home.run("chain.py", "-p", f"start={next(starts)}", env={"CHAIN_TASKS": str(tasks)})
            inside[tasks].append(last["seconds"])
            return seconds

        taken = in_turns(
            {"floor": lambda: floor("chain"), "short": lambda: chain(SHORT), "long": lambda: chain(LONG)}, ROUNDS
        )
    task_s = one_task(taken, SHORT, LONG)
    server_s = per_item((SHORT, statistics.median(inside[SHORT])), (LONG, statistics.median(inside[LONG])))
    floor_s = medians(taken)["floor"]
    raw = {"task_s": task_s, "task_in_server_s": server_s, "floor_s": floor_s, "rounds": ROUNDS, "taken_s": taken}
    return Figure("chain_task", task_s / floor_s, at_most=4, aim=3, unit="bare fork-run-write-wait loops", raw=raw)


def one_task(taken: dict[str, list[float]], short: int, long: int) -> float:
    """Seconds for one more task, from the medians of `short` and `long`."""
    middle = medians(taken)
    return per_item((short, middle["short"]), (long, middle["long"]))
