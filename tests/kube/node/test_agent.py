"""Pods on the node agent and the real EmbeddedKube: from the object to processes, statuses and logs."""

from __future__ import annotations

import asyncio
import glob
import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from tests.kube.node.driving import alive
from tests.kube.node.machine import machine, sh, terminated

from wherry.kube.embedded.node import Capacity
from wherry.kube.errors import NotFound
from wherry.kube.resources import EVENTS, PODS
from wherry.testing import until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs mount namespaces")


@pytest.fixture
def on_node(tmp_path):
    """Runs `await body(node)` on a node of its own; nothing of it may be left in the end."""

    def run(body, **options):
        async def main():
            async with machine(tmp_path / "home", **options) as node:
                return await body(node)

        return asyncio.run(main())

    return run


async def let_go(node, pod):
    """Makes the file `go` in the working folder that the pod waits in."""
    folder = node.folder(pod) / "main-0"
    await until(folder.exists)
    (folder / "go").touch()


def test_a_command_runs_to_its_end(on_node):
    async def body(node):
        pod = await node.create(command=sh("echo out; echo err >&2; pwd; exit 3"))
        status = await node.ended()
        stored = await node.kube.get(PODS, "pod", "default")
        return pod, status, stored, await node.log()

    pod, status, stored, log = on_node(body)
    assert status["phase"] == "Failed"
    assert stored["spec"]["nodeName"] == "local"
    ended = terminated(status)
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")
    assert ended["startedAt"] <= ended["finishedAt"]
    assert log.splitlines()[:2] == ["out", "err"]
    assert log.splitlines()[2].endswith(f"/pods/{pod['metadata']['uid']}/main-0")
    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    assert conditions == {"PodScheduled": "True", "Initialized": "True", "Ready": "False", "ContainersReady": "False"}


def test_a_short_pod_costs_one_status_write(on_node):
    async def body(node):
        await node.run("warm", command=["true"])
        await node.run(command=["true"])
        events = [event async for event in _replay(node)]
        return [each for each in events if each.object["metadata"]["name"] == "pod"]

    async def _replay(node):
        stored = await node.kube.get(PODS, "pod", "default")
        stream = node.kube.watch(PODS, resource_version="1")
        async for event in stream:
            yield event
            if event.object["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]:
                await stream.aclose()
                return

    events = on_node(body)
    assert [event.type for event in events[:1]] == ["ADDED"]
    assert len(events) <= 3
    assert events[-1].object["status"]["phase"] == "Succeeded"


def test_the_folder_goes_with_the_object(on_node):
    async def body(node):
        pod = await node.create(command=["true"])
        await node.ended()
        assert node.folder(pod).exists()
        await node.kube.delete(PODS, "pod", "default")
        await until(lambda: not node.folder(pod).exists())

    on_node(body)


def test_environment_of_a_container(on_node):
    env = [
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)-$(PREFIX_CONF)-$(MISSING)-$$(A)"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
        {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "CONF"}}},
        {"name": "NOT", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "no", "optional": True}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "password"}}},
    ]

    async def body(node):
        await node.kube.create(_object("ConfigMap", "conf", data={"CONF": "c"}))
        await node.kube.create(_object("Secret", "hidden", data={"password": "czNjcmV0"}))
        status = await node.run(
            command=sh("echo $A $B $NAME $LABEL $IP $CPU $KEY ${NOT-unset} $PASSWORD $HOSTNAME; echo $0 $1"),
            args=["$(A)", "$(KEY)"],
            env=env,
            envFrom=[{"prefix": "PREFIX_", "configMapRef": {"name": "conf"}}],
            resources={"requests": {"cpu": "250m"}},
        )
        return status["podIP"], (await node.log()).splitlines()

    address, (first, second) = on_node(body)
    assert first == f"a a-c-$(MISSING)-$(A) pod test {address} 250 c unset s3cret pod"
    assert second == "a c"


def _object(kind, name, **more):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}, **more}


def test_a_missing_config_map_is_waited_for(on_node):
    async def body(node):
        await node.create(command=sh("echo $X"), envFrom=[{"configMapRef": {"name": "late"}}])
        message = await node.waiting("CreateContainerConfigError")
        await node.kube.create(_object("ConfigMap", "late", data={"X": "came"}))
        status = await node.ended()
        return message, status["phase"], await node.log()

    assert on_node(body) == ('configmap "late" not found', "Succeeded", "came\n")


