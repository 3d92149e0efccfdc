"""kr8s: what a user does with it; every line that fails ends the script."""

import socket
import urllib.request

import kr8s
from kr8s.objects import ConfigMap, Pod

assert kr8s.version()["gitVersion"].endswith("+wherry")
config = ConfigMap({"metadata": {"name": "kr"}, "data": {"a": "1"}})
config.create()
assert config.exists()
config.patch({"data": {"b": "2"}})
assert config.data == {"a": "1", "b": "2"}
config.label({"x": "y"})
assert [each.name for each in kr8s.get("configmaps", label_selector={"x": "y"})] == ["kr"]

container = {"name": "main", "image": "busybox", "command": ["sh", "-c", "echo hello"]}
pod = Pod({"metadata": {"name": "kr"}, "spec": {"restartPolicy": "Never", "containers": [container]}})
pod.create()
pod.wait("jsonpath='{.status.phase}'=Succeeded", timeout=30)
assert list(pod.logs()) == ["hello"]
pod.delete()
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
serve = ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)]
probed = {"readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1}}
container = {"name": "main", "image": "python:3.11", "command": serve, **probed}
web = Pod({"metadata": {"name": "krweb"}, "spec": {"containers": [container]}})
web.create()
web.wait("condition=Ready", timeout=30)
done = web.exec(["sh", "-c", "echo out; echo bad >&2; exit 4"], check=False)
assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"bad\n", 4)
with web.portforward(remote_port=port, local_port="auto") as local:
    page = urllib.request.urlopen(f"http://127.0.0.1:{local}/").read()
assert b"Directory listing" in page
web.delete(grace_period=0)
config.delete()
assert not config.exists()
print("done")
