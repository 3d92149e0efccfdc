"""`wherry up` and `wherry kubeconfig` as their user has them: a process, its addresses, and what it refuses."""

from __future__ import annotations

import base64
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
from urllib.parse import urlsplit

import pytest
import yaml
from tests.cli.homes import UP, RealHome, until, up

SLEEPS = """
pipelineInfo: {name: sleeps}
schemaVersion: 2.1.0
deploymentSpec:
  executors:
    exec-t: {container: {image: busybox, command: [sh, -c, 'sleep 600']}}
components: {comp-t: {executorLabel: exec-t}}
root: {dag: {tasks: {t: {componentRef: {name: comp-t}, taskInfo: {name: t}}}}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[RealHome]:
    found = RealHome(tmp_path)
    yield found
    found.end()


def asked(config: dict[str, Any], path: str) -> tuple[int, Any]:
    """What a client with that kubeconfig is answered."""
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    where = urlsplit(cluster["server"])
    headers = {"authorization": f"Bearer {user['token']}"} if user else {}
    with closing(http.client.HTTPSConnection(where.hostname, where.port, context=context, timeout=10)) as channel:
        channel.request("GET", path, headers=headers)
        reply = channel.getresponse()
        return reply.status, json.loads(reply.read())


def test_a_background_server_makes_room_and_commands_use_the_one_in_the_foreground(home: RealHome) -> None:
    assert home.run("ls").code == 0
    before = home.server()
    with up(home) as (process, address):
        assert home.server() == process.pid != before
        status = home.json("status", "--json")
        assert status["addresses"] == [f"unix:{home.home}/server.sock", address]
        config = yaml.safe_load(home.run("kubeconfig").out)
        assert config["clusters"][0]["cluster"]["server"] == address
        code, version = asked(config, "/version")
        assert (code, version["major"]) == (200, "1")
        second = home.run(*UP)
        assert (second.code, f"already, at {address}" in second.err) == (1, True)
        log = (home.home / "server.log").read_text()
        assert config["users"][0]["user"]["token"] not in log
    assert home.run("kubeconfig").err.splitlines()[0].endswith("is on the network")


def test_a_background_server_with_runs_stays(home: RealHome) -> None:
    home.write("sleeps.yaml", SLEEPS)
    assert home.run("run", "--detach", "sleeps.yaml").code == 0
    done = home.run(*UP)
    assert (done.code, "runs that are going: 1" in done.err, "wherry down" in done.err) == (1, True, True), done.err
    assert home.run("down").code == 0
    with up(home):
        assert home.json("status", "--json")["active_runs"] == 1
        assert home.run("cancel", "latest", "--kill").code == 0
        until(lambda: home.json("status", "--json")["active_runs"] == 0, "the end of the run")


def test_without_authentication_only_on_loopback(home: RealHome) -> None:
    refused = home.run(*UP, "--auth", "none", "--host", "0.0.0.0")
    assert (refused.code, "for this machine alone" in refused.err) == (2, True)
    with up(home, "--auth", "none"):
        config = yaml.safe_load(home.run("kubeconfig").out)
        assert config["users"][0]["user"] == {}
        assert asked(config, "/api/v1/namespaces")[0] == 200
    assert not (home.home / "token").exists()


def test_a_port_that_is_taken_leaves_the_background_server_alone(home: RealHome) -> None:
    assert home.run("ls").code == 0
    before = home.server()
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        done = home.run("up", "--port", str(other.getsockname()[1]))
    assert (done.code, "cannot be listened at" in done.err) == (1, True)
    assert home.json("status", "--json")["pid"] == before


def test_a_kubeconfig_is_merged_into_what_is_there(home: RealHome) -> None:
    config = home.work / "config"
    theirs = {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {"colors": True},
        "clusters": [
            {"name": "prod", "cluster": {"server": "https://prod.example"}},
            {"name": "wherry", "cluster": {}},
        ],
        "users": [{"name": "prod", "user": {"token": "0123"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}],
        "current-context": "prod",
    }
    config.write_text(yaml.safe_dump(theirs))
    link = home.work / "link"
    link.symlink_to(config)
    home.environ["KUBECONFIG"] = f"{link}{os.pathsep}{home.work}/other"
    with up(home) as (_, address):
        done = home.run("kubeconfig", "--merge", "--host", "localhost")
        assert (done.code, "stays prod" in done.out) == (0, True), done.err
        merged = yaml.safe_load(config.read_text())
        assert {key: merged[key] for key in ("preferences", "current-context")} == {
            key: theirs[key] for key in ("preferences", "current-context")
        }
        assert [each["name"] for each in merged["clusters"]] == ["prod", "wherry"]
        assert merged["users"][0] == theirs["users"][0]
        assert merged["clusters"][1]["cluster"]["server"] == address.replace("127.0.0.1", "localhost")
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        assert link.is_symlink()
        assert home.run("kubeconfig", "--merge").code == 0
        Path(f"{config}.lock").touch()
        assert "being changed by another program" in home.run("kubeconfig", "--merge").err
        Path(f"{config}.lock").unlink()
        before = "clusters: [1"
        config.write_text(before)
        refused = home.run("kubeconfig", "--merge")
        assert (refused.code, "not valid YAML" in refused.err, config.read_text()) == (2, True, before)
        home.environ["KUBECONFIG"] = str(home.work / "new" / "config")
        assert home.run("kubeconfig", "--merge", "--context", "mine").code == 0
        assert yaml.safe_load((home.work / "new" / "config").read_text())["current-context"] == "mine"
