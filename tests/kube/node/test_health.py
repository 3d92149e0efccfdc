"""Probes, hooks and sidecars on the node, with real processes; times are those of a fast machine's second."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from tests.kube.node.machine import machine, pod_of, sh, terminated

from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.resources import EVENTS, PODS
from wherry.testing import until

ALWAYS = {"periodSeconds": 1, "timeoutSeconds": 5}
WAIT = "trap 'exit 0' TERM; while :; do sleep 0.02; done"


@pytest.fixture
def on_node(tmp_path):
    def run(body):
        async def main():
            async with machine(tmp_path / "home") as node:
                return await body(node)

        return asyncio.run(main())

    return run


def container(name="main", script=WAIT, **more):
    return {"name": name, "image": "busybox", "command": sh(script), **more}


def test_path(script):
    return {"exec": {"command": sh(script)}, **ALWAYS}


test_path.__test__ = False


def ready(status):
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ()))


async def reasons(node):
    return {event["reason"]: event["message"] for event in (await node.kube.list(EVENTS, "default")).items}


def test_a_pod_is_ready_when_its_probe_says_so(on_node):
    async def body(node):
        probe = test_path("test -e $(basename ready); echo not yet >&2; test -e ready")
        pod = await node.create(containers=[container(readinessProbe=probe)])
        running = await node.running()
        assert not ready(running["status"])
        assert running["status"]["containerStatuses"][0]["started"]
        (node.folder(pod) / "main-0" / "ready").touch()
        assert ready((await node.until("pod", ready))["status"])
        (node.folder(pod) / "main-0" / "ready").unlink()
        await node.until("pod", lambda status: not ready(status))
        told = await until(lambda: _unhealthy(node))
        files = [name for name in os.listdir(node.folder(pod)) if ".exec-" in name]
        await node.kube.delete(PODS, "pod", "default", grace_period_s=0)
        return told, files

    told, files = on_node(body)
    assert told == "Readiness probe failed: exit code 1: not yet (container main)"
    assert len({name.split(".")[1] for name in files}) <= 3, "old commands leave no files"


async def _unhealthy(node):
    return (await reasons(node)).get("Unhealthy")


def test_liveness_kills_and_the_policy_starts_again(on_node):
    async def body(node):
        script = "test -e ../once && touch ok; touch ../once; " + WAIT
        probe = test_path("test -e ok") | {"failureThreshold": 1, "terminationGracePeriodSeconds": 1}
        await node.create(containers=[container(script=script, livenessProbe=probe)], restartPolicy="Always")
        again = await node.until("pod", lambda status: _restarts(status) == 1 and _running(status))
        await node.kube.delete(PODS, "pod", "default", grace_period_s=0)
        return again["status"], await reasons(node)

    status, told = on_node(body)
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 0
    assert told["Unhealthy"].startswith("Liveness probe failed: exit code 1")


def _restarts(status):
    return (status.get("containerStatuses") or [{}])[0].get("restartCount")


def _running(status):
    return "running" in status["containerStatuses"][0]["state"]


def test_startup_gates_and_its_failure_ends_the_container(on_node):
    async def body(node):
        never = test_path("false") | {"failureThreshold": 2}
        begun = time.monotonic()
        await node.create(containers=[container(startupProbe=never, readinessProbe=test_path("true"))])
        status = await node.ended()
        return status, time.monotonic() - begun, await reasons(node)

    status, took_s, told = on_node(body)
    assert status["phase"] == "Succeeded", "the process took its signal well, and the policy is Never"
    assert took_s >= 1.0
    assert told["Unhealthy"].startswith("Startup probe failed: exit code 1")


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_requests_and_connections(on_node, kind):
    async def body(node):
        answers = {"/well": b"HTTP/1.1 204 No Content\r\n\r\n", "/ill": b"HTTP/1.1 503 Busy\r\n\r\n"}
        asked = []

        async def serve(reader, writer):
            asked.append(await reader.readline())
            writer.write(answers["/ill" if b"/ill" in asked[-1] else "/well"])
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            here = {"host": "127.0.0.1"}  # the test's own server, not the pod
            http, tcp = {"path": "/well", "port": "web", **here}, {"port": port, **here}
            handler = {"httpGet": http} if kind == "http" else {"tcpSocket": tcp}
            ill = {"httpGet": {"path": "/ill", "port": port, **here}, "failureThreshold": 1, **ALWAYS}
            ports = [{"name": "web", "containerPort": port}]
            await node.create(containers=[container(readinessProbe=handler | ALWAYS, ports=ports)])
            await node.until("pod", ready)
            await node.create("ill", containers=[container(livenessProbe=ill)])
            await node.ended("ill")
        await node.kube.delete(PODS, "pod", "default", grace_period_s=0)
        return (await reasons(node))["Unhealthy"]

    assert "HTTP probe failed with statuscode: 503" in on_node(body)


def test_hooks_run_after_the_start_and_before_the_end(on_node):
    async def body(node):
        hooks = {
            "postStart": {"exec": {"command": sh("echo after > hook; while [ ! -e seen ]; do sleep 0.01; done")}},
            "preStop": {"exec": {"command": sh("echo before >> hook")}},
        }
        script = "trap 'cat hook; exit 0' TERM; while :; do [ -e hook ] && touch seen; sleep 0.02; done"
        await node.create(containers=[container(script=script, lifecycle=hooks)])
        await node.until("pod", ready)
        read = asyncio.create_task(node.log(follow=True))
        await node.kube.delete(PODS, "pod", "default")
        return await read

    assert on_node(body).splitlines()[-2:] == ["after", "before"]


def test_a_failing_first_hook_ends_the_container(on_node):
    async def body(node):
        hook = {"postStart": {"exec": {"command": sh("echo no >&2; exit 3")}}}
        await node.create(containers=[container(lifecycle=hook)])
        await node.ended()
        return (await reasons(node))["FailedPostStartHook"]

    assert on_node(body) == "postStart hook of main: exit code 3: no"


def test_sidecars_are_up_before_and_end_after_the_others(on_node):
    async def body(node):
        def sidecar(name):
            script = f"trap 'echo {name} >> ../order; exit 0' TERM; touch ../{name}; while :; do sleep 0.02; done"
            up = test_path(f"test -e ../{name}")
            return container(name, script, restartPolicy="Always", startupProbe=up)

        main = container(script="ls .. | grep -c '^[ab]$'; echo main >> ../order")
        pod = await node.create(containers=[main], initContainers=[sidecar("a"), sidecar("b")])
        status = await node.ended()
        return status, await node.log(container="main"), (node.folder(pod) / "order").read_text()

    status, log, order = on_node(body)
    assert (status["phase"], log) == ("Succeeded", "2\n")
    assert order.split() == ["main", "b", "a"]
    assert terminated(status, 0, "initContainerStatuses")["exitCode"] == 0


def test_probes_go_on_under_the_next_server(tmp_path):
    async def main():
        async with machine(tmp_path / "home") as node:
            pod = await node.create(containers=[container(readinessProbe=test_path("test -e ready"))])
            (await until(lambda: node.folder(pod) / "main-0")).exists()
            await node.running()
        async with machine(tmp_path / "home") as node:
            (node.folder(pod) / "main-0" / "ready").touch()
            await node.until("pod", ready)
            await node.kube.delete(PODS, "pod", "default", grace_period_s=0)
            await node.until("pod", lambda status: False)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"livenessProbe": {}}, "livenessProbe"),
        ({"livenessProbe": {"exec": {}}}, "livenessProbe.exec.command"),
        ({"livenessProbe": {"tcpSocket": {"port": 80}, "successThreshold": 2}}, "livenessProbe.successThreshold"),
        ({"readinessProbe": {"tcpSocket": {"port": 0}}}, "readinessProbe.tcpSocket.port"),
        ({"readinessProbe": {"grpc": {"port": 80}}}, "readinessProbe.grpc"),
        ({"startupProbe": {"httpGet": {"port": 80}, "periodSeconds": 0}}, "startupProbe.periodSeconds"),
        ({"startupProbe": 5}, "startupProbe"),
        ({"lifecycle": {"preStop": {"exec": {"command": "x"}}}}, "lifecycle.preStop.exec.command"),
        ({"lifecycle": {"postStart": {}}}, "lifecycle.postStart"),
    ],
)
def test_what_is_no_probe_or_hook_is_refused_by_field(more, field):
    def causes(**spec):
        pod = pod_of(**spec)
        kind = REGISTRY.of_object(pod)
        kind.default(pod)
        return kind.validate(pod)

    assert [cause.field for cause in causes(containers=[container(**more)])] == [f"spec.containers[0].{field}"]
    init = causes(containers=[container()], initContainers=[container("init", **more)])
    assert [cause.reason for cause in init] == ["FieldValueForbidden"]
