"""Compiling a chain of 1,000 tasks beside kfp's compiler, and 100, 1,000 and 10,000 tasks for the shape of the curve.

Both sides are timed inside a new process, imports of the library left out, from the flow's import (its body runs
then) to the file being written.  The whole `wherry compile` command is beside it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests import oracles

from benchmarks.measure import BIN, FLOWS, Figure, clean_environment, in_turns, medians, run, timed

PAIR = 1_000
CURVE = (100, 1_000, 10_000)
ROUNDS = 3


def figures() -> list[Figure]:
    """`compile_1000` in times faster than kfp, `compile_linear`: a task's cost at 10,000 over that at 1,000."""
    scratch = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    pair = in_turns({"wherry": lambda: own(scratch, PAIR), "kfp": lambda: kfp(scratch, PAIR)}, ROUNDS)
    curve = medians(in_turns({str(tasks): lambda tasks=tasks: own(scratch, tasks) for tasks in CURVE}, ROUNDS))
    whole_s = medians(in_turns({"command": lambda: command(scratch, PAIR)}, ROUNDS))["command"]
    shutil.rmtree(scratch, ignore_errors=True)
    middle = medians(pair)
    growth = (curve["10000"] / 10_000) / (curve["1000"] / 1_000)
    return [
        Figure(
            "compile_1000",
            middle["kfp"] / middle["wherry"],
            at_least=20,
            unit="times faster than kfp",
            raw={"medians_s": middle, "whole_command_s": whole_s, "rounds": ROUNDS},
        ),
        Figure(
            "compile_linear",
            growth,
            at_most=1.3,
            unit="times the cost a task of 1,000, at 10,000",
            raw={"seconds_by_tasks": curve},
        ),
    ]


def own(scratch: Path, tasks: int) -> float:
    """Seconds of wherry's compiler for a chain of `tasks`."""
    env = clean_environment() | {"CHAIN_TASKS": str(tasks)}
    return float(run([sys.executable, FLOWS / "compile_wherry.py", scratch / "wherry.yaml"], env=env))


def command(scratch: Path, tasks: int) -> float:
    """Seconds of the whole `wherry compile` command."""
    env = clean_environment() | {"CHAIN_TASKS": str(tasks)}
    return timed([BIN / "wherry", "compile", FLOWS / "chain.py", "-o", scratch / "command.yaml"], env=env)


def kfp(scratch: Path, tasks: int) -> float:
    """Seconds of kfp's compiler for the same chain."""
    env = clean_environment() | {"CHAIN_TASKS": str(tasks)}
    python = oracles.python("kfp", oracles.KFP)
    return float(run([python, "-W", "ignore", FLOWS / "compile_kfp.py", scratch / "kfp.yaml"], env=env))
