"""Who may ask over the network."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, NamedTuple

import pytest

from wherry.server.guard import ADDRESSES, FORGET_S, LONGEST_WAIT_S, WAITING, Failures, Guard, host_name

TOKEN = "t" * 43
SUBPROTOCOL = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
GOOD = {"host": "localhost:8443", "authorization": f"Bearer {TOKEN}"}


class Now:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    monotonic = time


class Answer(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: Any


class Guarded:
    """A guard before an app that says 200, with the waits that it made."""

    def __init__(self, *, token: str | None = TOKEN) -> None:
        self.waits: list[float] = []
        self.held = asyncio.Event()
        self.held.set()
        self.guard = Guard(self._app, token=token, names=["localhost", "Box"], clock=Now(), pause=self._pause)

    async def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self.held.wait()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def ask(
        self, path: str = "/v1/status", *, address: str = "10.0.0.1", kind: str = "http", **headers: str
    ) -> Answer:
        sent: list[dict[str, Any]] = []

        async def receive() -> Any:
            raise AssertionError("the body of a request is nothing to the guard")

        async def send(message: Any) -> None:
            sent.append(message)

        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": kind, "scheme": "https", "path": path, "headers": listed, "client": (address, 5)}
        await self.guard(scope, receive, send)
        answer = "websocket.http.response" if kind == "websocket" and sent[0]["status"] != 200 else "http.response"
        assert [message["type"] for message in sent] == [f"{answer}.start", f"{answer}.body"]
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"]))


def ask(path: str = "/v1/status", *, token: str | None = TOKEN, **headers: str) -> Answer:
    return asyncio.run(Guarded(token=token).ask(path, **headers))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8443", "localhost.:1", "127.0.0.1:8443", "[::1]:8443", "box"])
def test_the_server_is_asked_by_its_names_and_by_address(host: str) -> None:
    assert ask(**{**GOOD, "host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8443", "localhost.evil.example", "127.0.0.1.nip.io"])
def test_a_foreign_name_is_refused_whoever_asks(host: str) -> None:
    for path in ("/v1/status", "/healthz"):
        answer = ask(path, **{**GOOD, "host": host})
        assert (answer.status, host_name(host) in answer.body["message"]) == (403, True)


def test_a_request_without_a_host_is_malformed() -> None:
    assert ask(authorization=GOOD["authorization"]).status == 400


@pytest.mark.parametrize("token", [TOKEN, None])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://localhost:8443", 200),
        ("http://localhost:8443", 403),
        ("https://localhost:3000", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_from_elsewhere_are_refused(origin: str, status: int, token: str | None) -> None:
    assert ask(token=token, origin=origin, **GOOD).status == status


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[1:]}", TOKEN]
)
def test_a_wrong_token_is_refused_and_not_repeated(said: str) -> None:
    answer = ask(**{**GOOD, "authorization": said})
    assert (answer.status, answer.body["kind"], answer.body["reason"]) == (401, "Status", "Unauthorized")
    assert answer.headers[b"www-authenticate"] == b"Bearer"
    assert TOKEN[1:] not in json.dumps(answer.body)


def test_health_needs_no_token_and_nothing_does_without_one() -> None:
    assert {ask(path, host="localhost").status for path in ("/healthz", "/readyz", "/livez")} == {200}
    assert ask("/api", host="localhost").status == 401
    assert ask(token=None, host="localhost").status == 200


def test_who_tries_wrong_tokens_waits_longer_and_longer_and_the_owner_never() -> None:
    async def scenario() -> None:
        guarded = Guarded()
        bad = {"host": "localhost", "authorization": "Bearer wrong"}
        for _ in range(9):
            assert (await guarded.ask(**bad)).status == 401
        assert guarded.waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0]
        assert (await guarded.ask(**GOOD)).status == 200
        await guarded.ask(address="10.0.0.2", **bad)
        assert guarded.waits[9:] == [0.1]

    asyncio.run(scenario())


def test_only_so_many_wait_at_once() -> None:
    async def scenario() -> None:
        guarded = Guarded()
        guarded.held.clear()
        bad = {"host": "localhost", "authorization": "Bearer wrong"}
        waiting = [asyncio.ensure_future(guarded.ask(**bad)) for _ in range(WAITING)]
        while len(guarded.waits) < WAITING:
            await asyncio.sleep(0)
        assert (await guarded.ask(**bad)).status == 429
        assert (await guarded.ask(**GOOD)).status == 200
        guarded.held.set()
        assert {(await each).status for each in waiting} == {401}

    asyncio.run(scenario())


def test_failures_are_forgotten_and_their_memory_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Now()
    failures = Failures(clock)
    for _ in range(1000):
        last = failures.failed("a")
    assert last == LONGEST_WAIT_S
    clock.now += FORGET_S + 1
    assert failures.failed("a") == 0.1
    assert capsys.readouterr().err == "wherry server: a login from a failed\n" * 2
    for number in range(ADDRESSES + 10):
        failures.failed(str(number))
    assert len(failures) == ADDRESSES


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (GOOD, 200),
        ({**GOOD, "origin": "https://localhost:8443"}, 200),
        ({**GOOD, "origin": "https://evil.example"}, 403),
        ({**GOOD, "host": "evil.example"}, 403),
        ({"host": "localhost"}, 401),
        ({"host": "localhost", "authorization": "Bearer wrong"}, 401),
        ({"host": "localhost", "sec-websocket-protocol": f"v5.channel.k8s.io, {SUBPROTOCOL}"}, 200),
        ({"host": "localhost", "sec-websocket-protocol": f"{SUBPROTOCOL[:-4]}, v5.channel.k8s.io"}, 401),
        ({"host": "localhost", "sec-websocket-protocol": "base64url.bearer.authorization.k8s.io.*"}, 401),
    ],
)
def test_websockets_are_guarded_as_requests_are(headers: dict[str, str], status: int) -> None:
    assert asyncio.run(Guarded().ask(kind="websocket", **headers)).status == status
