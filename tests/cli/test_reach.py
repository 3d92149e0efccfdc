"""`wherry exec`, `wherry port-forward` and objects elsewhere: on the home's own cluster, and on a real one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.cli.homes import Done, RealHome

from wherry.seams import SystemIds

SPEC = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: python:3.11
        imagePullPolicy: IfNotPresent
        command: [python3, -m, http.server, "%(port)d"]
        ports: [{name: http, containerPort: %(port)d}]
        readinessProbe: {tcpSocket: {port: %(port)d}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: web, port: 80, targetPort: http}]}
"""


class Site:
    """A home, and where the commands of a test are sent."""

    def __init__(self, home: RealHome, on: tuple[str, ...], port: int) -> None:
        self.home, self.on, self.port = home, on, port

    def run(self, verb: str, *words: str, stdin: str = "") -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "wherry.cli", verb, *self.on, *words],
            cwd=self.home.work,
            env={**os.environ, "WHERRY_HOME": str(self.home.home), "NO_COLOR": "1"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def done(self, verb: str, *words: str, stdin: str = "") -> str:
        done = self.run(verb, *words, stdin=stdin)
        assert done.code == 0, done.err
        return done.out


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module", params=["home", pytest.param("cluster", marks=pytest.mark.cluster)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = RealHome(tmp_path_factory.mktemp("reach"))
    found = Site(home, (), free_port())
    if request.param == "cluster":
        kubeconfig: Path = request.getfixturevalue("kubeconfig")
        namespace = f"exec-{SystemIds().suffix(8)}"
        context = yaml.safe_load(kubeconfig.read_text())["current-context"]
        target = {"context": context, "kubeconfig": str(kubeconfig), "namespace": namespace}
        lines = [f"{key} = {json.dumps(value)}" for key, value in target.items()]
        home.write("wherry.toml", "\n".join(["[targets.there]", *lines, ""]))
        found = Site(home, ("--on", "there"), 8080)
        home.write("namespace.yaml", f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n")
        found.done("apply", "-f", "namespace.yaml")
    home.write("web.yaml", SPEC % {"port": found.port})
    found.done("apply", "-f", "web.yaml")
    found.done("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")
    yield found
    found.done("delete", "-f", "web.yaml")
    if request.param == "cluster":
        found.done("delete", "-f", "namespace.yaml")
    else:
        pods = json.loads(found.done("get", "pods", "-o", "json"))["items"]
        for pod in pods:
            found.done("wait", f"pod/{pod['metadata']['name']}", "--for=delete", "--timeout=30s")
    home.end()


def test_a_command_runs_in_a_pod_and_its_code_is_ours(site: Site) -> None:
    done = site.run("exec", "deploy/web", "--", "sh", "-c", "echo out; echo bad >&2; exit 7")
    assert (done.code, done.out, done.err) == (7, "out\n", "bad\n")
    code = "import sys; sys.stdout.write(sys.stdin.readline().upper())"
    assert site.done("exec", "-i", "svc/web", "--", "python3", "-c", code, stdin="word\n") == "WORD\n"
    missing = site.run("exec", "nothing", "--", "true")
    assert missing.code == 1
    assert 'pods "nothing" not found' in missing.err
    assert site.run("exec", "job/web", "--", "true").code == 2
    assert "not valid for pod" in site.run("exec", "deploy/web", "-c", "none", "--", "true").err


@pytest.mark.parametrize(("place", "remote"), [("deploy/web", "http"), ("svc/web", "80"), ("svc/web", "web")])
def test_a_local_port_leads_into_a_pod(site: Site, place: str, remote: str) -> None:
    forward = subprocess.Popen(
        [sys.executable, "-m", "wherry.cli", "port-forward", *site.on, place, f":{remote}"],
        cwd=site.home.work,
        env={**os.environ, "WHERRY_HOME": str(site.home.home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        found = re.fullmatch(rf"Forwarding from 127.0.0.1:(\d+) -> {remote}\n", forward.stdout.readline())
        assert found is not None
        for _ in range(3):
            page = urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/").read()
            assert b"Directory listing" in page
    finally:
        forward.send_signal(signal.SIGINT)
        forward.communicate(timeout=30)
    assert forward.returncode == 0


def test_ports_that_are_none(site: Site) -> None:
    for words in (("svc/web", "81"), ("deploy/web", "nope"), ("deploy/web", "70000:80"), ("svc/web", "x:80")):
        assert site.run("port-forward", *words).code == 2, words


def test_objects_of_the_target_are_shown(site: Site) -> None:
    assert site.done("get", "deploy", "web").splitlines()[1].split()[:2] == ["web", "1/1"]
    assert "kind: Deployment" in site.done("describe", "deploy", "web")
    assert 'pods "none" not found' in site.run("get", "pods", "none").err
