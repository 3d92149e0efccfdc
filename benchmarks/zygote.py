"""What a Python task costs through a zygote alone: fork, in-task runtime, commit and exit records, the message of it.

No pod, no database, no engine: the rest of a task's cost is theirs.  Called by `python -m benchmarks zygote`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Figure, floor
from wherry.kube.embedded.node.zygotes import Home, Message, Zygotes
from wherry.runtime import zipapp

SOURCE = "def add(a: int, b: int) -> int:\n    return a + b\n"
CHAIN_TASKS, WIDE_TASKS = 200, 1500
ROUNDS = 3


class Crew:
    """One zygote in a folder and tasks for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done = asyncio.Event()
        self.left = 0
        self.number = 0
        runtime = zipapp.build(folder)
        self.zygotes = Zygotes(folder / "run", str(runtime), told=self._told, lost=self._lost)
        self.home = Home(sys.executable, "bench", {"PATH": os.environ["PATH"]})
        self.source = folder / "add.py"
        self.source.write_text(SOURCE)

    def _told(self, message: Message) -> None:
        if message.op == "started":
            return
        if message.code:
            raise RuntimeError(f"{message.id} ended with {message.code}; see its log in {self.folder}")
        self.left -= 1
        self.done.set()

    def _lost(self, ids: list[str], why: str) -> None:
        raise RuntimeError(f"the zygote ended: {why}")

    def start(self) -> None:
        """Asks for the next task."""
        self.number += 1
        uid = f"pod-{self.number}"
        root = self.folder / "artifacts" / uid
        descriptor = {
            "v": 1,
            "kind": "python",
            "source": {"uri": str(self.source), "sha256": hashlib.sha256(SOURCE.encode()).hexdigest()},
            "function": "add",
            "executor_input": {"inputs": {"parameterValues": {"a": 1, "b": self.number}}, "outputs": {}},
            "component": {
                "inputs": {"a": {"type": "NUMBER_INTEGER"}, "b": {"type": "NUMBER_INTEGER"}},
                "outputs": {"Output": "NUMBER_INTEGER"},
            },
            "root": str(root),
            "commit": str(root / "commit.json"),
        }
        folder = str(self.folder / "pods" / uid)
        env = {"WHERRY_TASK": json.dumps(descriptor), "WHERRY_TERMINATION_LOG": f"{folder}/main-0.message"}
        request = {"id": f"{uid}/main-0", "dir": folder, "name": "main-0", "tag": f"wy{self.number:x}", "env": env}
        self.left += 1
        self.zygotes.start(self.home, request)

    async def until(self, left: int) -> None:
        """Waits until at most `left` tasks run."""
        while self.left > left:
            self.done.clear()
            await self.done.wait()


async def _chain(crew: Crew) -> float:
    begin = time.perf_counter()
    for _ in range(CHAIN_TASKS):
        crew.start()
        await crew.until(0)
    return (time.perf_counter() - begin) / CHAIN_TASKS


async def _wide(crew: Crew) -> float:
    width = 4 * (os.cpu_count() or 1)
    begin = time.perf_counter()
    for _ in range(WIDE_TASKS):
        crew.start()
        await crew.until(width - 1)
    await crew.until(0)
    return WIDE_TASKS / (time.perf_counter() - begin)


async def _measure() -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {"chain_s": [], "floor_chain_s": [], "wide_rate": [], "floor_wide_rate": []}
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as name:
        (Path(name) / "pods").mkdir()
        crew = Crew(Path(name))
        crew.start()
        await crew.until(0)
        for _ in range(ROUNDS):
            taken["chain_s"].append(await _chain(crew))
            taken["floor_chain_s"].append(floor("chain"))
            taken["wide_rate"].append(await _wide(crew))
            taken["floor_wide_rate"].append(floor("wide"))
        crew.zygotes.close()
    return taken


def figures() -> list[Figure]:
    """The best round of each side: the share of the machine that is ours is what differs between rounds."""
    taken = asyncio.run(_measure())
    chain = min(taken["chain_s"]) / min(taken["floor_chain_s"])
    wide = max(taken["wide_rate"]) / max(taken["floor_wide_rate"])
    return [
        Figure("zygote_chain", chain, at_most=3.0, aim=2.0, unit="x bare", raw=taken),
        Figure("zygote_wide", wide, at_least=0.4, aim=0.5, unit="of the bare rate"),
    ]
