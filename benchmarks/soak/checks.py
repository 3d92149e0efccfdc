"""What must hold after any killing, read from what is left: the history, the attempts' folders and the tasks' ledger.

Called by `benchmarks.soak.__main__` when all runs have ended.  Every function returns the violations it found, as
sentences; nothing here asks the server, which could be wrong about itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Set
from pathlib import Path

from wherry.pipelines.engine.model import ALLOWED, BIRTH, GOOD, RUN_NEXT, Phase, RunState

BORN = frozenset(BIRTH.values())


def history(database: sqlite3.Connection) -> list[str]:
    """Transitions of tasks that the table does not allow, or that do not begin where the last one ended."""
    wrong: list[str] = []
    phase: dict[tuple[int, str, int], str] = {}
    committed: dict[tuple[int, str], int] = {}
    rows = database.execute(
        "SELECT id, run, path, attempt, before, after FROM history WHERE event = 'task' ORDER BY run, id"
    )
    for number, run, path, attempt, before, after in rows:
        where = f"history {number} (run {run}, {path}, attempt {attempt}: {before} to {after})"
        legal = after in BORN if before is None else (Phase(before), Phase(after)) in ALLOWED
        if not legal:
            wrong.append(f"{where} is not in the table")
        if phase.get((run, path, attempt)) != before:
            wrong.append(f"{where} comes after {phase.get((run, path, attempt))}")
        phase[run, path, attempt] = after
        if (run, path) in committed:
            wrong.append(f"{where} comes after attempt {committed[run, path]} committed")
        if after in GOOD:
            committed[run, path] = attempt
    for run, path, attempt, now in database.execute("SELECT run, path, attempt, phase FROM task"):
        if phase.get((run, path, attempt)) != now:
            wrong.append(f"run {run}, {path}, attempt {attempt} is {now}, its history ends otherwise")
    return wrong


def run_history(database: sqlite3.Connection) -> list[str]:
    """States of runs that do not follow from the one before, by the table; a run begins as PENDING."""
    wrong: list[str] = []
    state: dict[int, RunState] = {}
    rows = database.execute("SELECT id, run, after FROM history WHERE event = 'run' ORDER BY run, id")
    for number, run, after in rows:
        before = state.get(run)
        state[run] = RunState(after)
        allowed = {RunState.PENDING} if before is None else RUN_NEXT[before]
        if state[run] not in allowed:
            wrong.append(f"history {number} (run {run}: {before} to {after}) is not in the table")
    return wrong


def cached(database: sqlite3.Connection) -> set[Path]:
    """The folders of tasks whose result is another task's: they may have tried, but committed nothing."""
    rows = database.execute("SELECT r.root, t.path FROM task t JOIN run r ON r.number = t.run WHERE t.phase = 'CACHED'")
    return {Path(root, path.replace("[", ".").replace("]", "")) for root, path in rows}


def ledger(path: Path, without_commit: Set[Path]) -> tuple[list[str], dict[str, int]]:
    """Tasks that did not commit once, or started after their commit, by what they themselves wrote; and counts."""
    starts: dict[Path, list[dict[str, object]]] = defaultdict(list)
    for line in path.read_text().splitlines():
        start = json.loads(line)
        starts[Path(start["root"]).parent].append(start)
    wrong: list[str] = []
    commits = 0
    for task, lines in starts.items():
        done = [record for record in task.glob("*/commit.json") if _succeeded(record)]
        commits += len(done)
        twice = {root for root, times in Counter(str(line["root"]) for line in lines).items() if times > 1}
        wrong += [f"{root} was started twice" for root in twice]
        if not done and task in without_commit:
            continue
        if len(done) != 1:
            wrong.append(f"{task} has {len(done)} successful commit records")
            continue
        committed_at = done[0].stat().st_mtime_ns
        late = [line for line in lines if int(str(line["at_ns"])) > committed_at]
        if late:
            wrong.append(f"{task} started {len(late)} times after its commit: {late}")
    counts = {
        "tasks_in_ledger": len(starts),
        "starts": sum(map(len, starts.values())),
        "commits": commits,
        "attempt_roots": len({str(line["root"]) for lines in starts.values() for line in lines}),
    }
    return wrong, counts


def _succeeded(record: Path) -> bool:
    return json.loads(record.read_bytes()).get("state") == "SUCCEEDED"
