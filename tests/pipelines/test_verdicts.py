"""What pods and commit records say about attempts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wherry.pipelines.verdicts import Alive, Broke, Committed, Lost, Over, of_pod, outcome, parse_record, vanished

DONE = {"v": 1, "state": "SUCCEEDED", "exit_code": 0, "outputs": {"parameters": {"Output": 3}, "artifacts": {}}}


def pod(phase: str, state: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "default", **more.pop("metadata", {})}
    containers = [{"name": "side", "state": {}}, {"name": "main", "state": state or {}}]
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": containers, **more}}


def ended(code: int = 0, **more: Any) -> dict[str, Any]:
    times = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01.500000Z"}
    return {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed", **times, **more}}


def end_of(found: dict[str, Any]) -> Committed | Broke | Lost:
    over = of_pod(found)
    assert isinstance(over, Over)
    return outcome(over, over.record)


def test_a_pod_that_has_not_started_says_nothing() -> None:
    assert of_pod({"metadata": {}, "status": {}}) is None
    assert of_pod(pod("Pending", {"waiting": {"reason": "ImagePullBackOff"}})) is None
    assert of_pod(pod("Running", {"waiting": {"reason": "PodInitializing"}})) is None


def test_a_running_pod_tells_since_when() -> None:
    assert of_pod(pod("Running", {"running": {"startedAt": "1970-01-01T00:00:02.250000Z"}})) == Alive(2.25)


def test_a_record_in_the_message_is_the_result() -> None:
    found = pod("Succeeded", ended(message=json.dumps(DONE)))
    assert end_of(found) == Committed({"parameters": {"Output": 3}, "artifacts": {}})
    over = of_pod(found)
    assert isinstance(over, Over)
    assert over.finished_at is not None
    assert over.started_at is not None
    assert over.finished_at - over.started_at == 1.5


def test_a_failed_record_carries_the_users_error() -> None:
    error = {"type": "ValueError", "message": "no", "traceback": "..."}
    record = {"v": 1, "state": "FAILED", "exit_code": 1, "outputs": None, "error": error}
    assert end_of(pod("Failed", ended(1, message=json.dumps(record)))) == Broke(error)


@pytest.mark.parametrize("message", ["{", '{"v": 2, "state": "SUCCEEDED"}', '{"v": 1}', "[1]", "hello", '{"state": 1}'])
def test_a_message_of_the_users_own_is_no_record(message: str) -> None:
    assert parse_record(message) is None
    assert isinstance(end_of(pod("Failed", ended(1, message=message))), Broke)


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (pod("Failed", ended(3)), "ExitCode", "code 3"),
        (pod("Failed", ended(2, message="my words")), "ExitCode", "my words"),
        (pod("Failed", ended(137)), "Killed", "SIGKILL"),
        (pod("Failed", ended(0, signal=6)), "Killed", "SIGABRT"),
        (pod("Failed", ended(137, reason="OOMKilled")), "OOMKilled", "memory"),
        (pod("Succeeded", ended(0)), "NoResult", "without leaving a result"),
        (pod("Failed", ended(137), reason="DeadlineExceeded"), "DeadlineExceeded", "deadline"),
        (pod("Failed", message="volume is gone"), "TaskFailed", "volume is gone"),
        (pod("Pending", {"waiting": {"reason": "InvalidImageName", "message": "bad"}}), "InvalidImageName", "bad"),
    ],
)
def test_an_end_without_a_record_is_told_plainly(found: dict[str, Any], kind: str, words: str) -> None:
    end = end_of(found)
    assert isinstance(end, Broke)
    assert end.error["type"] == kind
    assert words in end.error["message"]


@pytest.mark.parametrize(
    "found",
    [
        pod("Failed", reason="Evicted"),
        pod("Failed", ended(137, reason="ContainerStatusUnknown")),
        pod("Failed", ended(143), conditions=[{"type": "DisruptionTarget", "status": "True"}]),
        pod("Failed", ended(143), metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
    ],
)
def test_what_was_taken_away_is_lost_unless_it_has_committed(found: dict[str, Any]) -> None:
    over = of_pod(found)
    assert isinstance(over, Over)
    assert isinstance(outcome(over, None), Lost)
    assert outcome(over, parse_record(json.dumps(DONE))) == Committed({"parameters": {"Output": 3}, "artifacts": {}})


def test_a_vanished_pod_is_lost() -> None:
    assert isinstance(outcome(vanished("p"), None), Lost)


def test_a_parameter_beyond_a_mebibyte_is_refused() -> None:
    record = parse_record(json.dumps({**DONE, "outputs": {"parameters": {"big": "x" * (1 << 20) + "y"}}}))
    end = outcome(vanished("p"), record)
    assert isinstance(end, Broke)
    assert not end.retriable
    assert "Use an artifact" in end.error["message"]
    assert "'big'" in end.error["message"]
