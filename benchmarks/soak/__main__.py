"""`python -m benchmarks.soak [--kills N] [--seed S]` kills what runs pipelines and checks what is left; `make soak`.

The server is killed with -9 at N random moments, zygotes, tasks and clients at others; each time the next command
brings the server back.  Prints one JSON document; exit code 1 when a run did not complete or a check found something.
The short form runs in the test suite.  Invariant: with one seed, victims and pauses are chosen alike.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.flows import soak as flow
from benchmarks.measure import BIN, FLOWS, clean_environment, note
from benchmarks.soak import checks, processes

STALLED_S = 120.0  # no task of any run has moved for so long: give up and say so
FINAL = {"SUCCEEDED", "FAILED", "CANCELED"}


class Soak:
    """One soak in one home."""

    def __init__(self, folder: Path, seed: int, at_once: int) -> None:
        self.folder, self.home, self.ledger = folder, folder / "home", folder / "ledger"
        self.random = random.Random(seed)
        self.at_once = at_once
        self.env = {**clean_environment(), "WHERRY_HOME": str(self.home)}
        self.counts: Counter[str] = Counter()
        self.clients: list[subprocess.Popen[bytes]] = []
        self.submitted = 0
        (folder / "ledger.d").mkdir()

    def wherry(self, *words: str, fatal: bool = True) -> list[dict[str, Any]]:
        """What a command printed, as one object a line.  A command that fails ends the soak, unless `fatal` is off."""
        argv = [str(BIN / "wherry"), *words]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode and fatal:
            raise SystemExit(f"{' '.join(words)} exited with {done.returncode}: {done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def unfinished(self) -> int:
        """How many runs still go on; restarts the server when it is gone."""
        return sum(run["state"] not in FINAL for run in self.wherry("ls", "--json", "--all"))

    def submit(self) -> None:
        """One more run: mostly left to the server, sometimes with a client that stays and watches."""
        self.submitted += 1
        words = ["run", f"{FLOWS / 'soak.py'}:soak", "--json", "-p", f"seed={self.submitted * 1000}"]
        words += ["-p", f"ledger={self.ledger}"]
        words += ["--no-cache"] if self.random.random() < 0.8 else []
        if self.random.random() < 0.3:
            argv = [str(BIN / "wherry"), *words]
            with open(self.folder / f"client-{len(self.clients)}", "wb") as said:
                self.clients.append(subprocess.Popen(argv, env=self.env, stdout=said, stderr=said))
        else:
            self.wherry(*words, "--detach")

    def kill(self, kind: str) -> bool:
        """Kills one process of `kind`; false when there is none."""
        found = [process.pid for process in processes.of_home(self.home) if process.kind == kind]
        if not found:
            return False
        try:
            os.kill(self.random.choice(sorted(found)), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.counts[f"{kind}_kills"] += 1
        return True

    def strike(self) -> None:
        """One random moment, one random victim."""
        victim = self.random.choices(["server", "starting", "task", "zygote", "client"], [50, 15, 40, 20, 8])[0]
        time.sleep(self.random.uniform(0.0, 0.5))
        if victim == "starting":  # the server that a command has just asked for
            self.kill("server")
            command = subprocess.Popen(
                [str(BIN / "wherry"), "ls"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(self.random.uniform(0.0, 0.4))
            self.kill("server")
            command.wait()
        else:
            self.kill(victim)

    def go(self, kills: int) -> None:
        """Keeps runs going and kills until the server died `kills` times; then lets everything end."""
        said = 0
        while self.counts["server_kills"] < kills:
            for _ in range(self.at_once - self.unfinished()):
                self.submit()
            for _ in range(self.random.choice([1, 1, 2, 3])):
                self.strike()
            if self.counts["server_kills"] >= said + 10:
                said = self.counts["server_kills"]
                note(f"{dict(self.counts)}, {self.submitted} runs submitted")
        self.settle()

    def settle(self) -> None:
        """Waits until every run has ended, or nothing moves any more."""
        moved_at, last = time.monotonic(), ""
        while self.unfinished():
            now = self.progress()
            if now != last:
                moved_at, last = time.monotonic(), now
            if time.monotonic() - moved_at > STALLED_S:
                break
            time.sleep(0.1)
        for client in self.clients:
            client.wait(timeout=STALLED_S)

    def progress(self) -> str:
        """Changes whenever anything happened to any run."""
        with sqlite3.connect(f"file:{self.database()}?mode=ro", uri=True) as database:
            return str(database.execute("SELECT max(id) FROM history").fetchone())

    def database(self) -> Path:
        """The home's database file."""
        (found,) = self.home.glob("*.db")
        return found

    def verdict(self) -> dict[str, Any]:
        """Stops the server and checks everything that is left."""
        runs = self.wherry("ls", "--json", "--all")
        wrong = self.outcomes(runs) + self.watchers()
        self.wherry("down")
        with sqlite3.connect(f"file:{self.database()}?mode=ro", uri=True) as database:
            wrong += checks.history(database) + checks.run_history(database)
            lost = database.execute("SELECT count(*), max(incarnation) FROM task WHERE incarnation > 0").fetchone()
            retried = database.execute("SELECT count(*) FROM task WHERE attempt > 1").fetchone()
            cached = checks.cached(database)
            transitions = database.execute("SELECT count(*) FROM history").fetchone()
        late, counts = checks.ledger(self.ledger, cached)
        left = self.left()
        wrong += late + [f"left behind: {process.kind} {process.pid} {process.command[:200]}" for process in left]
        return {
            "ok": not wrong,
            "runs": len(runs),
            "states": dict(Counter(run["state"] for run in runs)),
            **self.counts,
            **counts,
            "transitions": transitions[0],
            "attempts_with_losses": lost[0],
            "most_incarnations": lost[1] or 0,
            "retried_attempts": retried[0],
            "left_behind": len(left),
            "wrong": wrong[:50],
        }

    def outcomes(self, runs: list[dict[str, Any]]) -> list[str]:
        """Runs that did not end as a whole run does."""
        wrong: list[str] = []
        for run in runs:
            shown = self.wherry("show", run["id"], "--json")
            outputs = shown[0].get("outputs") or {}
            seed = int(shown[0]["arguments"]["seed"])
            if run["state"] != "SUCCEEDED":
                wrong.append(f"run {run['id']} is {run['state']}: {shown[0].get('error')}")
            elif outputs.get("Output") != flow.expected(seed):
                wrong.append(f"run {run['id']} gave {outputs} and not {flow.expected(seed)}")
        return wrong

    def watchers(self) -> list[str]:
        """Clients that were not killed and did not see their run succeed, though a server was to be had."""
        wrong: list[str] = []
        for number, client in enumerate(self.clients):
            self.counts["clients"] += 1
            if client.returncode not in (0, -signal.SIGKILL):
                said = (self.folder / f"client-{number}").read_text(errors="replace")[-500:]
                wrong.append(f"a client exited with {client.returncode}: {said}")
        return wrong

    def left(self) -> list[processes.Process]:
        """What still lives a little after `wherry down`."""
        until = time.monotonic() + 10
        while (found := list(processes.of_home(self.home))) and time.monotonic() < until:
            time.sleep(0.05)
        return found


def main() -> int:
    """Soaks and prints the verdict."""
    parser = argparse.ArgumentParser(description="Kill the server at random moments; every run must complete.")
    parser.add_argument("--kills", type=int, default=100, help="how often the server is killed (100)")
    parser.add_argument("--seed", type=int, default=None, help="of the choice of victims and moments (random, printed)")
    parser.add_argument("--at-once", type=int, default=2, help="runs that go on at the same time (2)")
    parser.add_argument("--keep", action="store_true", help="leave the home for a look")
    options = parser.parse_args()
    seed = secrets.randbelow(1 << 31) if options.seed is None else options.seed
    note(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="wherry-soak-"))
    begin = time.perf_counter()
    soak = Soak(folder, seed, options.at_once)
    try:
        soak.go(options.kills)
        verdict = soak.verdict()
    finally:
        soak.wherry("down", fatal=False)
        for process in processes.of_home(soak.home):
            os.kill(process.pid, signal.SIGKILL)
        if options.keep:
            note(f"left in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"seed": seed, "seconds": round(time.perf_counter() - begin, 1), **verdict}, indent=2))
    return 0 if verdict["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
