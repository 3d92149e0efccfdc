"""The judge of the KFP API: `kfp.Client` and the `kfp` command, as released, against `wherry up`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests import oracles
from tests.cli.homes import RealHome, up

PROGRAM = Path(__file__).with_name("client_program.py")
pytestmark = pytest.mark.oracle


class Served(NamedTuple):
    """A server on the network, and what its clients need."""

    address: str
    authority: str
    token: str
    home: RealHome


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = RealHome(tmp_path_factory.mktemp("kfp"))
    with up(home) as (_, address):
        token = (home.home / "token").read_text().strip()
        yield Served(address, str(home.home / "tls" / "ca.pem"), token, home)


@pytest.fixture(scope="module")
def seen(served: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program saw."""
    folder = tmp_path_factory.mktemp("program")
    python = oracles.python("kfp", oracles.KFP)
    done = subprocess.run(
        [python, PROGRAM, served.address, served.authority, served.token, folder],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_public_method_is_called(seen: dict[str, Any]) -> None:
    assert seen["not called"] == []
    assert seen["healthz"] is False


def test_experiments(seen: dict[str, Any]) -> None:
    assert (seen["again"], seen["experiment"]) == (True, ["first", "AVAILABLE"])
    assert seen["pages"] == [[["two", "three"], ["one", "Default"]], 4]
    assert seen["archived"] == ["two"]
    assert (seen["no experiment"], seen["deleted"]) == (404, 404)


def test_pipelines_and_versions(seen: dict[str, Any]) -> None:
    assert seen["pipeline"] == ["adds", True]
    assert seen["pipelines"] == ["adder", "other"]
    assert seen["versions"] == ["v3", "v2", "adder"]
    assert seen["spec"] == "adding"
    assert (seen["has versions"], seen["left"]) == (400, 1)


def test_runs_and_their_tasks(seen: dict[str, Any]) -> None:
    assert seen["run"] == ["SUCCEEDED", ["PENDING", "RUNNING", "SUCCEEDED"], {"x": 5}]
    assert seen["tasks"] == [
        ["add", "SUCCEEDED", "root"],
        ["add-2", "SUCCEEDED", "for-loop-2[0]"],
        ["add-2", "SUCCEEDED", "for-loop-2[1]"],
        ["for-loop-2", "SUCCEEDED", "root"],
        ["for-loop-2[0]", "SUCCEEDED", "for-loop-2"],
        ["for-loop-2[1]", "SUCCEEDED", "for-loop-2"],
        ["root", "SUCCEEDED", ""],
    ]
    assert (seen["job"], seen["package"]) == (["SUCCEEDED", True], "SUCCEEDED")
    assert seen["failed"] == ["FAILED", 2, True]
    assert seen["macro"] is True


def test_a_canceled_run_ends_for_a_client_that_waits(seen: dict[str, Any]) -> None:
    assert seen["canceled"] == ["FAILED", 1, "CANCELED"]
    assert seen["terminated twice"] == 400


def test_lists_of_runs(seen: dict[str, Any]) -> None:
    assert (seen["metric"], seen["failed runs"]) == (True, True)
    assert (seen["substring"], seen["experiment's runs"]) == (["from package"], 2)
    assert (seen["archived run"], seen["deleted run"][0]) == ("ARCHIVED", 404)


def test_what_is_wrong_is_a_400_that_names_it(seen: dict[str, Any]) -> None:
    assert seen["bad argument"][0] == 400
    assert "no parameter 'z'" in seen["bad argument"][1]
    assert seen["bad filter"][0] == 400
    assert "unknown key 'color'" in seen["bad filter"][1]
    assert (seen["bad sort"], seen["bad token"]) == (400, 400)


def test_recurring_runs(seen: dict[str, Any]) -> None:
    assert seen["recurring"] == ["ENABLED", "2", "1"]
    assert (seen["fired"], seen["disabled"], seen["enabled"]) == (True, "DISABLED", "ENABLED")
    assert seen["never"] == ["DISABLED", True, "0 0 0 1 1 *"]
    assert seen["recurring runs"] == ["every", "never"]
    assert seen["five fields"][0] == 400
    assert "write '0 * * * * *'" in seen["five fields"][1]
    assert seen["no recurring runs"] is None


def test_the_kfp_command(served: Served, seen: dict[str, Any], tmp_path: Path) -> None:
    """It cannot be given a private authority: on the server's own machine it asks without TLS."""
    command = oracles.python("kfp", oracles.KFP).with_name("kfp")
    plain = served.address.replace("https:", "http:")

    def kfp(*words: str) -> Any:
        done = subprocess.run(
            [command, "--endpoint", plain, "--existing-token", served.token, "--output", "json", *words],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        start = min((at for at in (done.stdout.find("{"), done.stdout.find("[")) if at >= 0), default=-1)
        return json.loads(done.stdout[start:]) if start >= 0 else done.stdout

    made = kfp("experiment", "create", "by command")
    assert made["display_name"] == "by command"
    names = [each["display_name"] for each in kfp("experiment", "list")]
    assert "by command" in names
    found = kfp("run", "get", seen["saved"])
    assert found["state"] == "SUCCEEDED"
    assert [each["display_name"] for each in kfp("pipeline", "list")] == ["adder"]


def test_artifacts_and_logs_of_a_task(seen: dict[str, Any], served: Served) -> None:
    assert seen["outputs"] == ["data", "metrics"]
    show = served.home.json("show", seen["saved"], "--json")
    assert show["state"] == "SUCCEEDED"  # the command line and the API see the same runs
