"""A ParallelFor of 10,000 tasks and the fan-in of all their results: rate, cost a task, the server's memory.

The cost of a hello in the same home is taken off before tasks are counted, so that the smaller loop does not look
dear for what both pay once.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from benchmarks.measure import CommandFailed, Figure, Home, floor, in_turns, medians, new_home

LARGE, SMALL = 10_000, 1_000
ROUNDS = 2


def figures() -> list[Figure]:
    """`wide_rate` over the bare rate, `wide_memory` of the server in MB, `wide_growth` of the cost a task."""
    offsets = itertools.count(1)
    with new_home() as home:
        arguments = {width: home.folder.parent / f"{width}.json" for width in (LARGE, SMALL)}
        loop(home, arguments[SMALL], SMALL, next(offsets))
        taken = in_turns(
            {
                "hello": lambda: home.run("hello.py", "-p", f"name={next(offsets)}")[0],
                "floor": lambda: floor("wide"),
                "small": lambda: loop(home, arguments[SMALL], SMALL, next(offsets)),
                "large": lambda: loop(home, arguments[LARGE], LARGE, next(offsets)),
                "small_again": lambda: loop(home, arguments[SMALL], SMALL, next(offsets)),
                "floor_again": lambda: floor("wide"),
            },
            ROUNDS,
            warm=False,
        )
        peak_mb = home.server_peak_mb()
    for name in ("small", "floor"):  # before and after the large one, which takes long enough for the machine to change
        taken[name] += taken.pop(f"{name}_again")
    middle = medians(taken)
    bare = middle["floor"]
    rate = LARGE / middle["large"]
    cost = {width: (middle[name] - middle["hello"]) / width for width, name in ((SMALL, "small"), (LARGE, "large"))}
    raw = {"floor_rate": bare, "rate": rate, "medians_s": middle, "taken_s": taken}
    growth = {"task_of_1000_s": cost[SMALL], "task_of_10000_s": cost[LARGE]}
    return [
        Figure("wide_rate", rate / bare, at_least=0.3, aim=0.4, unit="of the bare fork rate", raw=raw),
        Figure("wide_memory", peak_mb, at_most=300, unit="MB, the server's peak resident memory"),
        Figure(
            "wide_growth", cost[LARGE] / cost[SMALL], at_most=1.2, unit="times the cost a task of 1,000", raw=growth
        ),
    ]


def loop(home: Home, arguments: Path, width: int, offset: int) -> float:
    """Seconds of a loop over `width` items; checks what the fan-in made of them."""
    arguments.write_text(json.dumps({"items": list(range(width)), "offset": offset}))
    seconds, last = home.run("wide.py", "--args", str(arguments))
    total = width * (width - 1) // 2 + width * offset
    if last["outputs"] != {"Output": total}:
        raise CommandFailed(f"the fan-in of {width} gave {last['outputs']} and not {total}")
    return seconds