@root_only
def test_volumes(on_node, tmp_path):
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "file").write_text("host")
    volumes = [
        {"name": "shared", "emptyDir": {}},
        {"name": "conf", "configMap": {"name": "conf", "items": [{"key": "a", "path": "deep/a.txt"}]}},
        {"name": "hidden", "secret": {"secretName": "hidden", "defaultMode": 0o400}},
        {"name": "host", "hostPath": {"path": str(tmp_path / "host"), "type": "Directory"}},
        {"name": "facts", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    mounts = [
        {"name": "shared", "mountPath": "/wherry-test/shared"},
        {"name": "conf", "mountPath": "/wherry-test/conf", "readOnly": True},
        {"name": "hidden", "mountPath": "/wherry-test/hidden"},
        {"name": "host", "mountPath": "/wherry-test/host"},
        {"name": "facts", "mountPath": "/wherry-test/facts"},
        {"name": "shared", "mountPath": "/wherry-test/sub", "subPath": "inner"},
    ]
    read = (
        "cd /wherry-test; cat shared/note conf/deep/a.txt hidden/p host/file facts/labels sub/under;"
        " stat -c %a hidden/p; echo written > host/new"
    )

    async def body(node):
        await node.kube.create(_object("ConfigMap", "conf", data={"a": "alpha\n"}))
        await node.kube.create(_object("Secret", "hidden", data={"p": "cHc="}))
        containers = [{"name": "main", "image": "busybox", "command": sh(read), "volumeMounts": mounts}]
        write = "echo note > /wherry-test/shared/note; echo under > /wherry-test/sub/under"
        first = [{"name": "init", "image": "busybox", "command": sh(write), "volumeMounts": mounts}]
        status = await node.run(containers=containers, initContainers=first, volumes=volumes)
        return status["phase"], await node.log(container="main")

    phase, log = on_node(body)
    assert log == 'note\nalpha\npwhostapp="test"under\n400\n'
    assert phase == "Succeeded"
    assert (tmp_path / "host" / "new").read_text() == "written\n"
    assert not Path("/wherry-test").exists()


def test_a_volume_that_cannot_be_had_is_refused(on_node):
    async def body(node):
        volumes = [{"name": "v", "hostPath": {"path": "/no/such/place"}}]
        await node.create(command=["true"], volumes=volumes, volumeMounts=[{"name": "v", "mountPath": "/mnt"}])
        return await node.waiting("CreateContainerConfigError")

    assert on_node(body) == "hostPath /no/such/place: No such file or directory"


@root_only
def test_a_sub_path_stays_in_its_volume(on_node):
    async def body(node):
        mount = {"name": "v", "mountPath": "/mnt", "subPath": "link/etc"}
        (node.home / "v").mkdir()
        (node.home / "v" / "link").symlink_to("/")
        volumes = [{"name": "v", "hostPath": {"path": str(node.home / "v")}}]
        await node.create(command=["true"], volumes=volumes, volumeMounts=[mount])
        return await node.waiting("CreateContainerConfigError")

    assert on_node(body) == 'subPath "link/etc" leads out of volume "v"'


def test_init_containers_run_in_order_and_first(on_node, tmp_path):
    def step(name):
        return {"name": name, "image": "busybox", "command": sh(f"echo {name} >> {tmp_path}/order")}

    async def body(node):
        inits = [step("one"), step("two")]
        status = await node.run(containers=[step("three"), step("three-too")], initContainers=inits)
        return status

    status = on_node(body)
    order = (tmp_path / "order").read_text().split()
    assert order[:2] == ["one", "two"]
    assert sorted(order[2:]) == ["three", "three-too"]
    assert [terminated(status, i, "initContainerStatuses")["exitCode"] for i in (0, 1)] == [0, 0]


def test_a_failed_init_container_fails_the_pod(on_node, tmp_path):
    async def body(node):
        inits = [{"name": "one", "image": "busybox", "command": sh("exit 7")}]
        return await node.run(command=sh(f"touch {tmp_path}/ran"), initContainers=inits)

    status = on_node(body)
    assert status["phase"] == "Failed"
    assert terminated(status, 0, "initContainerStatuses")["exitCode"] == 7
    assert not (tmp_path / "ran").exists()


def test_a_sidecar_serves_and_ends_with_the_others(on_node, tmp_path):
    async def body(node):
        serve = sh(f"touch {tmp_path}/up; exec sleep 60")
        inits = [{"name": "side", "image": "busybox", "command": serve, "restartPolicy": "Always"}]
        return await node.run(command=sh(f"until [ -e {tmp_path}/up ]; do sleep 0.01; done"), initContainers=inits)

    assert on_node(body)["phase"] == "Succeeded"


def test_restarts_until_it_works(on_node, tmp_path):
    async def body(node):
        script = f"echo x >> {tmp_path}/tries; [ $(wc -l < {tmp_path}/tries) -ge 3 ] || exit 9"
        return await node.run(command=sh(script), restartPolicy="OnFailure")

    status = on_node(body)
    assert status["phase"] == "Succeeded"
    container = status["containerStatuses"][0]
    assert container["restartCount"] == 2
    assert container["lastState"]["terminated"]["exitCode"] == 9


def test_restart_always_goes_on(on_node):
    async def body(node):
        await node.create(command=["true"], restartPolicy="Always")
        pod = await node.until(
            "pod", lambda status: (status.get("containerStatuses") or [{}])[0].get("restartCount", 0) >= 2
        )
        await node.kube.delete(PODS, "pod", "default", grace_period_s=0)
        return pod

    assert on_node(body)["status"]["phase"] == "Running"


def test_a_deadline_ends_the_pod(on_node):
    async def body(node):
        return await node.run(command=["sleep", "60"], activeDeadlineSeconds=1)

    status = on_node(body)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert terminated(status)["signal"] == 15


def test_deletion_stops_the_tree_in_its_grace_period(on_node, tmp_path):
    script = f"trap 'touch {tmp_path}/term; exit 0' TERM; sleep 60 & echo $! > {tmp_path}/child; wait"

    async def body(node):
        pod = await node.create(command=sh(script))
        await until((tmp_path / "child").exists)
        await node.running()
        answer = await node.kube.delete(PODS, "pod", "default")
        assert answer["metadata"]["deletionGracePeriodSeconds"] == 5
        gone = await node.until("pod", lambda status: False)
        await until(lambda: not node.folder(pod).exists())
        return gone

    assert on_node(body) is None
    assert (tmp_path / "term").exists()
    assert not alive(int((tmp_path / "child").read_text()))


def test_deletion_by_force(on_node, tmp_path):
    script = f"trap '' TERM; echo $$$$ > {tmp_path}/pid; while :; do sleep 0.1; done"

    async def body(node):
        await node.create(command=sh(script))
        await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        await node.kube.delete(PODS, "pod", "default", grace_period_s=0)
        await until(lambda: not alive(int((tmp_path / "pid").read_text())))
        with pytest.raises(NotFound):
            await node.kube.get(PODS, "pod", "default")

    on_node(body)


def test_full_and_never(on_node):
    async def body(node):
        hold = {"requests": {"cpu": "900m"}}
        await node.create("first", command=sh("while [ ! -e go ]; do sleep 0.01; done"), resources=hold)
        first = await node.running("first")
        await node.create("second", command=["true"], resources=hold)
        await node.create(
            "huge",
            command=["true"],
            resources={"requests": {"cpu": "64", "nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}},
        )
        await node.create("small", command=["true"], resources={"requests": {"cpu": "100m"}})
        assert (await node.ended("small"))["phase"] == "Succeeded", "what fits goes past what does not"
        told = {}
        for name in ("second", "huge"):
            pod = await node.until(name, lambda status: status.get("conditions"))
            told[name] = pod["status"]["conditions"][0]
            assert pod["status"]["phase"] == "Pending"
        await let_go(node, first)
        assert (await node.ended("second"))["phase"] == "Succeeded"
        return told

    told = on_node(body, capacity=Capacity(cpu=1, memory_bytes=1 << 30))
    assert told["second"]["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    assert (told["second"]["type"], told["second"]["status"]) == ("PodScheduled", "False")
    assert told["second"]["reason"] == "Unschedulable"
    assert "can never fit" in told["huge"]["message"]
    assert "64 cpu asked, 1 there; 1 nvidia.com/gpu asked, 0 there" in told["huge"]["message"]


def test_gpus_are_handed_out(on_node):
    async def body(node):
        one = {"limits": {"nvidia.com/gpu": "1"}}
        wait = sh("echo $CUDA_VISIBLE_DEVICES; while [ ! -e go ]; do sleep 0.01; done")
        pods = [await node.create(f"gpu-{i}", command=wait, resources=one) for i in range(2)]
        for i in range(2):
            await node.running(f"gpu-{i}")
        await node.run("none", command=sh("echo [$CUDA_VISIBLE_DEVICES]"))
        for pod in pods:
            await let_go(node, pod)
        for i in range(2):
            await node.ended(f"gpu-{i}")
        return [(await node.log(name)).strip() for name in ("gpu-0", "gpu-1", "none")]

    assert on_node(body, capacity=Capacity(cpu=2, memory_bytes=1 << 30, gpus=("0", "1"))) == ["0", "1", "[]"]


def test_termination_messages(on_node):
    async def body(node):
        found = []
        script = sh("echo said > $WHERRY_TERMINATION_LOG")
        found.append(terminated(await node.run("a", command=script)).get("message"))
        policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
        found.append(terminated(await node.run("b", command=sh("seq 200; exit 1"), **policy))["message"])
        found.append(terminated(await node.run("c", command=sh("echo fine"), **policy)).get("message"))
        return found

    said, tail, nothing = on_node(body)
    assert said == "said\n"
    assert tail.splitlines() == [str(n) for n in range(121, 201)]
    assert nothing is None


@root_only
@pytest.mark.parametrize("path", ["/dev/termination-log", "/wherry-test-message/log"])
def test_termination_message_by_its_path(on_node, path):
    async def body(node):
        status = await node.run(command=sh(f"echo by path > {path}"), terminationMessagePath=path)
        return terminated(status)

    assert on_node(body)["message"] == "by path\n"
    assert not Path(path).exists()


def test_what_cannot_start(on_node):
    async def body(node):
        ended = terminated(await node.run("a", command=["no-such-program"]))
        await node.create("b", args=["x"])
        return ended, await node.waiting("CreateContainerError", "b")

    ended, message = on_node(body)
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert ended["message"] == "no-such-program: executable file not found in $PATH"
    assert message.startswith('no command: what the image "busybox" starts')


def test_a_folder_that_cannot_be_made_is_said(on_node):
    async def body(node):
        (node.home / "pods").rmdir()
        (node.home / "pods").touch()  # as on a full disk: nothing can be made there, not even a file that says why
        return terminated(await node.run(command=["true"]))

    ended = on_node(body)
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert ended["message"] == "its working folder could not be made (is the disk full?)"


class CannotLimit:
    """A machine without control groups."""

    enforced = frozenset()

    def make(self, name, limits):
        return []

    def oom(self, groups):
        return False

    def remove(self, groups):
        pass

    def find(self, name):
        return []

    def close(self):
        pass


def test_limits_that_are_not_enforced_are_said_once(on_node):
    async def body(node):
        limits = {"limits": {"memory": "64Mi", "cpu": "1"}}
        for name in ("a", "b"):
            await node.run(name, command=["true"], resources=limits)

        async def told():
            return (await node.kube.list(EVENTS, "default")).items

        return await until(told)

    events = on_node(body, limits=CannotLimit())
    assert [event["reason"] for event in events] == ["LimitsNotEnforced"]
    assert "cpu and memory" in events[0]["message"]


def test_memory_limit_is_enforced_and_leaves_no_group(on_node, tmp_path):
    async def body(node):
        if "memory" not in node.agent.enforced:
            pytest.skip("this machine lets us make no control groups")
        eat = ["python3", "-c", "x = bytearray(400 << 20); x[::4096] = b'1' * len(x[::4096]); print(len(x))"]
        ended = terminated(await node.run(command=eat, resources={"limits": {"memory": "64Mi"}}))
        fine = terminated(
            await node.run("b", command=["true"], resources={"limits": {"memory": "64Mi", "cpu": "500m"}})
        )
        return ended, fine

    ended, fine = on_node(body)
    name = "wherry-" + hashlib.sha256(str(tmp_path / "home").encode()).hexdigest()[:8]
    assert glob.glob(f"/sys/fs/cgroup/**/{name}", recursive=True) == []
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert fine["exitCode"] == 0


def test_logs_follow_tail_since_and_times(on_node, tmp_path):
    async def body(node):
        script = f"echo one; echo two; until [ -e {tmp_path}/go ]; do sleep 0.01; done; printf 'three\\nno newline'"
        await node.create(command=sh(script))
        await node.running()
        seen = b""
        async for chunk in node.kube.logs("pod", "default", follow=True):
            seen += chunk
            if b"two\n" in seen:
                (tmp_path / "go").touch()
        await node.ended()
        return (
            seen,
            await node.log(tail=2),
            await node.log(timestamps=True),
            await node.log(since_s=3600),
            await node.log(tail=0),
        )

    seen, tail, times, since, none = on_node(body)
    assert seen == b"one\ntwo\nthree\nno newline"
    assert tail == "three\nno newline"
    assert since == seen.decode()
    assert none == ""
    stamps = re.findall(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) (one|two|three|no newline)$", times, re.MULTILINE)
    assert [word for _, word in stamps] == ["one", "two", "three", "no newline"]
    assert stamps[0][0] == stamps[1][0] < stamps[2][0], "the first two lines were written before the last two"


def test_python_tasks_are_forked(on_node, tmp_path):
    source = tmp_path / "source.py"
    source.write_text("def work():\n    import os, sys\n    print('in python', sys.prefix, os.getppid())\n")
    descriptor = {
        "v": 1,
        "kind": "python",
        "source": {"uri": str(source), "sha256": hashlib.sha256(source.read_bytes()).hexdigest()},
        "function": "work",
        "executor_input": {"inputs": {}, "outputs": {}},
        "component": {"inputs": {}, "outputs": {}},
        "root": str(tmp_path / "root"),
        "commit": str(tmp_path / "root" / "commit.json"),
    }

    async def body(node):
        env = [{"name": "WHERRY_TASK", "value": json.dumps(descriptor)}]
        task = {
            "image": f"python:3.{__import__('sys').version_info.minor}",
            "command": ["python3", "/wherry/runtime.pyz"],
        }
        forked = await node.run("forked", env=env, **task)
        descriptor["commit"] = str(tmp_path / "root" / "other.json")
        env = [{"name": "WHERRY_TASK", "value": json.dumps(descriptor)}, {"name": "PYTHONHASHSEED", "value": "7"}]
        executed = await node.run("executed", env=env, **task)
        shell = await node.run("shell", **{**task, "command": sh("python3 /wherry/runtime.pyz")})
        return (
            forked,
            executed,
            terminated(shell),
            await node.log("forked"),
            await node.log("executed"),
            await node.log("shell"),
        )

    forked, executed, shell, log, other, said = on_node(body)
    assert (forked["phase"], executed["phase"]) == ("Succeeded", "Succeeded"), log + other
    assert "/envs/bare-3." in log
    assert log.split() == other.split(), "the same environment and the same parent, forked or executed"
    assert json.loads(terminated(forked)["message"])["state"] == "SUCCEEDED"
    assert shell["exitCode"] == 1
    assert "WHERRY_TASK is not set" in said


def test_an_environment_that_cannot_be_made_says_why(on_node):
    async def body(node):
        annotation = json.dumps({"requirements": ["no-such-package-of-wherry"]})
        await node.create(command=["true"], image="python:3", annotations={"wherry.dev/environment": annotation})
        return await node.waiting("EnvironmentFailed")

    message = on_node(body, environ={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""})
    assert "no-such-package-of-wherry was not found" in message


def test_wide(on_node):
    async def body(node):
        for i in range(40):
            await node.create(f"pod-{i}", command=["true"])
        for i in range(40):
            assert (await node.ended(f"pod-{i}"))["phase"] == "Succeeded"

    on_node(body, capacity=Capacity(cpu=2, memory_bytes=1 << 30, pods=7))
