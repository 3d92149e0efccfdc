"""Deaths by SIGKILL: of the server, of a zygote, of both, of tasks; nothing runs twice, nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kube.node.driving import alive, wait
from tests.kube.node.machine import machine, pod_of, sh, terminated

from wherry.kube.resources import PODS
from wherry.testing import until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


class Server:
    """A server in a process of its own, killed as a machine's worst moments do."""

    def __init__(self, home, *pods):
        script = Path(__file__).with_name("machine.py")
        root = Path(__file__).parents[3]
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(home), json.dumps(pods)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def counting(tmp_path, name, rest="until [ -e {go} ]; do sleep 0.01; done; exit 5"):
    """A pod that counts its starts, writes down its pid and waits for the file `go`."""
    go, starts = tmp_path / "go", tmp_path / f"{name}-starts"
    return pod_of(name, command=sh(f"echo $$$$ >> {starts}; " + rest.format(go=go)))


def starts(tmp_path, name):
    path = tmp_path / f"{name}-starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def zygotes(home):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"zygote.py") for word in words) and any(str(home).encode() in word for word in words):
            found.append(int(path.parent.name))
    return [pid for pid in found if alive(pid)]


def test_a_new_server_adopts_what_runs_and_what_has_ended(tmp_path):
    home = tmp_path / "home"
    short = pod_of("short", command=sh(f"echo $$$$ >> {tmp_path}/short-starts; exit 6"))
    server = Server(home, counting(tmp_path, "long"), short)
    wait(lambda: starts(tmp_path, "long") and starts(tmp_path, "short"))
    server.kill()
    (pid,) = starts(tmp_path, "long")
    assert alive(pid)

    async def body():
        async with machine(home) as node:
            pod = await node.running("long")
            assert pod["status"]["containerStatuses"][0]["containerID"].startswith(f"wherry://{pid}/")
            assert terminated(await node.ended("short"))["exitCode"] == 6
            (tmp_path / "go").touch()
            assert terminated(await node.ended("long"))["exitCode"] == 5

    asyncio.run(body())
    assert len(starts(tmp_path, "long")) == len(starts(tmp_path, "short")) == 1
    wait(lambda: not zygotes(home))


def test_killed_at_once_nothing_is_started_twice(tmp_path):
    """The server dies while its requests are on their way."""
    home = tmp_path / "home"
    names = [f"pod-{i}" for i in range(8)]
    server = Server(
        home, *(pod_of(n, command=sh(f"echo $$$$ >> {tmp_path}/{n}-starts; sleep 0.2; exit 5")) for n in names)
    )
    server.kill()

    async def body():
        async with machine(home) as node:
            for name in names:
                assert terminated(await node.ended(name))["exitCode"] == 5

    asyncio.run(body())
    assert [len(starts(tmp_path, name)) for name in names] == [1] * len(names)


def test_a_pod_deleted_while_nobody_watched_is_stopped(tmp_path):
    home = tmp_path / "home"
    server = Server(home, counting(tmp_path, "long"))
    wait(lambda: starts(tmp_path, "long"))
    server.kill()
    (pid,) = starts(tmp_path, "long")

    async def body():
        async with machine(home) as node:
            await node.running("long")
            await until(lambda: starts(tmp_path, "long"))
            await node.kube.delete(PODS, "long", "default", grace_period_s=0)
        async with machine(home) as node:
            await until(lambda: not alive(pid))
            await until(lambda: not list((home / "pods").iterdir()))

    asyncio.run(body())


def test_a_killed_zygote_costs_no_living_task(tmp_path):
    home = tmp_path / "home"

    async def body():
        async with machine(home) as node:
            await node.kube.create(counting(tmp_path, "long"))
            await node.running("long")
            await until(lambda: starts(tmp_path, "long"))
            (pid,) = starts(tmp_path, "long")
            os.kill(zygotes(home)[0], signal.SIGKILL)
            await node.run("next", command=["true"])  # a new zygote comes when it is needed
            assert alive(pid)
            (tmp_path / "go").touch()
            return await node.ended("long")

    status = asyncio.run(body())
    assert (status["phase"], status["reason"]) == ("Failed", "Lost")
    assert terminated(status)["reason"] == "ContainerStatusUnknown"
    assert len(starts(tmp_path, "long")) == 1


