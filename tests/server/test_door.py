"""The door to the network: where it listens, its certificate, its private files, and a server behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from tests.server.scripted import Script

from wherry.errors import UsageError, WherryError
from wherry.home import Home
from wherry.seams import SystemClock
from wherry.server import certificates, issuing, private
from wherry.server.certificates import DAY_S
from wherry.server.door import Door, Listening
from wherry.server.home import prepare
from wherry.server.welcome import UNREAD_BYTES, welcome
from wherry.testing.server import ServerThread

NOW = 1_800_000_000.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(str(tmp_path / "home"))
    prepare(found)
    return found


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def door(home: Home, **wish: Any) -> Door:
    return Door(home, Listening(**{"host": "127.0.0.1", "port": 0, "auth": "token", **wish}), SystemClock())


def test_the_token_is_made_once_and_is_private(home: Home) -> None:
    token = private.token(home)
    assert len(token) >= 43
    assert private.token(home) == token
    assert mode(home.token) == 0o600
    assert os.listdir(home.path) == ["token"]


@pytest.mark.parametrize("text", ["", "short", "a token with spaces in it, quite long indeed", "é" * 40])
def test_a_file_that_holds_no_token_is_refused(home: Home, text: str) -> None:
    private.write(home.token, text.encode())
    with pytest.raises(WherryError, match=r"holds no token(.|\n)*delete it"):
        private.token(home)


def test_a_token_that_others_may_read_is_refused(home: Home) -> None:
    private.token(home)
    os.chmod(home.token, 0o640)
    with pytest.raises(WherryError, match=r"others than you may read(.|\n)*delete it"):
        private.token(home)


def test_a_certificate_is_kept_until_a_month_before_its_end_and_the_authority_longer(home: Home) -> None:
    names = ["localhost", "127.0.0.1"]

    def issued(now: float, names: list[str]) -> tuple[bytes, bytes]:
        return tuple(Path(file).read_bytes() for file in certificates.ensure(home, names, now))

    authority, first = issued(NOW, names)
    assert issued(NOW + 366 * DAY_S, names[:1]) == (authority, first)
    same, second = issued(NOW + 368 * DAY_S, names)
    assert (same, second != first) == (authority, True)
    same, third = issued(NOW + 368 * DAY_S, [*names, "box.example"])
    assert (same, third != second) == (authority, True)
    other, _ = issued(NOW + issuing.AUTHORITY_DAYS * DAY_S, names)
    assert other != authority
    assert {name: mode(os.path.join(home.tls, name)) for name in os.listdir(home.tls)} == {
        "ca.pem": 0o644,
        "ca-key.pem": 0o600,
        "server.pem": 0o600,
        "server.json": 0o600,
    }


@pytest.mark.parametrize("lost", ["ca.pem", "ca-key.pem", "server.pem", "server.json"])
def test_files_that_are_lost_or_damaged_are_made_again(home: Home, lost: str) -> None:
    certificates.ensure(home, ["localhost"], NOW)
    Path(home.tls, lost).write_text("damaged")
    Path(home.tls, "server.json").unlink(missing_ok=True)
    found = certificates.ensure(home, ["localhost"], NOW)
    authority = x509.load_pem_x509_certificate(Path(found.authority).read_bytes())
    x509.load_pem_x509_certificate(Path(found.server).read_bytes()).verify_directly_issued_by(authority)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"host": "0.0.0.0", "auth": "none"}, "--auth none is for this machine alone"),
        ({"host": "::", "auth": "none"}, "--auth none is for this machine alone"),
        ({"host": "nowhere.invalid"}, "--host nowhere.invalid is no address"),
        ({"host": "x" * 300}, "is no address"),
        ({"names": ("not a name",)}, "--name not a name"),
    ],
)
def test_what_is_not_taken_is_said(home: Home, wish: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        door(home, **wish)
    assert not os.path.exists(home.token)


def test_a_port_that_is_taken_is_said(home: Home) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(WherryError, match=rf"port {port} cannot be listened at: .* in use(.|\n)*--port"):
            door(home, port=port)


@pytest.fixture
def served(tmp_path: Path, home: Home) -> Iterator[Door]:
    found = door(home, names=("box.example",))
    with ServerThread(home.path, compose=Script().compose, door=found):
        yield found


def asked(door: Door, path: str = "/v1/status", *, server_name: str = "127.0.0.1", **headers: str) -> tuple[int, dict]:
    context = ssl.create_default_context(cafile=door.certificate.authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    raw = socket.create_connection(("127.0.0.1", door.port), timeout=10)
    with closing(http.client.HTTPConnection("127.0.0.1", door.port)) as channel:
        channel.sock = context.wrap_socket(raw, server_hostname=server_name)
        channel.request("GET", path, headers=headers)
        reply = channel.getresponse()
        return reply.status, json.loads(reply.read())


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost", "box.example"])
def test_the_server_answers_in_tls_by_all_its_names(served: Door, home: Home, name: str) -> None:
    bearer = f"Bearer {private.token(home)}"
    status, facts = asked(served, server_name=name, authorization=bearer)
    assert (status, facts["addresses"]) == (200, [f"unix:{home.socket}", f"https://127.0.0.1:{served.port}"])
    assert json.loads(Path(home.record).read_text())["addresses"] == facts["addresses"]


def test_without_the_token_nothing_is_said(served: Door) -> None:
    status, body = asked(served)
    assert (status, body["reason"], "pid" in body) == (401, "Unauthorized", False)
    assert asked(served, authorization="Bearer wrong")[0] == 401


def test_an_unknown_name_does_not_verify(served: Door) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(served, server_name="evil.example")


def asked_plainly(door: Door, host: str = "127.0.0.1", **headers: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(host, door.port, timeout=10)) as channel:
        channel.request("GET", "/v1/status", headers=headers)
        reply = channel.getresponse()
        return reply.status, reply.read()


def test_on_this_machine_a_client_may_do_without_tls_and_not_without_the_token(served: Door, home: Home) -> None:
    bearer = f"Bearer {private.token(home)}"
    assert asked_plainly(served, authorization=bearer)[0] == 200
    assert asked_plainly(served)[0] == 401
    assert asked_plainly(served, authorization=bearer, origin=f"http://127.0.0.1:{served.port}")[0] == 200
    assert asked_plainly(served, authorization=bearer, origin=f"https://127.0.0.1:{served.port}")[0] == 403
    assert asked(served, authorization=bearer)[0] == 200


def test_from_elsewhere_nobody_does_without_tls(tmp_path: Path, home: Home) -> None:
    own = own_address()
    found = door(home, host="0.0.0.0")
    with ServerThread(home.path, compose=Script().compose, door=found):
        status, text = asked_plainly(found, own, authorization=f"Bearer {private.token(home)}")
        assert (status, b"https://" in text) == (400, True)


def own_address() -> str:
    """An address of this machine that is not loopback."""
    for places in psutil.net_if_addrs().values():
        for place in places:
            if place.family == socket.AF_INET and not place.address.startswith("127."):
                return place.address
    pytest.skip("this machine has no address but loopback")


def test_clients_that_say_nothing_or_nonsense_hold_up_nobody(served: Door, home: Home) -> None:
    silent = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(50)]
    with closing(socket.create_connection(("127.0.0.1", served.port), timeout=10)) as torn:
        torn.sendall(b"\x16\x03\x01 nothing that is a handshake")
    assert asked(served, authorization=f"Bearer {private.token(home)}")[0] == 200
    for each in silent:
        each.close()
    assert asked_plainly(served, authorization=f"Bearer {private.token(home)}")[0] == 200


def test_a_renewed_certificate_is_answered_with(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wherry.server.door.LOOK_EVERY_S", 0.0)
    found = door(home)
    found.secure()
    loaded: list[bytes] = []

    class Context:
        def load_cert_chain(self, file: str) -> None:
            loaded.append(Path(file).read_bytes())

    async def scenario() -> None:
        renewing = asyncio.ensure_future(found.renew(Context()))
        while not loaded:
            await asyncio.sleep(0)
        before = loaded[-1]
        Path(home.tls, "server.json").unlink()
        while loaded[-1] == before:
            await asyncio.sleep(0)
        renewing.cancel()
        await asyncio.wait((renewing,))

    asyncio.run(scenario())
    found.close()


def test_no_answer_waits_for_the_acknowledgement_of_another(home: Home) -> None:
    class Seen(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken = transport.get_extra_info("socket")
            seen.set_result(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def main() -> None:
        with closing(door(home).listener) as listener:
            welcoming = asyncio.create_task(welcome(listener, Seen, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)))
            with closing(socket.create_connection(listener.getsockname())) as client:
                client.sendall(b"G")  # the kind of connection is known by its first byte
                assert await seen
            welcoming.cancel()
            await asyncio.wait([welcoming])

    with asyncio.Runner() as runner:
        seen: asyncio.Future[int] = runner.get_loop().create_future()
        runner.run(main())


def test_a_client_that_does_not_read_costs_little(home: Home) -> None:
    class Speaks(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            protocols.append(self)

    protocols: list[Any] = []

    async def main() -> None:
        found = door(home)
        found.secure()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(found.certificate.server)
        trust = ssl.create_default_context(cafile=found.certificate.authority)
        with closing(found.listener) as listener:
            welcoming = asyncio.create_task(welcome(listener, Speaks, context))
            _, writer = await asyncio.open_connection("127.0.0.1", found.port, ssl=trust)
            async with asyncio.timeout(10):
                while not protocols or protocols[0].transport.get_write_buffer_limits()[1] > UNREAD_BYTES:
                    await asyncio.sleep(0)
            writer.close()
            welcoming.cancel()
            await asyncio.wait([welcoming])

    asyncio.run(main())
