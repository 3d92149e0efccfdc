"""Pods that listen on the same port, and find each other by the names of a cluster: real processes, real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.kube.node.machine import machine, sh

from wherry.kube.embedded.node import confine
from wherry.kube.embedded.node.addresses import Book, Pool
from wherry.kube.embedded.node.ports import dialled
from wherry.kube.embedded.starting import Controllers
from wherry.kube.errors import KubeError, NotFound
from wherry.kube.resources import ENDPOINTS, ENDPOINTSLICES, EVENTS, PODS, SERVICES
from wherry.seams import SystemClock
from wherry.server.controllers import CONTROLLERS
from wherry.testing import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="addresses of pods are Linux's")

# Listens on PORT as BIND says, answers with its own name, then asks each of PEERS until it gets an answer.
PEER = """
import os, socket, threading, time
family = socket.AF_INET6 if ":" in os.environ["BIND"] else socket.AF_INET
server = socket.socket(family)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((os.environ["BIND"], int(os.environ["PORT"])))
server.listen()
def serve():
    while True:
        connection, _ = server.accept()
        connection.sendall(os.environ["ME"].encode())
        connection.close()
threading.Thread(target=serve, daemon=True).start()
for peer in os.environ["PEERS"].split(","):
    host, port = peer.rsplit(":", 1)
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                print(connection.recv(100).decode(), flush=True)
            break
        except OSError:
            time.sleep(0.02)
while not os.path.exists("go"):
    time.sleep(0.02)
