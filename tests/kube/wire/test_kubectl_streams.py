"""kubectl, as it is released, reaching into the pods of `wherry up`: exec, cp, port-forward."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import termios
import urllib.request
from collections.abc import Iterator

import pytest
from tests import oracles
from tests.kube.wire.clients import Cluster, Kubectl, needs_kubectl, serving

pytestmark = [pytest.mark.oracle, needs_kubectl]
POD = """
apiVersion: v1
kind: Pod
metadata: {name: target}
spec:
  volumes: [{name: shared, emptyDir: {}}]
  containers:
  - name: main
    image: python:3.11
    env: [{name: GREETING, value: hello}]
    volumeMounts: [{name: shared, mountPath: /shared}]
    command: [python3, -m, http.server, --bind, 127.0.0.1, "%d"]
  - {name: other, image: busybox, command: [sleep, "1000"]}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Cluster]:
    with serving(tmp_path_factory.mktemp("streams")) as cluster:
        kubectl = Kubectl(cluster)
        kubectl("apply -f -", stdin=POD % port)
        kubectl("wait pod/target --for=condition=Ready --timeout=30s")
        yield cluster
        kubectl("delete pod target --now")


@pytest.fixture(scope="module", params=list(oracles.KUBECTLS))
def kubectl(request: pytest.FixtureRequest, cluster: Cluster) -> Kubectl:
    return Kubectl(cluster, request.param)


def test_a_command_runs_where_the_container_runs(kubectl: Kubectl) -> None:
    done = kubectl.run("exec target -c main -- sh -c", "echo $GREETING; echo wrong >&2; exit 3")
    assert (done.code, done.out) == (3, "hello\n")
    assert done.err == "wrong\ncommand terminated with exit code 3\n"
    kubectl("exec target -c main -- sh -c", "echo there > /shared/file")
    assert kubectl("exec target -c main -- cat /shared/file") == "there\n"
    assert kubectl("exec target -c main -- python3 -c", "import sys; print(sys.version_info[:2])") == "(3, 11)\n"
    assert kubectl("exec -i target -- sort", stdin="b\na\n").endswith("a\nb\n")
    assert "nope: executable file not found in $PATH" in kubectl.refused("exec target -c main -- nope")
    assert "container nope is not valid for pod target" in kubectl.refused("exec target -c nope -- true")
    assert 'pods "nope" not found' in kubectl.refused("exec nope -- true")


def test_a_lot_of_input_and_output(kubectl: Kubectl) -> None:
    text = "0123456789abcdef\n" * 200_000
    assert kubectl("exec -i target -c main -- cat", stdin=text) == text


