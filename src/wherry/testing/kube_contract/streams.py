"""The part of the contract that needs a node: commands in containers, attaching, ports, logs.

A test module derives from `StreamsContract` and gives a fixture `open_node`, an `open_kube` whose pods run.  Invariant:
the pods are of the image python:3.11 and need nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from wherry.kube.errors import KubeError
from wherry.kube.protocol import Object
from wherry.kube.resources import PODS
from wherry.kube.streams import Session, exit_code
from wherry.testing.clock import until
from wherry.testing.kube_contract.setting import WITHIN_S, Capabilities, OpenKube, Place, failure, perform

_SERVE = """
import http.server
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
open("/marks/port", "w").write(str(server.server_port))
server.serve_forever()
"""
_PORT = 'import os; print(open("/marks/port").read() if os.path.exists("/marks/port") else "")'


class StreamsContract:
    """Derive, set `capabilities` where the server lacks something, and provide the fixture `open_node`."""

    capabilities = Capabilities()

    def test_a_command_has_streams_and_an_exit_code(self, open_node: OpenKube) -> None:
        async def body(place: Place) -> None:
            await running(place)
            script = "import sys; print('out'); print('bad', file=sys.stderr); sys.exit(7)"
            async with place.kube.exec("p", place.namespace, ["python3", "-c", script]) as session:
                assert await told(session) == {"stdout": b"out\n", "stderr": b"bad\n"}
                assert exit_code(session.status) == 7
            async with place.kube.exec("p", place.namespace, ["python3", "-c", "print('$HOME $(HOME)')"]) as session:
                assert await told(session) == {"stdout": b"$HOME $(HOME)\n"}
                assert exit_code(session.status) == 0

        perform(open_node, body)

    def test_input_reaches_a_command(self, open_node: OpenKube) -> None:
        async def body(place: Place) -> None:
            await running(place)
            data = bytes(range(256)) * 1000
            script = f"import sys; sys.stdout.buffer.write(sys.stdin.buffer.read({len(data)}))"
            async with place.kube.exec("p", place.namespace, ["python3", "-c", script], stdin=True) as session:
                sending = asyncio.ensure_future(session.send(data))
                assert await told(session) == {"stdout": data}
                await sending
                assert exit_code(session.status) == 0

        perform(open_node, body)

    def test_the_end_of_input_reaches_a_command(self, open_node: OpenKube) -> None:
        async def body(place: Place) -> None:
            await running(place)
            script = "import sys; print(len(sys.stdin.read()))"
            async with place.kube.exec("p", place.namespace, ["python3", "-c", script], stdin=True) as session:
                await session.send(b"1234")
                refusal = await failure(session.end_input())
                if self.capabilities.end_of_input:
                    assert refusal is None
                    assert await told(session) == {"stdout": b"4\n"}
                else:
                    assert refusal is not None
                    assert refusal.code == 405

        perform(open_node, body)

    def test_a_terminal_has_a_size(self, open_node: OpenKube) -> None:
        async def body(place: Place) -> None:
            await running(place)
            script = "import os, sys; sys.stdin.readline(); print(tuple(os.get_terminal_size()), os.isatty(2))"
            command = ["python3", "-c", script]
            async with place.kube.exec("p", place.namespace, command, stdin=True, tty=True) as session:
                await session.resize(123, 45)
                await session.send(b"\n")
                assert b"(123, 45) True" in (await told(session))["stdout"]

        perform(open_node, body)

    def test_what_cannot_be_executed(self, open_node: OpenKube) -> None:
        async def body(place: Place) -> None:
            await running(place)
            assert await refused(place, "none", ["true"]) == 404
            assert await refused(place, "p", []) == 400
            assert await refused(place, "p", ["true"], container="none") == 400
            assert await refused(place, "p", ["/no/such/program"]) != 0

        perform(open_node, body)

    def test_a_port_of_a_pod_is_reached(self, open_node: OpenKube) -> None:
        async def body(place: Place) -> None:
            await running(place)
            port = 0

            async def listening() -> bool:
                nonlocal port
                async with place.kube.exec("p", place.namespace, ["python3", "-c", _PORT]) as session:
                    port = int((await told(session))["stdout"].strip() or 0)
                return port > 0

            await until(listening, within_s=WITHIN_S)
            for _ in range(2):
                async with place.kube.port_forward("p", place.namespace, port) as tunnel:
                    await tunnel.send(b"GET / HTTP/1.0\r\n\r\n")
                    page = b""
                    while data := await tunnel.receive():
                        page += data
                    assert b"Directory listing" in page
            assert await failure(_read(place, "p", 1)) is not None
            refusal = await failure(_read(place, "none", 1))
            assert refusal is not None
            assert refusal.code == 404

        perform(open_node, body)

    def test_the_log_of_the_attempt_before(self, open_node: OpenKube) -> None:
        async def body(place: Place) -> None:
            script = "import os, sys; first = not os.path.exists(sys.argv[1]); print('first' if first else 'second')"
            script += "; open(sys.argv[1], 'w').close(); sys.stdout.flush(); first and sys.exit(1)"
            script += "; import time; time.sleep(1000)"
            await place.create(_pod(place, ["python3", "-c", script, "/marks/mark"]))
            await state(place, lambda each: each["restartCount"] == 1 and "running" in each["state"])
            assert await log(place, previous=True) == b"first\n"

            async def written() -> bool:
                return await log(place) == b"second\n"

            await until(written, within_s=WITHIN_S)

        perform(open_node, body)

    def test_there_is_no_attempt_before_the_first(self, open_node: OpenKube) -> None:
        async def body(place: Place) -> None:
            await running(place)
            refusal = await failure(log(place, previous=True))
            assert refusal is not None
            assert refusal.code == 400
            assert "previous terminated container" in refusal.message

        perform(open_node, body)


async def _read(place: Place, name: str, port: int) -> bytes:
    async with place.kube.port_forward(name, place.namespace, port) as tunnel:
        return await tunnel.receive()


async def refused(place: Place, name: str, command: list[str], *, container: str = "") -> int:
    """The code of the refusal, or of the Status at the end of a command that could not be started; 0 for neither."""
    try:
        async with place.kube.exec(name, place.namespace, command, container=container) as session:
            await told(session)
            return exit_code(session.status)
    except KubeError as problem:
        return problem.code


async def told(session: Session) -> dict[str, bytes]:
    """All that a session gives, by stream."""
    found: dict[str, bytes] = {}
    async with asyncio.timeout(WITHIN_S):
        while (piece := await session.receive()) is not None:
            found[piece.stream] = found.get(piece.stream, b"") + piece.data
    return found


def _pod(place: Place, command: list[str]) -> Object:
    container: dict[str, Any] = {"name": "main", "image": "python:3.11", "command": command}
    container["imagePullPolicy"] = "IfNotPresent"
    container["volumeMounts"] = [{"name": "marks", "mountPath": "/marks"}]
    volumes: list[Object] = [{"name": "marks", "emptyDir": {}}]
    spec: Object = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": place.namespace}, "spec": spec}


async def running(place: Place) -> None:
    """Makes the pod `p`, which serves HTTP, and waits until it runs."""
    await place.create(_pod(place, ["python3", "-c", _SERVE]))
    await state(place, lambda each: "running" in each["state"])


async def state(place: Place, holds: Callable[[Object], bool]) -> None:
    """Waits until `holds` of the status of the pod's container."""

    async def held() -> bool:
        status: Object = (await place.kube.get(PODS, "p", place.namespace)).get("status") or {}
        statuses: list[Object] = status.get("containerStatuses") or []
        return any(holds(each) for each in statuses)

    await until(held, within_s=2 * WITHIN_S)


async def log(place: Place, *, previous: bool = False) -> bytes:
    """The log of the pod's container."""
    chunks = place.kube.logs("p", place.namespace, previous=previous)
    return b"".join([chunk async for chunk in chunks])
