"""The soak's judge must find what it looks for: each rule is broken once, on a database and a ledger made by hand."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest
from benchmarks.soak import checks

MIGRATIONS = Path(__file__).resolve().parents[2] / "src/wherry/storage/migrations"
GOOD = [(1, None, "PENDING"), (1, "PENDING", "RUNNING"), (1, "RUNNING", "SUCCEEDED")]


@pytest.fixture
def database():
    """The real schema, without its foreign keys: only task and history rows are of interest."""
    with sqlite3.connect(":memory:") as connection:
        connection.executescript((MIGRATIONS / "0001_pipelines.sql").read_text())
        yield connection
    connection.close()


def write(database: sqlite3.Connection, transitions, *, phase: str | None = None) -> None:
    """History rows of one task, and the row of the task as they leave it (or in `phase`)."""
    last = {}
    for attempt, before, after in transitions:
        database.execute(
            "INSERT INTO history (run, at, event, path, attempt, before, after) VALUES (1, 0, 'task', 'a', ?, ?, ?)",
            (attempt, before, after),
        )
        last[attempt] = after
    for attempt, after in last.items():
        now = phase or after
        database.execute(
            "INSERT INTO task (run, path, attempt, kind, phase, finished_at) VALUES (1, 'a', ?, 'task', ?, ?)",
            (attempt, now, None if now in ("PENDING", "RUNNING") else 0),
        )


def test_a_lawful_history_with_a_retry_passes(database):
    first = [(1, None, "PENDING"), (1, "PENDING", "RUNNING"), (1, "RUNNING", "FAILED")]
    second = [(2, None, "PENDING"), (2, "PENDING", "RUNNING"), (2, "RUNNING", "SUCCEEDED")]
    write(database, first + second)
    assert checks.history(database) == []


@pytest.mark.parametrize(
    ("transitions", "said"),
    [
        ([(1, None, "SUCCEEDED")], "is not in the table"),
        ([*GOOD, (1, "SUCCEEDED", "RUNNING")], "is not in the table"),
        ([(1, None, "PENDING"), (1, "RUNNING", "FAILED")], "comes after PENDING"),
        ([*GOOD, (2, None, "PENDING")], "comes after attempt 1 committed"),
    ],
)
def test_an_unlawful_transition_is_found(database, transitions, said):
    write(database, transitions)
    assert any(said in sentence for sentence in checks.history(database))


def test_a_task_row_that_its_history_does_not_explain_is_found(database):
    write(database, GOOD, phase="FAILED")
    assert ["its history ends otherwise" in sentence for sentence in checks.history(database)] == [True]


def test_a_run_that_leaves_a_final_state_by_itself_is_found(database):
    for state in ("PENDING", "RUNNING", "SUCCEEDED", "RUNNING"):
        database.execute("INSERT INTO history (run, at, event, after) VALUES (1, 0, 'run', ?)", (state,))
    assert ["not in the table" in sentence for sentence in checks.run_history(database)] == [True]


def attempt(root: Path, *, commit: bool, started_at: int, committed_at: int = 0) -> str:
    """The folder of an attempt and its line in the ledger."""
    root.mkdir(parents=True)
    if commit:
        (root / "commit.json").write_text(json.dumps({"state": "SUCCEEDED"}))
        os.utime(root / "commit.json", (committed_at, committed_at))
    return json.dumps({"root": str(root), "pid": 1, "at_ns": started_at * 10**9}) + "\n"


def test_the_ledger_counts_starts_and_commits(tmp_path):
    lines = attempt(tmp_path / "a/0-0", commit=False, started_at=1)
    lines += attempt(tmp_path / "a/1-0", commit=True, started_at=2, committed_at=3)
    (tmp_path / "ledger").write_text(lines)
    wrong, counts = checks.ledger(tmp_path / "ledger", set())
    assert wrong == []
    assert counts == {"tasks_in_ledger": 1, "starts": 2, "commits": 1, "attempt_roots": 2}


def test_a_task_without_a_commit_is_found_unless_its_result_is_anothers(tmp_path):
    (tmp_path / "ledger").write_text(attempt(tmp_path / "a/1-0", commit=False, started_at=1))
    assert "0 successful commit records" in checks.ledger(tmp_path / "ledger", set())[0][0]
    assert checks.ledger(tmp_path / "ledger", {tmp_path / "a"})[0] == []


def test_two_commits_of_one_task_are_found(tmp_path):
    lines = attempt(tmp_path / "a/0-0", commit=True, started_at=1, committed_at=3)
    lines += attempt(tmp_path / "a/0-1", commit=True, started_at=2, committed_at=3)
    (tmp_path / "ledger").write_text(lines)
    assert "2 successful commit records" in checks.ledger(tmp_path / "ledger", set())[0][0]


def test_two_starts_of_one_attempt_are_found(tmp_path):
    line = attempt(tmp_path / "a/0-0", commit=True, started_at=1, committed_at=3)
    (tmp_path / "ledger").write_text(line + line)
    assert "started twice" in checks.ledger(tmp_path / "ledger", set())[0][0]


def test_a_start_after_the_commit_is_found(tmp_path):
    lines = attempt(tmp_path / "a/0-0", commit=True, started_at=1, committed_at=2)
    lines += attempt(tmp_path / "a/0-1", commit=False, started_at=3)
    (tmp_path / "ledger").write_text(lines)
    assert "after its commit" in checks.ledger(tmp_path / "ledger", set())[0][0]
