"""The official Python client, typed and dynamic: what a user does with it; every line that fails ends the script."""

import socket

from kubernetes import client, config, dynamic, watch
from kubernetes.stream import portforward, stream


def refused(code, call, *words):
    """Whether the server refuses the call with that code."""
    try:
        call(*words)
    except client.ApiException as error:
        return error.status == code
    return False


config.load_kube_config()
assert client.VersionApi().get_code().git_version.endswith("+wherry")
v1 = client.CoreV1Api()

made = v1.create_namespaced_config_map(
    "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="py"), data={"a": "1"})
)
assert made.metadata.uid
patched = v1.patch_namespaced_config_map("py", "default", {"data": {"b": "2"}})
assert patched.data == {"a": "1", "b": "2"}
patched.data["c"] = "3"
assert v1.replace_namespaced_config_map("py", "default", patched).data == {"a": "1", "b": "2", "c": "3"}
assert refused(409, v1.replace_namespaced_config_map, "py", "default", patched)
assert refused(404, v1.read_namespaced_secret, "none", "default")

container = client.V1Container(name="main", image="busybox", command=["sh", "-c", "echo hello; exit 3"])
spec = client.V1PodSpec(restart_policy="Never", containers=[container])
labels = {"app": "py"}
v1.create_namespaced_pod("default", client.V1Pod(metadata=client.V1ObjectMeta(name="py", labels=labels), spec=spec))
watcher = watch.Watch()
for event in watcher.stream(v1.list_namespaced_pod, "default", label_selector="app=py", timeout_seconds=30):
    status = event["object"].status
    if status.phase == "Failed":
        assert status.container_statuses[0].state.terminated.exit_code == 3
        break
else:
    raise AssertionError("the pod did not end")
watcher.stop()
assert v1.read_namespaced_pod_log("py", "default") == "hello\n"
assert v1.delete_namespaced_pod("py", "default").metadata.name == "py"
v1.delete_namespaced_config_map("py", "default")
assert refused(404, v1.read_namespaced_config_map, "py", "default")
assert {"default", "kube-system"} <= {each.metadata.name for each in v1.list_namespace().items}

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
serve = ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)]
listens = client.V1Probe(tcp_socket=client.V1TCPSocketAction(port=port), period_seconds=1)
container = client.V1Container(name="main", image="python:3.11", command=serve, readiness_probe=listens)
made = client.V1Pod(metadata=client.V1ObjectMeta(name="web"), spec=client.V1PodSpec(containers=[container]))
v1.create_namespaced_pod("default", made)
for event in watch.Watch().stream(v1.list_namespaced_pod, "default", field_selector="metadata.name=web"):
    if any(each.ready for each in event["object"].status.container_statuses or []):
        break
options = {"stderr": True, "stdin": False, "stdout": True, "tty": False}
said = stream(v1.connect_get_namespaced_pod_exec, "web", "default", command=["echo", "out"], **options)
assert said == "out\n", said
session = stream(
    v1.connect_get_namespaced_pod_exec,
    "web",
    "default",
    command=["sh", "-c", "read line; echo got $line; echo bad >&2; exit 7"],
    _preload_content=False,
    **{**options, "stdin": True},
)
session.write_stdin("word\n")
session.run_forever(timeout=30)
assert (session.read_stdout(), session.read_stderr(), session.returncode) == ("got word\n", "bad\n", 7)
forward = portforward(v1.connect_get_namespaced_pod_portforward, "web", "default", ports=str(port))
connection = forward.socket(port)
connection.setblocking(True)
connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
page = b"".join(iter(lambda: connection.recv(65536), b""))
assert b"Directory listing" in page, (page, forward.error(port))
v1.delete_namespaced_pod("web", "default", grace_period_seconds=0)

resources = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="v1", kind="ConfigMap")
resources.create(body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dyn"}}, namespace="default")
assert "dyn" in [each.metadata.name for each in resources.get(namespace="default").items]
assert resources.delete(name="dyn", namespace="default").status == "Success"
print("done")
