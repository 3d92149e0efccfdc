"""The official Python client with objects of a kind that it does not know; every line that fails ends the script."""

from kubernetes import client, config

config.load_kube_config()
api = client.CustomObjectsApi()
GROUP = "tests.wherry.dev"
WHERE = (GROUP, "v1", "default", "widgets")
made = api.create_namespaced_custom_object(
    *WHERE, {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": "py"}, "spec": {"mode": "a"}}
)
assert made["spec"] == {"mode": "a", "replicas": 3}, made
made["spec"]["replicas"] = 4
assert api.replace_namespaced_custom_object(*WHERE, "py", made)["metadata"]["generation"] == 2
api.patch_namespaced_custom_object_status(*WHERE, "py", {"status": {"replicas": 4}})
assert api.get_namespaced_custom_object_scale(*WHERE, "py")["status"]["replicas"] == 4
api.patch_namespaced_custom_object_scale(*WHERE, "py", {"spec": {"replicas": 5}})
found = {each["metadata"]["name"]: each for each in api.list_namespaced_custom_object(*WHERE)["items"]}
assert found["py"]["spec"]["replicas"] == 5
code = 200
try:
    api.patch_namespaced_custom_object(*WHERE, "py", {"spec": {"mode": "z"}})
except client.ApiException as error:
    code = error.status
assert code == 422
api.delete_namespaced_custom_object(*WHERE, "py")
kinds = client.ApiextensionsV1Api().list_custom_resource_definition().items
assert [each.metadata.name for each in kinds] == [f"widgets.{GROUP}"]
print("done")
