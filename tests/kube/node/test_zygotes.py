"""The agent's side: one zygote an environment, found again, let go when unused."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from tests.kube.node.driving import alive

from wherry.kube.embedded.node.zygotes import Home, Zygotes
from wherry.testing import until

HOME = Home(sys.executable, "here", {"PATH": os.environ["PATH"]})


class Crew:
    """Zygotes of a folder, and what they have told."""

    def __init__(self, folder, runtime, **more):
        self.told = []
        self.lost = []
        self.zygotes = Zygotes(
            folder / "run",
            str(runtime),
            told=self.told.append,
            lost=lambda ids, why: self.lost.append((ids, why)),
            **more,
        )

    def start(self, folder, uid, *argv):
        request = {
            "id": f"{uid}/main-0",
            "dir": f"{folder}/{uid}",
            "name": "main-0",
            "tag": uid,
            "env": {},
            "argv": argv,
        }
        self.zygotes.start(HOME, request)

    def pids(self):
        return [zygote.pid for zygote in self.zygotes._zygotes.values()]


def test_unused_zygotes_are_let_go_and_come_back(tmp_path, runtime):
    async def body():
        crew = Crew(tmp_path, runtime, unused_s=0.05, idle_s=5.0)
        crew.zygotes.warm(HOME)
        (first,) = await until(lambda: all(crew.pids()) and crew.pids())
        crew.start(tmp_path, "one", "sleep", "0.3")
        await until(lambda: crew.told and crew.told[-1].op == "exited")
        assert crew.told[-1].code == 0, "it is not let go while it has work"
        await until(lambda: not crew.pids() and not alive(first))
        crew.start(tmp_path, "two", "true")
        await until(lambda: crew.told[-1].id == "two/main-0")
        crew.zygotes.close()
        assert crew.lost == []

    asyncio.run(body())


def test_found_again(tmp_path, runtime):
    async def body():
        before = Crew(tmp_path, runtime)
        before.start(tmp_path, "one", "sleep", "0.3")
        await until(lambda: before.told)
        before.zygotes.close()
        (tmp_path / "run" / "zygote-stale.log").touch()
        after = Crew(tmp_path, runtime)
        (found,) = await after.zygotes.adopt()
        assert (found.id, found.pid) == ("one/main-0", before.told[0].pid)
        await until(lambda: after.told)
        assert after.told[0].op == "exited"
        after.zygotes.close()
        assert not (tmp_path / "run" / "zygote-stale.log").exists()

    asyncio.run(body())


def test_a_home_too_deep_for_a_socket(tmp_path, runtime):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()

    async def body():
        crew = Crew(deep, runtime)
        crew.start(deep, "one", "true")
        await until(lambda: crew.told)
        crew.zygotes.close()
        return crew.told[0].code

    assert asyncio.run(body()) == 0


def test_an_interpreter_that_is_not_there(tmp_path, runtime):
    async def body():
        crew = Crew(tmp_path, runtime)
        with pytest.raises(OSError, match="no/such/python"):
            crew.zygotes.start(HOME._replace(python="/no/such/python", key="none"), {"id": "one/main-0"})
        crew.zygotes.close()

    asyncio.run(body())
