"""lightkube: what a user does with it; every line that fails ends the script."""

from lightkube import ApiError, Client
from lightkube.models.core_v1 import Container, PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

client = Client()


def gone(kind, name):
    """Whether the server says that there is no such object."""
    try:
        client.get(kind, name)
    except ApiError as error:
        return (error.status.code, error.status.reason) == (404, "NotFound")
    return False


client.create(ConfigMap(metadata=ObjectMeta(name="lk", namespace="default"), data={"a": "1"}))
changed = client.patch(ConfigMap, "lk", [{"op": "add", "path": "/data/j", "value": "1"}], patch_type=PatchType.JSON)
assert changed.data == {"a": "1", "j": "1"}
changed = client.patch(ConfigMap, "lk", {"data": {"j": None, "m": "2"}}, patch_type=PatchType.MERGE)
assert changed.data == {"a": "1", "m": "2"}
changed = client.patch(ConfigMap, "lk", {"data": {"s": "3"}}, patch_type=PatchType.STRATEGIC)
assert changed.data == {"a": "1", "m": "2", "s": "3"}
changed.data = {"only": "this"}
assert client.replace(changed).data == {"only": "this"}
assert "lk" in [each.metadata.name for each in client.list(ConfigMap)]

container = Container(name="main", image="busybox", command=["sh", "-c", "echo one; echo two"])
metadata = ObjectMeta(name="lk", labels={"app": "lk"})
client.create(Pod(metadata=metadata, spec=PodSpec(restartPolicy="Never", containers=[container])))
for _, pod in client.watch(Pod, labels={"app": "lk"}, server_timeout=30):
    if pod.status.phase == "Succeeded":
        break
else:
    raise AssertionError("the pod did not end")
assert "".join(client.log("lk", follow=True)) == "one\ntwo\n"
client.delete(Pod, "lk")
client.delete(ConfigMap, "lk")
assert gone(Pod, "lk")
print("done")
