"""The HTTP API, asked by the real client over a real socket; the runs behind it are scripted."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.scripted import Script

from wherry.client.api import Client, RunNotFound, ServerStopped
from wherry.client.wire import Channel, unix
from wherry.errors import UsageError, WherryError
from wherry.pipelines.flights import SubmitOptions
from wherry.testing.server import ServerThread

DOCUMENT = {"pipelineInfo": {"name": "p"}}


class Served:
    """A server with scripted runs, and what a test needs to ask it."""

    def __init__(self, server: ServerThread, script: Script) -> None:
        self.server, self.script = server, script
        self.client = server.client()
        self.channel = Channel(unix(server.home.socket))

    def raw(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        reply = self.channel.request(method, path, body, timeout_s=10)
        return reply.status, json.loads(reply.read() or b"null")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    script = Script()
    with ServerThread(tmp_path / "home", compose=script.compose) as server:
        found = Served(server, script)
        try:
            yield found
        finally:
            found.client.close()
            found.channel.close()


def test_a_run_is_submitted_with_all_that_was_asked(served: Served) -> None:
    run = served.client.submit(DOCUMENT, {"x": 1}, name="n", options={"cache": False, "parallelism": 3})
    options = SubmitOptions(cache=False, parallelism=3)
    assert served.script.runs.calls == [("submit", "n", {"x": 1}, options)]
    assert served.client.get(run)["name"] == "n"


def test_submitting_and_following_is_one_request(served: Served) -> None:
    run, events = served.client.submit_and_follow(DOCUMENT, {}, options={})
    assert [event and event["event"] for event in served.client.follow(run, first=events)] == ["run-finished"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("GET", "/v1/runs/none", None, 404, "no run 'none'"),
        ("GET", "/v1/runs/none/events", None, 404, "no run"),
        ("GET", "/v1/runs/none/logs?task=x", None, 404, "no run"),
        ("GET", "/v1/nothing", None, 404, "Not Found"),
        ("PATCH", "/v1/runs", None, 405, "Method Not Allowed"),
        ("POST", "/v1/runs", b"{", 400, "not JSON that we take"),
        ("POST", "/v1/runs", b'{"document":{"a":' + b"[" * 100_000, 400, "not JSON that we take"),
        ("POST", "/v1/runs", b"[]", 400, "malformed"),
        ("POST", "/v1/runs", b'{"document":{},"argments":{}}', 400, "argments"),
        ("POST", "/v1/runs", b'{"document":{"pipelineInfo":1},"options":{"parallelism":"x"}}', 400, "parallelism"),
        ("POST", "/v1/runs", b'{"document":{}}', 400, "pipelineInfo: missing"),
        ("GET", "/v1/runs?limit=-1", None, 400, "limit must be a number"),
        ("PUT", "/v1/code/zz", b"x", 400, "64 hexadecimal digits"),
        ("PUT", "/v1/code/" + "0" * 64, b"x", 400, "damaged"),
        ("POST", "/v1/prune", b'{"kep":1}', 400, "kep"),
        ("POST", "/v1/prune", b"x" * (2 << 20), 413, "more than 1 MiB"),
    ],
)
def test_what_is_wrong_is_an_error_with_a_message(
    served: Served, method: str, path: str, body: bytes | None, status: int, word: str
) -> None:
    code, answer = served.raw(method, path, body)
    assert code == status
    assert set(answer["error"]) == {"type", "message", "hint"}
    assert word in answer["error"]["message"]
    assert served.raw("GET", "/v1/status")[0] == 200


def test_a_fault_of_ours_is_told_and_the_server_goes_on(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    served.script.runs.runs["r"] = {}
    code, answer = served.raw("GET", "/v1/runs/r/events")
    assert (code, answer["error"]["type"]) == (500, "Internal")
    assert "KeyError" in answer["error"]["message"]
    assert "Traceback" in capfd.readouterr().err
    assert served.client.status()["version"]


def test_the_clients_errors_are_the_servers(served: Served) -> None:
    with pytest.raises(RunNotFound, match="no run 'x'"):
        served.client.get("x")
    with pytest.raises(UsageError, match=r"pipelineInfo: missing\n  compile it again"):
        served.client.submit({}, {}, options={})
    with pytest.raises(UsageError, match="not a JSON value"):
        served.client.submit(DOCUMENT, {"x": {1}}, options={})


def test_events_come_from_where_they_are_asked_for(served: Served) -> None:
    run = served.client.submit(DOCUMENT, {}, options={})
    served.script.runs.events_of[run] = [{"id": n, "event": "task"} for n in range(1, 6)]
    assert [event and event["id"] for event in served.client.follow(run, after=3)] == [4, 5]


def test_many_events_arrive_whole_and_in_order(served: Served) -> None:
    run = served.client.submit(DOCUMENT, {}, options={})
    served.script.runs.events_of[run] = [{"id": n, "event": "task", "fill": "x" * 50} for n in range(1, 20_001)]
    assert [event and event["id"] for event in served.client.follow(run)] == list(range(1, 20_001))


def test_a_stream_that_breaks_is_taken_up_where_it_broke(served: Served) -> None:
    run = served.client.submit(DOCUMENT, {}, options={})
    served.script.runs.events_of[run] = [{"id": 1, "event": "task"}, {"event": "fault"}]
    events = served.client.follow(run)
    assert next(events) == {"id": 1, "event": "task"}
    served.script.runs.events_of[run] = [{"id": 1, "event": "task"}, {"id": 2, "event": "run-finished"}]
    assert [event and event["id"] for event in events] == [2]


def test_logs_are_bytes(served: Served) -> None:
    run = served.client.submit(DOCUMENT, {}, options={})
    assert b"".join(served.client.logs(run, "hello")) == b"one\n\xff\xfe two\n"
    with pytest.raises(UsageError, match="no task 'helo'"):
        list(served.client.logs(run, "helo"))


def test_runs_are_listed_newest_first_in_pages(served: Served) -> None:
    made = [served.client.submit(DOCUMENT, {}, options={}) for _ in range(5)]
    page = [run["id"] for run in served.client.list(limit=2)]
    assert page == made[:2:-1]
    assert [run["id"] for run in served.client.list(limit=9, before=page[-1])] == made[2::-1]


def test_cancel_retry_prune_reach_the_runs(served: Served) -> None:
    served.client.cancel("r")
    served.client.cancel("r", kill=True)
    served.client.retry("r")
    served.client.prune(keep=2, older_than_s=5)
    assert served.script.runs.calls == [
        ("cancel", "r", False),
        ("cancel", "r", True),
        ("retry", "r"),
        ("prune", 2, 5.0, False),
    ]


def test_a_code_archive_travels_once(served: Served) -> None:
    digest = served.client.put_code(b"archive")
    assert digest == hashlib.sha256(b"archive").hexdigest()
    assert served.client.put_code(b"archive") == digest
    assert served.script.code.archives == {digest: b"archive"}
    assert served.script.code.puts == 1


def test_names_with_odd_characters_survive_the_way(served: Served) -> None:
    with pytest.raises(RunNotFound, match=r"no run 'a b\?ü%/x'|Not Found"):
        served.client.get("a b?ü%/x")


def test_a_server_that_stops_says_so_to_its_followers(served: Served) -> None:
    run = served.client.submit(DOCUMENT, {}, options={})
    served.script.runs.events_of[run] = [{"id": 1, "event": "task"}, {"event": "wait"}]
    events = served.client.follow(run)
    assert next(events) == {"id": 1, "event": "task"}
    other = served.server.client()
    assert other.shutdown()["active_runs"] == 0
    other.close()
    with pytest.raises(ServerStopped, match="goes on when the next command starts one"):
        next(events)
    assert served.server.wait()


def test_a_client_that_leaves_ends_its_stream(served: Served) -> None:
    run = served.client.submit(DOCUMENT, {}, options={})
    served.script.runs.events_of[run] = [{"id": 1, "event": "task"}, {"event": "wait"}]
    events = served.client.follow(run)
    next(events)
    events.close()
    assert served.script.runs.left.wait(5)


def test_only_an_idle_server_leaves_for_another_version(served: Served) -> None:
    served.script.runs.going = 1
    code, answer = served.raw("POST", "/v1/shutdown", b'{"only_idle": true}')
    assert (code, answer["error"]["message"]) == (409, "1 runs are going")
    served.script.runs.going = 0
    assert served.raw("POST", "/v1/shutdown", b'{"only_idle": true}')[0] == 200
    assert served.server.wait()


def test_requests_side_by_side(served: Served) -> None:
    def ask(found: list[str]) -> None:
        client: Client = served.server.client()
        found += [client.submit(DOCUMENT, {}, options={}) for _ in range(20)]
        client.close()

    results: list[list[str]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=ask, args=(result,)) for result in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run for result in results for run in result}) == 80


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 100, b"GET /\r\n\r\n", b"POST /v1/runs HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
)
def test_garbage_on_the_socket_harms_nobody(served: Served, garbage: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(served.server.home.socket)
        channel.sendall(garbage)
        channel.shutdown(socket.SHUT_WR)
        channel.settimeout(5)
        while channel.recv(4096):
            pass
    assert served.client.status()["version"]


def test_a_server_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("no socket")
    with pytest.raises(WherryError, match="no server listens"):
        unix(str(path))()


def test_what_keeps_all_runs_from_going_on_is_told(served: Served) -> None:
    run = served.client.submit(DOCUMENT, {}, options={})
    served.script.runs.events_of[run] = [{"id": 1, "event": "task"}, {"event": "wait"}]
    served.script.trouble = "no space is left on the disk of /home"
    events = served.client.follow(run)
    next(events)
    with pytest.raises(WherryError, match=r"no space is left(.|\n)*is kept"):
        next(events)
