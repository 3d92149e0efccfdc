"""Loading a compiled document of 10,000 tasks beside kfp's own loader, and 1,000 and 10,000 for the shape of the curve.

Both sides are timed inside a new process, imports of the library left out, from the opening of the file.  kfp's side
takes most of a minute, so that the pair is measured once; the curve is not.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests import oracles

from benchmarks.compiling import own as compiled
from benchmarks.measure import FLOWS, Figure, clean_environment, in_turns, medians, run

SMALL, LARGE = 1_000, 10_000
ROUNDS = 3


def figures() -> list[Figure]:
    """`load_10000` in times faster than kfp, `load_linear`: a task's cost at 10,000 over that at 1,000; memory."""
    scratch = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    files = {tasks: document(scratch, tasks) for tasks in (SMALL, LARGE)}
    peaks: dict[str, float] = {}
    curve = medians(in_turns({str(tasks): lambda path=path: own(path, peaks) for tasks, path in files.items()}, ROUNDS))
    pair = in_turns(
        {"wherry": lambda: own(files[LARGE], peaks), "kfp": lambda: kfp(files[LARGE], peaks)}, 1, warm=False
    )
    size_mb = files[LARGE].stat().st_size / 1e6
    shutil.rmtree(scratch, ignore_errors=True)
    once = medians(pair)
    growth = (curve[str(LARGE)] / LARGE) / (curve[str(SMALL)] / SMALL)
    raw = {"seconds": once, "peak_mb": peaks, "document_mb": size_mb}
    return [
        Figure("load_10000", once["kfp"] / once["wherry"], at_least=10, unit="times faster than kfp", raw=raw),
        Figure(
            "load_linear",
            growth,
            at_most=1.3,
            unit="times the cost a task of 1,000, at 10,000",
            raw={"seconds_by_tasks": curve},
        ),
        Figure("load_memory", peaks["wherry"] / size_mb, at_most=15, unit="times the document's size, at the peak"),
    ]


def document(scratch: Path, tasks: int) -> Path:
    """A compiled chain of `tasks`."""
    compiled(scratch, tasks)
    return (scratch / "wherry.yaml").rename(scratch / f"{tasks}.yaml")


def own(path: Path, peaks: dict[str, float]) -> float:
    """Seconds of wherry's loader; the peak of its process, in MB, goes to `peaks`."""
    text = run([sys.executable, FLOWS / "load_wherry.py", path], env=clean_environment())
    seconds, peaks["wherry"] = map(float, text.split())
    return seconds


def kfp(path: Path, peaks: dict[str, float]) -> float:
    """Seconds of kfp's loader."""
    python = oracles.python("kfp", oracles.KFP)
    text = run([python, "-W", "ignore", FLOWS / "load_kfp.py", path], env=clean_environment())
    seconds, peaks["kfp"] = map(float, text.split())
    return seconds