"""


@pytest.fixture
def on_network(tmp_path):
    """Runs `await body(node)` on a node with the controllers of a server."""

    def run(body, **options):
        async def main():
            async with networked(tmp_path / "home", **options) as node:
                try:
                    return await asyncio.wait_for(body(node), 60)
                finally:
                    await emptied(node)

        return asyncio.run(main())

    return run


async def emptied(node):
    """Ends all pods, for leaving a node lets them run on."""
    for pod in (await node.kube.list(PODS, "default")).items:
        await node.kube.delete(PODS, pod["metadata"]["name"], "default", grace_period_s=0)
    await until(lambda: _none(node))


async def _none(node):
    return not (await node.kube.list(PODS, "default")).items


@asynccontextmanager
async def networked(home, **options):
    async with machine(home, **options) as node, Controllers(node.kube, CONTROLLERS, clock=SystemClock()):
        yield node


def service(name, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": "test"}, **spec},
    }


def peer(me, peers, *, bind="0.0.0.0", port=23456, **more):
    env = {"ME": me, "PEERS": ",".join(peers), "BIND": bind, "PORT": str(port)}
    listed = [{"name": key, "value": value} for key, value in env.items()]
    return {"command": ["python3", "-c", PEER], "env": listed, **more}


async def lines(node, name, count):
    """The first lines of a log, once they are there."""
    return await until(lambda: _lines(node, name, count))


async def _lines(node, name, count):
    try:
        found = (await node.log(name)).splitlines()
    except NotFound:
        return None
    assert not any("Error" in line for line in found), found
    return found if len(found) >= count else None


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "127.0.0.1"])
def test_two_jobs_side_by_side_on_one_port_dial_their_own_by_name(on_network, bind):
    """Two headless services of two pods; every one of the four listens on 23456, on every address."""

    async def body(node):
        for job in ("left", "right"):
            await node.kube.create(service(job, clusterIP="None", ports=[{"port": 23456}], selector={"job": job}))
            forms = [f"{job}-0.{job}.default.svc.cluster.local:23456", f"{job}-1.{job}:23456", "localhost:23456"]
            for index in range(2):
                more = {"hostname": f"{job}-{index}", "subdomain": job}
                await node.create(f"{job}-{index}", **peer(f"{job}-{index}", forms, bind=bind, **more))
        return [await lines(node, f"{job}-{index}", 3) for job in ("left", "right") for index in range(2)]

    assert on_network(body) == [[f"{j}-0", f"{j}-1", f"{j}-{i}"] for j in ("left", "right") for i in range(2)]


def test_a_replica_each_with_a_service_of_its_own_as_the_training_jobs_have_them(on_network):
    """The worker starts first; the service and the pod that its variables name come later."""

    async def body(node):
        config = json.dumps({"cluster": {"master": ["job-master-0.default.svc:23456"]}})
        worker = peer("worker", ["job-master-0.default.svc:23456"])
        worker["env"].append({"name": "TF_CONFIG", "value": config})
        await node.create("job-worker-0", **worker)
        await node.running("job-worker-0")
        await node.kube.create(
            service("job-master-0", clusterIP="None", ports=[{"port": 23456}], selector={"role": "m"})
        )
        master = await node.create("job-master-0", **peer("master", ["localhost:23456"]))
        assert master["metadata"]["labels"] == {"app": "test"}
        await node.kube.patch(PODS, "job-master-0", "default", {"metadata": {"labels": {"role": "m"}}})
        told = await lines(node, "job-worker-0", 1)
        pod = await node.kube.get(PODS, "job-worker-0", "default")
        return told, pod["spec"]["containers"][0]["env"][-1]["value"] == config

    assert on_network(body) == (["master"], True), "the object says what it said"


def test_a_service_spreads_over_its_pods_and_its_variables_lead_to_it(on_network):
    async def body(node):
        ports = [{"port": 80, "targetPort": "http"}]
        made = await node.kube.create(service("web", ports=ports, selector={"tier": "web"}))
        for index in range(2):
            named = {"labels": {"tier": "web"}}
            pod = peer(f"web-{index}", ["localhost:8080"], port=8080)
            container = {"name": "main", "image": "busybox", **{key: pod[key] for key in ("command", "env")}}
            probe = {"tcpSocket": {"port": "http"}, "periodSeconds": 1}
            container |= {"ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": probe}
            await node.kube.create(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": f"web-{index}", "namespace": "default", **named},
                    "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
                }
            )
        await until(lambda: _ready(node, 2))
        asked = ["http://web", "web.default.svc:80", "$(WEB_SERVICE_HOST):$(WEB_SERVICE_PORT)"]
        forms = [each.removeprefix("http://") + (":80" if each == "http://web" else "") for each in asked]
        await node.create("client", **peer("client", [*forms, *forms], port=1234))
        told = await lines(node, "client", 6)
        return made["spec"]["clusterIP"], told

    address, told = on_network(body)
    assert address.startswith("127.")
    assert set(told) == {"web-0", "web-1"}


async def _ready(node, count):
    slices = (await node.kube.list(ENDPOINTSLICES, "default")).items
    found = [each for slice in slices for each in slice["endpoints"] if each["conditions"]["ready"]]
    return len(found) == count


def test_a_service_without_pods_refuses_and_endpoints_follow_readiness(on_network):
    async def body(node):
        await node.kube.create(service("web", ports=[{"port": 80}], selector={"tier": "none"}))
        await until(lambda: _there(node, ENDPOINTS, "web"))
        code = "import os, socket\ntry:\n socket.create_connection((os.environ['WEB_HOST'], 80))\n"
        code += "except ConnectionRefusedError:\n print('refused')"
        await node.run("client", command=["python3", "-c", code], env=[{"name": "WEB_HOST", "value": "web"}])
        return (await node.log("client")).strip(), (await node.kube.get(ENDPOINTS, "web", "default")).get("subsets")

    assert on_network(body) == ("refused", None)


def test_a_service_without_selector_leads_where_its_endpoints_say(on_network):
    async def body(node):
        server = await node.create("server", **peer("server", ["localhost:23456"]))
        alone = service("alone", ports=[{"port": 80}])
        del alone["spec"]["selector"]
        await node.kube.create(alone)
        address = (await node.running("server"))["status"]["podIP"]
        subset = {"addresses": [{"ip": address}], "ports": [{"port": 23456}]}
        metadata = {"name": "alone", "namespace": "default"}
        await node.kube.create({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]})
        slices = await until(lambda: _slices_of(node, "alone"))
        await node.create("client", **peer("client", ["alone:80"]))
        told = await lines(node, "client", 1)
        await node.kube.delete(ENDPOINTS, "alone", "default")
        await until(lambda: _no_slices_of(node, "alone"))
        return told, slices[0]["endpoints"][0]["addresses"] == [address], server["metadata"]["name"]

    assert on_network(body) == (["server"], True, "server")


async def _slices_of(node, name):
    return (await node.kube.list(ENDPOINTSLICES, "default", labels=f"kubernetes.io/service-name={name}")).items


async def _no_slices_of(node, name):
    return not await _slices_of(node, name)


async def _there(node, resource, name):
    try:
        return await node.kube.get(resource, name, "default")
    except NotFound:
        return None


# As asyncio's servers do: a socket for IPv4, and one that shall be IPv6 alone, on the same port.
BOTH = """
import asyncio, os
async def answer(reader, writer):
    writer.write(b"both")
    writer.close()
