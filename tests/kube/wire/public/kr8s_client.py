"""kr8s: what a user does with it; every line that fails ends the script."""

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
config.delete()
assert not config.exists()
print("done")
