"""How commands from outside and those who attach come to their ends."""

from __future__ import annotations

import asyncio
import os

from tests.kube.node.machine import machine, sh

from wherry.kube.resources import PODS
from wherry.kube.streams import exit_code
from wherry.testing import until


async def first(session):
    """The first piece of output, as text."""
    piece = await asyncio.wait_for(session.receive(), 15)
    return piece.data.decode()


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def test_a_command_ends_with_its_container(tmp_path):
    async def body():
        async with machine(tmp_path / "home") as node:
            await node.create(command=sh("sleep 1000"))
            await node.running()
            async with node.kube.exec("pod", "default", sh("echo $$; exec sleep 1000")) as session:
                pid = int(await first(session))
                await node.kube.delete(PODS, "pod", "default", grace_period_s=0)
                assert await asyncio.wait_for(session.receive(), 15) is None
                assert exit_code(session.status) == 137
                assert gone(pid)

    asyncio.run(body())


def test_a_command_ends_when_its_caller_leaves(tmp_path):
    async def body():
        async with machine(tmp_path / "home") as node:
            await node.create(command=sh("sleep 1000"))
            await node.running()
            async with node.kube.exec("pod", "default", sh("trap '' TERM; echo $$; sleep 1000")) as session:
                pid = int(await first(session))
            await until(lambda: gone(pid), within_s=15)
            async with node.kube.exec("pod", "default", sh("ls ..")) as session:
                assert "exec-0" not in await first(session)  # what the first one left was cleared away

    asyncio.run(body())


def test_a_console_outlives_the_server(tmp_path):
    async def body():
        container = {"name": "main", "image": "busybox", "command": sh("read a; echo got $a; read b; echo and $b")}
        container |= {"stdin": True, "tty": True}
        async with machine(tmp_path / "home") as node:
            await node.create(containers=[container])
            await node.running()
            async with node.kube.attach("pod", "default", stdin=True, tty=True) as session:
                await session.send(b"one\n")
                said = ""
                while "got one" not in said:
                    said += await first(session)
        async with machine(tmp_path / "home") as node:
            async with node.kube.attach("pod", "default", stdin=True, tty=True) as session:
                await session.send(b"two\n")
                said = ""
                while "and two" not in said:
                    said += await first(session)
            assert (await node.ended())["phase"] == "Succeeded"

    asyncio.run(body())