def test_a_terminal(kubectl: Kubectl) -> None:
    ours, theirs = os.openpty()
    os.set_blocking(ours, True)
    script = "stty size; echo $TERM; read line; echo got $line; exit 4"
    shell = subprocess.Popen(
        [kubectl.program, "exec", "-it", "target", "-c", "main", "--", "sh", "-c", f"read first; {script}"],
        env=kubectl.cluster.environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    termios.tcsetwinsize(ours, (33, 77))
    os.write(ours, b"go\nword\n")
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert shell.wait(30) == 4
    assert re.search(rb"33 77\r\nxterm\r\n(word\r\n)?got word", said), said


def test_files_are_copied_both_ways(kubectl: Kubectl) -> None:
    folder = kubectl.cluster.folder
    data = os.urandom(300_000)
    (folder / "tree" / "inner").mkdir(parents=True, exist_ok=True)
    (folder / "tree" / "inner" / "data").write_bytes(data)
    kubectl("cp tree target:/shared/tree -c main")
    assert kubectl("exec target -c main -- find /shared/tree -type f") == "/shared/tree/inner/data\n"
    kubectl("cp target:/shared/tree back -c main")
    assert (folder / "back" / "inner" / "data").read_bytes() == data
    kubectl("exec target -c main -- rm -r /shared/tree")


def test_ports_are_forwarded(kubectl: Kubectl, port: int) -> None:
    forward = kubectl.cluster.start(kubectl.program, "port-forward", "pod/target", f":{port}", ":1")
    try:
        lines = [forward.stdout.readline() for _ in range(4)]
        local = [re.search(r"127.0.0.1:(\d+)", line) for line in lines]
        here, nowhere = (int(found[1]) for found in local if found)
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{here}/") as answer:
                assert b"Directory listing" in answer.read()
        with socket.create_connection(("127.0.0.1", here)) as half:  # its other half goes on
            half.sendall(b"GET / HTTP/1.0\r\n\r\n")
            half.shutdown(socket.SHUT_WR)
            assert b"Directory listing" in b"".join(iter(lambda: half.recv(65536), b""))
        with socket.create_connection(("127.0.0.1", nowhere)) as refused:
            assert refused.recv(1) == b""
        assert "connection refused" in forward.communicate(timeout=30)[0].lower()
    finally:
        forward.kill()
        forward.wait()


def test_what_a_pod_is_started_with_is_attached_to(kubectl: Kubectl) -> None:
    line = "run -i --rm once --image=busybox --restart=Never --command -- sh -c"
    done = kubectl.run(line, "sort; exit 3", stdin="b\na\n")
    assert (done.code, done.out.splitlines()[:2]) == (3, ["a", "b"]), done.err
    assert 'pod "once" deleted' in done.out
    done = kubectl.run("run -i --rm calculates --image=python:3.11 --restart=Never", stdin="print(6 * 7)")
    assert (done.code, done.out.splitlines()[0]) == (0, "42"), done.err
    assert "NotFound" in kubectl.refused("get pod once")


def test_attaching_shows_what_is_written_from_now_on(kubectl: Kubectl) -> None:
    folder = kubectl.cluster.folder
    script = f"echo before; until [ -e {folder}/go ]; do echo waiting; sleep 0.02; done; echo after"
    kubectl("run talks --image=busybox --restart=Never --command -- sh -c", script)
    kubectl("wait pod/talks --for=condition=Ready --timeout=30s")
    attached = kubectl.cluster.start(kubectl.program, "attach", "talks")
    while attached.stdout.readline() != "waiting\n":
        pass
    (folder / "go").touch()
    said = attached.communicate(timeout=30)[0]
    assert said.endswith("after\n")
    assert "before" not in said
    (folder / "go").unlink()
    assert "container other has no stdin" in kubectl.refused("attach -i target -c other")
    kubectl("delete pod talks --now")


def test_pods_are_evicted_and_bound(kubectl: Kubectl) -> None:
    kubectl("run goes --image=busybox --command -- sleep 1000")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "goes"}}
    eviction["deleteOptions"] = {"gracePeriodSeconds": 0}
    path = "create --raw /api/v1/namespaces/default/pods/goes"
    assert '"Success"' in kubectl(f"{path}/eviction -f -", stdin=json.dumps(eviction))
    kubectl("wait pod/goes --for=delete --timeout=30s")
    held = json.dumps({"spec": {"schedulerName": "none"}})
    kubectl("run goes --image=busybox --overrides", held, "--command", "--", "sleep", "1000")
    binding = {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "elsewhere"}}
    assert '"Success"' in kubectl(f"{path}/binding -f -", stdin=json.dumps(binding))
    assert kubectl("get pod goes -o jsonpath={.spec.nodeName}") == "elsewhere"
    kubectl("delete pod goes --force --grace-period=0")


def test_what_there_is_not_is_said(kubectl: Kubectl) -> None:
    assert "ephemeral containers cannot be added" in kubectl.refused("debug target --image=busybox -- true")
    assert "Metrics API not available" in kubectl.refused("top pods")


def test_logs_of_containers_that_start_again(kubectl: Kubectl) -> None:
    script = "echo first; until [ -e again ]; do touch again; exit 1; done; echo second; sleep 1000"
    folder = kubectl.cluster.folder
    (folder / "again").unlink(missing_ok=True)
    spec = {"containers": [{"name": "a", "image": "busybox", "command": ["sh", "-c", script]}]}
    spec["containers"][0]["workingDir"] = str(folder)
    spec["containers"].append({"name": "b", "image": "busybox", "command": ["sh", "-c", "echo other; sleep 1000"]})
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "again", "labels": {"app": "again"}}, "spec": spec}
    kubectl("apply -f -", stdin=json.dumps(pod))
    kubectl("wait pod/again --for=jsonpath={.status.containerStatuses[0].restartCount}=1 --timeout=30s")
    kubectl("wait pod/again --for=condition=Ready --timeout=30s")
    assert kubectl("logs again -c a --previous") == "first\n"
    assert 'previous terminated container "b" in pod "again" not found' in kubectl.refused("logs again -c b -p")
    kubectl.until("logs again -c a", "first\nsecond\n")
    lines = kubectl("logs -l app=again --all-containers --prefix").splitlines()
    assert sorted(lines) == ["[pod/again/a] first", "[pod/again/a] second", "[pod/again/b] other"]
    assert kubectl("logs again -c a --limit-bytes=3") == "fir"
    assert kubectl("logs again -c a --since-time=2100-01-01T00:00:00Z") == ""
    assert kubectl("logs again -c b --insecure-skip-tls-verify-backend --timestamps").split()[1:] == ["other"]
    kubectl("delete pod again --now")


def test_clients_without_websockets_are_told(kubectl: Kubectl) -> None:
    done = kubectl.run("exec target -c main -- true", KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")
    assert done.code == 1
    assert "exec needs an upgrade to a WebSocket, and SPDY/3.1 was asked for" in done.err
