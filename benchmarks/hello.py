"""`wherry run` of the smallest pipeline: in bare interpreter starts, and beside kfp.local and Metaflow.

Every `wherry run` gets an argument of its own, so that nothing comes from the cache.
"""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import tempfile
from pathlib import Path

from tests import oracles

from benchmarks import rivals
from benchmarks.measure import FLOWS, Figure, bare_start, clean_environment, in_turns, medians, new_home, timed

ROUNDS = 9
RIVAL_ROUNDS = 5
VENV_ROUNDS = 1  # kfp.local's default installs kfp into a new environment for each task: many seconds


def figures() -> list[Figure]:
    """`hello_new_home` and `hello_server_there` in bare starts; how much faster than kfp.local and Metaflow."""
    names = (f"name={number}" for number in itertools.count())
    scratch = Path(tempfile.mkdtemp(prefix="wherry-bench-"))

    def in_new_home() -> float:
        with new_home() as home:
            return home.run("hello.py", "-p", next(names))[0]

    with new_home() as home:

        def server_there() -> float:
            return home.run("hello.py", "-p", next(names))[0]

        taken = in_turns({"bare": bare_start, "new_home": in_new_home, "server_there": server_there}, ROUNDS)
        rival = in_turns(
            {
                "server_there": server_there,
                "new_home": in_new_home,
                "kfp_local": lambda: kfp_local(scratch),
                "metaflow": lambda: metaflow(scratch),
            },
            RIVAL_ROUNDS,
        )
        default = [kfp_local(scratch, "venv") for _ in range(VENV_ROUNDS)]
    shutil.rmtree(scratch, ignore_errors=True)
    own, pair = medians(taken), medians(rival)
    raw = {"medians_s": own, "rounds": ROUNDS}
    against = {"medians_s": pair, "kfp_local_default_s": statistics.median(default), "rounds": RIVAL_ROUNDS}

    def faster(name: str, theirs_s: float, ours: str, least: float, than: str) -> Figure:
        return Figure(name, theirs_s / pair[ours], at_least=least, unit=f"times faster than {than}", raw=against)

    return [
        Figure("hello_new_home", own["new_home"] / own["bare"], at_most=30, unit="bare starts", raw=raw),
        Figure("hello_server_there", own["server_there"] / own["bare"], at_most=12, unit="bare starts", raw=raw),
        faster("hello_vs_kfp_local", against["kfp_local_default_s"], "new_home", 10, "kfp.local, ours in a new home"),
        faster(
            "hello_vs_kfp_local_bare", pair["kfp_local"], "server_there", 10, "kfp.local with no environment a task"
        ),
        faster("hello_vs_metaflow", pair["metaflow"], "new_home", 1, "Metaflow, ours in a new home"),
    ]


def kfp_local(scratch: Path, *mode: str) -> float:
    """Seconds of the same component under kfp.local; mode `venv` is its default, an environment for each task."""
    python = oracles.python("kfp", oracles.KFP)
    env = oracles.index_environment(clean_environment()) if mode else clean_environment()
    env["PATH"] = f"{python.parent}{os.pathsep}{env['PATH']}"  # its command says python3
    return timed([python, "-W", "ignore", FLOWS / "kfp_hello.py", "bob", scratch / "kfp", *mode], env=env, cwd=scratch)


def metaflow(scratch: Path) -> float:
    """Seconds of Metaflow's smallest flow that does as much: a start and an end."""
    return rivals.metaflow_chain(scratch, 0)
