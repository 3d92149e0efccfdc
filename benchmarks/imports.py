"""What `import wherry.dsl` costs beside `import kfp.dsl`, each less a bare start of its own interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import oracles

from benchmarks.measure import Figure, clean_environment, in_turns, medians, timed

ROUNDS = 15


def figures() -> list[Figure]:
    """`import_dsl`: how many times faster."""
    kfp = oracles.python("kfp", oracles.KFP)
    env = clean_environment()

    def importing(python: str | Path, statement: str) -> float:
        return timed([python, "-c", statement], env=env)

    taken = in_turns(
        {
            "bare": lambda: importing(sys.executable, "pass"),
            "wherry": lambda: importing(sys.executable, "import wherry.dsl"),
            "kfp_bare": lambda: importing(kfp, "pass"),
            "kfp": lambda: importing(kfp, "import kfp.dsl"),
        },
        ROUNDS,
    )
    middle = medians(taken)
    ours, theirs = middle["wherry"] - middle["bare"], middle["kfp"] - middle["kfp_bare"]
    raw = {"wherry_s": ours, "kfp_s": theirs, "medians_s": middle, "rounds": ROUNDS}
    return [Figure("import_dsl", theirs / ours, at_least=15, unit="times faster than kfp", raw=raw)]
