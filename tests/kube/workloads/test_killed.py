"""A real server, killed under a Deployment and Jobs: no pod is made twice, none is lost, each end counts once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.cli.homes import RealHome, until

KILLS = 4
COMPLETIONS = 14


def container(script: str) -> dict:
    return {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}


def job(name: str, script: str, **spec: object) -> dict:
    template = {"spec": {"restartPolicy": "Never", "containers": [container(script)]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def objects(ledger: Path) -> list[dict]:
    ends = f"sleep 0.1; echo $HOSTNAME >> {ledger}"
    indexed = f'sleep 0.1; echo "$JOB_COMPLETION_INDEX" >> {ledger}.indexed'
    template = {"metadata": {"labels": {"app": "stays"}}, "spec": {"containers": [container("exec sleep 1000")]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "stays"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "stays"}, "spec": spec}
    many = {"completions": COMPLETIONS, "parallelism": 3}
    return [deployment, job("counts", ends, **many), job("each", indexed, completionMode="Indexed", **many)]


class Killed:
    """The home, asked by its command line, which starts a server when there is none."""

    def __init__(self, folder: Path) -> None:
        self.home = RealHome(folder)
        self.ledger = self.home.work / "ledger"

    def list(self, kind: str) -> list[dict]:
        done = self.home.run("get", kind, "-o", "json")
        assert done.code == 0, done.err
        return json.loads(done.out)["items"] if done.out.strip() else []

    def ended(self) -> int:
        return len(self.ledger.read_text().splitlines()) if self.ledger.exists() else 0

    def kill(self) -> None:
        os.kill(self.home.server(), signal.SIGKILL)


def test_a_killed_server_counts_each_end_once(tmp_path: Path) -> None:
    under = Killed(tmp_path)
    (under.home.work / "objects.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(under.ledger)})
    )
    applied = under.home.run("apply", "-f", "objects.json")
    assert applied.code == 0, applied.err
    for round in range(KILLS):
        seen = under.ended()
        until(lambda seen=seen: under.ended() > seen or under.ended() == COMPLETIONS, f"an end after kill {round}")
        under.kill()
        under.list("jobs")  # starts the next one

    def settled() -> list[dict]:
        jobs = under.list("jobs")
        return jobs if all(item["status"].get("completionTime") for item in jobs) else []

    for item in until(settled, "the end of the jobs"):
        status = item["status"]
        assert (status["succeeded"], status.get("failed", 0)) == (COMPLETIONS, 0)
        assert (status["uncountedTerminatedPods"], status.get("active", 0)) == ({}, 0)
    pods = under.list("pods")
    owned = {name: [pod for pod in pods if pod["metadata"]["name"].startswith(name)] for name in ("counts", "each")}
    for found in owned.values():
        assert len(found) == COMPLETIONS
        assert not [pod for pod in found if pod["metadata"].get("finalizers")]
    lines = under.ledger.read_text().split()
    assert sorted(lines) == sorted(pod["metadata"]["name"] for pod in owned["counts"])  # each ran once
    indexes = Path(f"{under.ledger}.indexed").read_text().split()
    assert sorted(map(int, indexes)) == list(range(COMPLETIONS))
    stays = [pod for pod in pods if pod["metadata"]["name"].startswith("stays")]
    assert [pod["status"]["phase"] for pod in stays] == ["Running"] * 3
    assert all(status["restartCount"] == 0 for pod in stays for status in pod["status"]["containerStatuses"])
    for what in ("deployment/stays", "job/counts", "job/each"):
        assert under.home.run("delete", *what.split("/")).code == 0
    until(lambda: not under.list("pods"), "the end of the pods")
    under.home.end()