async def main():
    async with await asyncio.start_server(answer, None, 23456) as server:
        for host in ("localhost", os.environ["IP"]):
            reader, _ = await asyncio.open_connection(host, 23456)
            print((await reader.read()).decode(), len(server.sockets), flush=True)
asyncio.run(main())
"""


def test_a_server_with_a_socket_for_each_family(on_network):
    async def body(node):
        env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
        for name in ("one", "two"):
            await node.create(name, command=["python3", "-c", BOTH], env=env)
        return [(await node.ended(name))["phase"] for name in ("one", "two")], await node.log("two")

    assert on_network(body) == (["Succeeded", "Succeeded"], "both 2\nboth 2\n")


def test_the_hosts_own_network_is_still_there(on_network):
    """A server of this machine on localhost, and a port that only the pod has."""

    async def body(node):
        async def serve(reader, writer):
            writer.write(b"host\n")
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            await node.create("pod", **peer("pod", [f"localhost:{port}", "localhost:23456"]))
            told = await lines(node, "pod", 2)
            pod = await node.kube.get(PODS, "pod", "default")
            host, number = dialled(pod, 23456)
            reader, writer = await asyncio.open_connection(host, number)
            answer = await reader.read()
            writer.close()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", 23456)
        return [each for each in told if each], answer, pod["status"]["podIP"] == host, host.startswith("127.")

    assert on_network(body) == (["host", "pod"], b"pod", True, True)


def test_a_pod_of_the_hosts_network_and_host_ports(on_network):
    async def body(node):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        await node.create("host", hostNetwork=True, **peer("host", [f"localhost:{port}"], port=port))
        assert await lines(node, "host", 1) == ["host"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = await reader.read()
        writer.close()
        container = {"name": "main", "image": "busybox", "command": sh("true")}
        await node.create("bad", containers=[{**container, "ports": [{"containerPort": 80, "hostPort": 8080}]}])
        return answer, await node.waiting("CreateContainerConfigError", "bad")

    answer, why = on_network(body)
    assert answer == b"host"
    assert why.startswith("hostPort 8080 is not containerPort 80")


def test_containers_of_one_pod_share_its_ports_and_config_maps_are_told_the_addresses(on_network):
    async def body(node):
        await node.kube.create(service("job", clusterIP="None"))
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hosts", "namespace": "default"}}
        await node.kube.create({**config, "data": {"hostfile": "job-0.job slots=1\n"}})
        server, client = peer("server", ["localhost:7000"], port=7000), peer("client", ["localhost:7000"], port=7001)
        named = {"valueFrom": {"configMapKeyRef": {"name": "hosts", "key": "hostfile"}}, "name": "HOSTFILE"}
        client["env"] = [*client["env"], named]
        containers = [
            {"name": "server", "image": "busybox", **server},
            {"name": "client", "image": "busybox", **client},
            {"name": "shows", "image": "busybox", "command": sh("echo $HOSTFILE"), "env": [named]},
        ]
        pod = await node.create("both", containers=containers, hostname="job-0", subdomain="job")
        told = await until(lambda: _first(node, "both", "client"))
        shown = await until(lambda: _first(node, "both", "shows"))
        pod = await node.kube.get(PODS, "both", "default")
        return told, shown == f"{pod['status']['podIP']} slots=1"

    assert on_network(body) == ("server", True)


async def _first(node, name, container):
    try:
        found = (await node.log(name, container=container)).splitlines()
    except KubeError:  # it does not run yet
        return None
    return found[0] if found else None


def test_addresses_survive_the_server(tmp_path):
    home = tmp_path / "home"

    async def first():
        async with networked(home) as node:
            await node.kube.create(service("job", clusterIP="None"))
            await node.create("a", **peer("a", ["b-0.job:23456"], hostname="a-0", subdomain="job"))
            return (await node.running("a"))["status"]["podIP"]

    async def second():
        async with networked(home) as node:
            await node.create("b", **peer("b", ["a-0.job:23456"], hostname="b-0", subdomain="job"))
            told = await lines(node, "a", 1), await lines(node, "b", 1)
            address = (await node.kube.get(PODS, "a", "default"))["status"]["podIP"]
            await emptied(node)
            await node.kube.delete(SERVICES, "job", "default")
            await until(lambda: _empty(home / "run/names.json"))
            return told, address

    before = asyncio.run(first())
    assert asyncio.run(second()) == ((["b"], ["a"]), before)


async def _empty(path):
    return path.read_text() == "{}"


# A zygote's part and a pod's part, both without any privilege.
UNPRIVILEGED = """
import os, select, socket, sys
sys.path.insert(0, sys.argv[1])
import confine, zygote_net, json, struct, ctypes, platform, errno
if os.geteuid() == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: as every process that began as this user
poll = select.poll()
network = zygote_net.Network(sys.argv[2] + "/zygote", poll)
network.open()
net = {"ip": "127.16.77.1", "ports": sys.argv[2] + "/ports", "table": sys.argv[2] + "/none"}
child = os.fork()
if child == 0:
    confine.confine(net, network.path)
    with socket.socket() as server:
        server.bind(("", 23456))
        server.listen()
        print(server.getsockname()[0], flush=True)
        with socket.socket() as client:
            client.connect(("127.0.0.1", 23456))
    os._exit(0)