def test_orphans_are_stopped_like_others(tmp_path):
    home = tmp_path / "home"
    stubborn = f"sleep 61 & echo $! > {tmp_path}/child; trap 'touch {tmp_path}/term' TERM; while :; do sleep 0.05; done"

    async def body():
        async with machine(home) as node:
            await node.kube.create(counting(tmp_path, "long", stubborn.replace("{", "{{").replace("}", "}}")))
            await until((tmp_path / "child").exists)
            await node.running("long")
            await until(lambda: starts(tmp_path, "long"))
            os.kill(zygotes(home)[0], signal.SIGKILL)
            await until(lambda: not zygotes(home))
            await node.kube.delete(PODS, "long", "default", grace_period_s=1)
            assert await node.until("long", lambda status: False) is None

    asyncio.run(body())
    (pid,) = starts(tmp_path, "long")
    assert (tmp_path / "term").exists()
    assert not alive(pid)
    assert not alive(int((tmp_path / "child").read_text()))


def test_server_and_zygote_killed_together(tmp_path):
    home = tmp_path / "home"
    dead = counting(tmp_path, "dead", "exec sleep 60")
    server = Server(home, counting(tmp_path, "long"), dead)
    wait(lambda: starts(tmp_path, "long") and starts(tmp_path, "dead"))
    for pid in zygotes(home):
        os.kill(pid, signal.SIGKILL)
    server.kill()
    (pid,) = starts(tmp_path, "long")
    os.kill(starts(tmp_path, "dead")[0], signal.SIGKILL)

    async def body():
        async with machine(home) as node:
            await node.running("long")
            await until(lambda: starts(tmp_path, "long"))
            assert alive(pid)
            assert (await node.ended("dead"))["reason"] == "Lost"
            (tmp_path / "go").touch()
            return await node.ended("long")

    assert asyncio.run(body())["reason"] == "Lost"
    assert len(starts(tmp_path, "long")) == len(starts(tmp_path, "dead")) == 1


def test_a_killed_task_is_an_outcome(tmp_path):
    async def body():
        async with machine(tmp_path / "home") as node:
            await node.kube.create(counting(tmp_path, "long"))
            os.kill((await until(lambda: starts(tmp_path, "long")))[0], signal.SIGKILL)
            return await node.ended("long")

    ended = terminated(asyncio.run(body()))
    assert (ended["exitCode"], ended["signal"], ended["reason"]) == (137, 9, "Error")


def test_a_zygote_that_cannot_come_up_is_told(tmp_path):
    async def body():
        home = tmp_path / "home"
        async with machine(home) as node:
            (home / "node.pyz").touch()
            return await node.run(command=["true"], image="python:3")

    broken = tmp_path / "home" / "envs"
    broken.mkdir(parents=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys._base_executable)
    import hashlib

    key = hashlib.sha256(str(base).encode()).hexdigest()[:16]
    folder = broken / f"bare-{version}-{key}" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text("#!/bin/sh\necho this is no interpreter >&2\nexit 1\n")
    (folder / "python").chmod(0o755)
    ended = terminated(asyncio.run(body()))
    assert ended["reason"] == "StartError"
    assert "this is no interpreter" in ended["message"]


def test_leaving_stops_no_pod(tmp_path):
    home = tmp_path / "home"

    async def body():
        async with machine(home) as node:
            await node.kube.create(counting(tmp_path, "long"))
            await node.running("long")
            await until(lambda: starts(tmp_path, "long"))
        (pid,) = starts(tmp_path, "long")
        assert alive(pid)
        async with machine(home) as node:
            await node.running("long")
            await until(lambda: starts(tmp_path, "long"))
            (tmp_path / "go").touch()
            assert terminated(await node.ended("long"))["exitCode"] == 5

    asyncio.run(body())
    assert len(starts(tmp_path, "long")) == 1
