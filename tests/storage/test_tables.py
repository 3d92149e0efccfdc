"""The tables: guarded transitions, one commit a task, history in order, the cache's newest result first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wherry.seams import SystemClock
from wherry.storage import artifact_records, cache, documents, history, meta, runs, tasks
from wherry.storage.artifact_records import ArtifactRow
from wherry.storage.database import Database, Tx
from wherry.storage.errors import ConstraintViolated
from wherry.storage.tasks import Attempt, Outpaced, Transition

ALLOWED = [("PENDING", "RUNNING"), ("PENDING", "SUCCEEDED"), ("RUNNING", "SUCCEEDED"), ("RUNNING", "FAILED")]
TRANSITION = tasks.transition_sql(ALLOWED)
SET_STATE = runs.set_state_sql([("PENDING", "RUNNING"), ("RUNNING", "SUCCEEDED"), ("RUNNING", "FAILED")])


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "wherry.db", clock=SystemClock())
    yield database
    database.close()


@pytest.fixture
def write(db: Database) -> Callable[[Callable[[Tx], Any]], Any]:
    return lambda work: asyncio.run(db.write(work))


def new_run(tx: Tx, run_id: str = "r1", created_at: float = 1.0) -> int:
    sha256 = documents.put(tx, b"{}")
    row = runs.RunRow(
        0, run_id, "n", f"flow-{run_id}", "flow", "default", "PENDING", 0, sha256, "{}", "{}", f"/store/flow/{run_id}",
        None, None, created_at, None, None,
    )  # fmt: skip
    return runs.insert(tx, row)


def attempt(number: int = 1, phase: str = "PENDING", *, path: str = "t", generation: int = 0) -> Attempt:
    finished_at = None if phase in ("PENDING", "RUNNING") else 2.0
    return Attempt(1, path, number, "task", 1, generation, phase, "", None, None, None, finished_at)


def change(before: str, after: str, number: int = 1) -> Transition:
    finished_at = None if after in ("PENDING", "RUNNING") else 2.0
    outputs = '{"parameters":{}}' if after == "SUCCEEDED" else None
    return Transition(1, "t", number, before, after, "", outputs, None, None, 1.0, finished_at)


def test_a_transition_leaves_the_phase_that_it_names(write: Any) -> None:
    write(new_run)
    write(lambda tx: tasks.insert(tx, [attempt()]))
    write(lambda tx: tasks.transition(tx, TRANSITION, [change("PENDING", "RUNNING"), change("RUNNING", "SUCCEEDED")]))
    for stale in (change("RUNNING", "FAILED"), change("PENDING", "RUNNING"), change("SUCCEEDED", "FAILED")):
        with pytest.raises(Outpaced):
            write(lambda tx, stale=stale: tasks.transition(tx, TRANSITION, [stale]))
    (row,) = write(lambda tx: tasks.of_run(tx, 1))
    assert (row.phase, row.outputs, row.started_at, row.finished_at) == ("SUCCEEDED", '{"parameters":{}}', 1.0, 2.0)


def test_a_transition_that_the_table_does_not_know_is_refused(write: Any) -> None:
    write(new_run)
    write(lambda tx: tasks.insert(tx, [attempt()]))
    with pytest.raises(Outpaced):
        write(lambda tx: tasks.transition(tx, TRANSITION, [change("PENDING", "CANCELED")]))


def test_one_live_attempt_and_none_after_a_commit(write: Any) -> None:
    write(new_run)
    write(lambda tx: tasks.insert(tx, [attempt()]))
    with pytest.raises(ConstraintViolated):
        write(lambda tx: tasks.insert(tx, [attempt(2)]))
    write(lambda tx: tasks.transition(tx, TRANSITION, [change("PENDING", "SUCCEEDED")]))
    with pytest.raises(Outpaced):
        write(lambda tx: tasks.insert(tx, [attempt(2)]))
    write(lambda tx: tasks.insert(tx, [attempt(2, generation=1)]))
    assert len(write(lambda tx: tasks.of_path(tx, 1, "t"))) == 2


def test_two_commits_of_one_generation_cannot_be_written(write: Any) -> None:
    write(new_run)
    write(lambda tx: tasks.insert(tx, [attempt(1, "SUCCEEDED")]))
    sql = "INSERT INTO task (run, path, attempt, kind, phase, finished_at) VALUES (1, 't', 2, 'task', 'CACHED', 1)"
    with pytest.raises(ConstraintViolated):
        write(lambda tx: tx.execute(sql))


def test_incarnations_count_up_one_by_one(write: Any) -> None:
    write(new_run)
    write(lambda tx: tasks.insert(tx, [attempt()]))
    write(lambda tx: tasks.set_incarnation(tx, 1, "t", 1, 1))
    for wrong in (1, 3):
        with pytest.raises(Outpaced):
            write(lambda tx, wrong=wrong: tasks.set_incarnation(tx, 1, "t", 1, wrong))


def test_counts_look_at_the_last_attempt_of_leaves(write: Any) -> None:
    write(new_run)
    rows = [
        attempt(1, "FAILED"),
        attempt(2),
        attempt(1, "SKIPPED", path="u"),
        attempt(path="root")._replace(kind="dag"),
    ]
    write(lambda tx: tasks.insert(tx, rows))
    assert write(lambda tx: tasks.counts(tx, 1)) == {"PENDING": 1, "SKIPPED": 1}


def state(after: str, finished_at: float | None = None) -> runs.StateChange:
    return runs.StateChange(1, after, 0, None, None, 5.0, finished_at)


def test_a_runs_state_follows_the_table(write: Any) -> None:
    write(new_run)
    assert not write(lambda tx: runs.set_state(tx, SET_STATE, state("SUCCEEDED", 6.0)))
    assert write(lambda tx: runs.set_state(tx, SET_STATE, state("RUNNING")))
    assert not write(lambda tx: runs.set_state(tx, SET_STATE, state("RUNNING")))
    assert [row.id for row in write(runs.unfinished)] == ["r1"]
    assert not write(lambda tx: runs.delete(tx, 1))
    assert write(lambda tx: runs.set_state(tx, SET_STATE, state("FAILED", 6.0)))
    row = write(lambda tx: runs.get(tx, "r1"))
    assert (row.state, row.started_at, row.finished_at) == ("FAILED", 5.0, 6.0)
    assert write(runs.unfinished) == []
    with pytest.raises(ConstraintViolated):
        write(lambda tx: tx.execute("UPDATE run SET finished_at = NULL"))


def test_deleting_a_run_takes_its_rows_and_an_unused_document(write: Any) -> None:
    write(lambda tx: (new_run(tx), new_run(tx, "r2")))
    write(lambda tx: tasks.insert(tx, [attempt()]))
    write(lambda tx: history.append(tx, [history.Entry(1, 1.0, "run")]))
    for number in (1, 2):
        write(
            lambda tx, number=number: tx.execute(
                "UPDATE run SET state='FAILED', finished_at=1 WHERE number=?", (number,)
            )
        )
    assert write(lambda tx: runs.delete(tx, 1))
    counts = {
        table: write(lambda tx, table=table: tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        for table in ("run", "task", "history", "document")
    }
    assert counts == {"run": 1, "task": 0, "history": 0, "document": 1}
    assert write(lambda tx: runs.delete(tx, 2))
    assert write(lambda tx: tx.execute("SELECT count(*) FROM document").fetchone()) == (0,)


def test_runs_are_found_by_literal_prefixes(write: Any) -> None:
    write(lambda tx: [new_run(tx, run_id) for run_id in ("a_1", "ab1", "b")])
    found = write(
        lambda tx: [[row.id for row in runs.with_prefix(tx, prefix)] for prefix in ("a", "a_", "%", "flow-b")]
    )
    assert found == [["ab1", "a_1"], ["a_1"], [], ["b"]]
    assert [row.id for row in write(lambda tx: runs.newest(tx, limit=2))] == ["b", "ab1"]
    assert [row.id for row in write(lambda tx: runs.newest(tx, limit=5, before=2))] == ["a_1"]
    assert write(lambda tx: runs.newest(tx, limit=5, pipeline="other")) == []


def test_history_is_read_from_where_a_reader_stands(write: Any) -> None:
    write(lambda tx: (new_run(tx), new_run(tx, "r2"), tasks.insert(tx, [attempt()])))
    entries = [history.Entry(run, 1.0, "task", "t", 1, None, "PENDING") for run in (1, 2, 1, 1)]
    write(lambda tx: history.append(tx, entries))
    rows = write(lambda tx: history.beyond(tx, 1, 0, limit=2))
    assert [row.id for row in rows] == [1, 3]
    assert rows[0].kind == "task"
    assert [row.id for row in write(lambda tx: history.beyond(tx, 1, 3, limit=9))] == [4]


def test_the_newest_cached_result_comes_first_and_only_successes_count(write: Any) -> None:
    write(lambda tx: (new_run(tx), tasks.insert(tx, [attempt(path=path) for path in "tuv"])))
    write(
        lambda tx: tx.execute("UPDATE task SET phase='SUCCEEDED', outputs='{}', finished_at=1 WHERE path IN ('t', 'u')")
    )
    entries = [cache.Entry(namespace, "k", 1, path, 1, 1.0) for path in "tuv" for namespace in ("default", "other")]
    write(lambda tx: cache.append(tx, entries))
    hits = write(lambda tx: cache.lookup(tx, "default", "k"))
    assert hits == [cache.Hit("r1", "u", "{}"), cache.Hit("r1", "t", "{}")]
    assert write(lambda tx: cache.lookup(tx, "default", "another")) == []


def test_artifacts_shown_by_other_runs_are_known(write: Any) -> None:
    write(lambda tx: (new_run(tx), new_run(tx, "r2")))
    mine = ArtifactRow(1, "t", 1, "o", "o", "system.Model", "/store/flow/r1/t/1-0/o", None, "{}")
    write(lambda tx: artifact_records.append(tx, [mine]))
    assert write(lambda tx: artifact_records.shown_elsewhere(tx, 1, "/store/flow/r1")) == []
    write(lambda tx: artifact_records.append(tx, [mine._replace(run=2)]))
    assert write(lambda tx: artifact_records.shown_elsewhere(tx, 1, "/store/flow/r1")) == [mine.uri]


def test_a_fact_is_made_once(write: Any) -> None:
    assert write(lambda tx: meta.ensure(tx, "home", "one")) == "one"
    assert write(lambda tx: meta.ensure(tx, "home", "two")) == "one"