while os.waitpid(child, os.WNOHANG)[0] == 0:
    for fd, event in poll.poll(50):
        network.handle(fd, event)
"""


def test_no_privilege_is_needed(tmp_path):
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:  # pytest's own, up to the one that everybody has
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o005)
    program = [sys.executable, "-c", UNPRIVILEGED, str(Path(confine.__file__).parent), str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("127.16.77.1\n", "")


def test_without_other_loopback_addresses_pods_share_one_and_are_told(on_network):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def body(node):
        await node.kube.create(service("web", ports=[{"port": port}]))
        await node.create("server", **peer("server", [f"web:{port}"], port=port))
        told = await lines(node, "server", 1)
        address = (await node.running("server"))["status"]["podIP"]
        event = (await until(lambda: _events(node, "PortsShared")))[0]
        return told, address, event["message"]

    told, address, message = on_network(body, are_bound=lambda: False)
    assert (told, address) == (["server"], "127.0.0.1")
    assert "it has no other loopback address than 127.0.0.1" in message


async def _events(node, reason):
    return (await node.kube.list(EVENTS, "default", fields=f"reason={reason}")).items


def test_addresses_are_given_in_turn_and_kept_for_names(tmp_path):
    pool = Pool("home")
    first, second = pool.take("a"), pool.take("b")
    assert first != second
    pool.free(first, "somebody else")
    pool.free(first, "a")
    assert pool.take("c") not in (first, second), "one that has just become free waits its turn"
    path = str(tmp_path / "names.json")
    book = Book(path, pool)
    host, name = book["n", "svc", "svc-0"], book["n", "svc"]
    again = Book(path, Pool("home"))
    assert (again["n", "svc", "svc-0"], again["n", "svc"]) == (host, name)
    again.forget("n", "svc")
    assert again.get(("n", "svc", "svc-0")) is None
    assert Pool("other").take("a") != first


def _filtered(data):
    """What the filter answers, by a small machine for its three instructions."""
    lines, place, value = confine.program(*(confine.MACHINES["x86_64"][i] for i in (0, 2, 3, 4))), 0, 0
    while True:
        code, yes, no, operand = lines[place]
        if code == 0x06:
            return operand == 0x7FC00000
        if code == 0x20:
            value = data.get(operand, 0)
        place += 1 + ((yes if value == operand else no) if code == 0x15 else 0)


@pytest.mark.parametrize(
    ("number", "arguments", "asked"),
    [
        (49, {32: 16}, True),
        (42, {32: 28}, True),
        (42, {32: 128}, True),
        (42, {32: 110}, False),  # a unix socket
        (54, {24: 41, 32: 26}, True),
        (54, {24: 41, 32: 25}, False),
        (54, {24: 1, 32: 26}, False),
        (1, {32: 16}, False),
    ],
)
def test_only_internet_addresses_are_asked_about(number, arguments, asked):
    assert _filtered({0: number, 4: 0xC000003E, **arguments}) is asked
    assert _filtered({0: number, 4: 0x40000003, **arguments}) is False, "another machine's numbers mean other calls"
