"""The pod of a task: one golden manifest, and the rules around it."""

# ruff: noqa: E501 - manifests read better in one piece

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.ir import from_builtins
from wherry.kube.embedded.registry import REGISTRY
from wherry.pipelines import templates
from wherry.pipelines.engine.model import RunInfo
from wherry.pipelines.pods import Identity, Inputs, LaunchRefused, attempt_of, build, label_value, pod_name, quantities
from wherry.pipelines.templates import ImageRule, Template

RUN = "11111111-1111-4111-8111-111111111111"
INFO = RunInfo(RUN, name="my run", pipeline="flow", pipeline_root="/store", create_time_utc="2026-01-01T00:00:00Z")
SOURCE = "def f(x: int):\n    return x\n"
COMMAND = ["sh", "-c",
           "\nif ! [ -x \"$(command -v pip)\" ]; then\n    python3 -m ensurepip || apt-get install python3-pip\nfi\n\n"
           "PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-warn-script-location 'pandas==2.2' && "
           '"$0" "$@"\n',
           "sh", "-ec", 'program_path=$(mktemp -d)\n\nprintf "%s" "$0" > "$program_path/ephemeral_component.py"\n'
           '_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main --component_module_path'
           ' "$program_path/ephemeral_component.py" "$@"\n', SOURCE]  # fmt: skip
ARGS = ["--executor_input", "{{$}}", "--function_to_execute", "f"]


def template(
    docs: Any, *, platform: Any = None, images: Any = (), code: str | None = None, **container: Any
) -> Template:
    component = docs.component({"x": "NUMBER_INTEGER"}, {"Output": "NUMBER_INTEGER"}, ("data",))
    component["inputDefinitions"]["parameters"]["x"]["defaultValue"] = 5.0
    container = {"image": "python:3.11", "command": COMMAND, "args": ARGS, **container}
    pipeline = docs.document(
        {"t": docs.task("comp-t", {"x": docs.constant(1)})},
        {"comp-t": component},
        executors={"exec-any": {"container": container}},
    )
    kubernetes = {"deploymentSpec": {"executors": {"exec-any": platform or {}}}}
    both = {"pipeline_spec": pipeline, "platform_spec": {"platforms": {"kubernetes": kubernetes}}}
    document = from_builtins(both)
    executor = document.pipeline.deployment_spec.executors["exec-any"].container
    assert executor is not None
    assert document.platform is not None
    assert document.platform.platforms.kubernetes is not None
    return templates.make(
        "comp-t",
        document.pipeline.components["comp-t"],
        executor,
        image=executor.image,
        platform=document.platform.platforms.kubernetes.deployment_spec.executors["exec-any"] if platform else None,
        images=list(images),
        code_sha256=code,
        store_root="/store",
    )


def inputs(**parameters: Any) -> Inputs:
    artifact = {"name": "a", "uri": "/store/a", "type": {"schemaTitle": "system.Dataset"}, "metadata": {}}
    return Inputs(
        parameters,
        {"train": [artifact]},
        [("MODE", "fast")],
        {"requests": {}, "limits": {"cpu": "1.5", "memory": "2K", "nvidia.com/gpu": "1"}},
        lambda spec: spec["runtimeValue"]["constant"],
    )


def built(made: Template, path: str = "for-loop-1[3]/train", **parameters: Any) -> Any:
    identity = Identity(RUN, path, 2, 1)
    return build(
        made,
        identity,
        inputs(**parameters),
        info=INFO,
        name=pod_name("home", identity),
        root="/store/flow/run/for-loop-1.3/train/2-1",
        run_root="/store/flow/run",
        needed=["data"],
    )


def descriptor_of(pod: dict[str, Any]) -> dict[str, Any]:
    env = {variable["name"]: variable.get("value") for variable in pod["spec"]["containers"][0]["env"]}
    return json.loads(env["WHERRY_TASK"])


def test_the_manifest_of_a_python_task(docs: Any) -> None:
    found = built(template(docs, code="c" * 64), x=3)
    sha256 = hashlib.sha256(SOURCE.encode()).hexdigest()
    descriptor = descriptor_of(found.pod)
    container = found.pod["spec"]["containers"][0]
    text = container["env"].pop()
    assert text["name"] == "WHERRY_TASK"
    assert "$" not in text["value"]
    assert found.pod == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "for-loop-1-3-train-"
            + hashlib.sha256(f"home\0{RUN}\0for-loop-1[3]/train".encode()).hexdigest()[:10]
            + "-2-1",
            "namespace": "default",
            "labels": {
                "app.kubernetes.io/managed-by": "wherry",
                "wherry.dev/run": RUN,
                "wherry.dev/task": "for-loop-1-3-train",
                "wherry.dev/attempt": "2-1",
            },
            "annotations": {
                "wherry.dev/task-path": "for-loop-1[3]/train",
                "wherry.dev/environment": '{"python":null,"requirements":["pandas==2.2"],"index_urls":[],"trusted_hosts":[]}',
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "main",
                    "image": "python:3.11",
                    "command": ["python3", "/wherry/runtime.pyz"],
                    "env": [{"name": "MODE", "value": "fast"}],
                    "resources": {"limits": {"cpu": "1.5", "memory": "2k", "nvidia.com/gpu": "1"}},
                }
            ],
        },
    }
    artifact = {"name": "a", "uri": "/store/a", "type": {"schemaTitle": "system.Dataset"}, "metadata": {}}
    produced = {
        "name": "data",
        "type": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
        "uri": "/store/flow/run/for-loop-1.3/train/2-1/data",
        "metadata": {},
    }
    assert descriptor == {
        "v": 1,
        "kind": "python",
        "source": {"uri": f"/store/.source/{sha256}.py", "sha256": sha256},
        "function": "f",
        "executor_input": {
            "inputs": {"parameterValues": {"x": 3}, "artifacts": {"train": {"artifacts": [artifact]}}},
            "outputs": {"artifacts": {"data": {"artifacts": [produced]}}},
        },
        "executor_input_ref": None,
        "component": {
            "inputs": {"x": {"type": "NUMBER_INTEGER", "default": 5.0}},
            "outputs": {"Output": "NUMBER_INTEGER"},
        },
        "root": "/store/flow/run/for-loop-1.3/train/2-1",
        "commit": "/store/flow/run/for-loop-1.3/train/2-1/commit.json",
        "code": {"uri": f"/store/.code/{'c' * 64}.zip", "sha256": "c" * 64},
        "needed": ["data"],
    }
    assert [(upload.uri, upload.data) for upload in found.uploads] == [(f"/store/.source/{sha256}.py", SOURCE.encode())]


def test_a_command_is_spliced_and_keeps_its_placeholders(docs: Any) -> None:
    words = [
        "echo",
        "{{$.inputs.parameters['x']}}",
        '{"IfPresent": {"InputName": "x", "Then": ["--x", "$HOME"], "Else": "none"}}',
        '{"Concat": ["a=", "{{$.pipeline_job_name}}"]}',
    ]
    args = ['{"IfPresent": {"InputName": "absent", "Then": ["--y"]}}']
    descriptor = descriptor_of(built(template(docs, command=words, args=args), x=1).pod)
    assert descriptor["kind"] == "command"
    assert descriptor["command"] == ["echo", words[1], "--x", "$HOME", "a={{$.pipeline_job_name}}"]
    assert descriptor["args"] == []
    assert descriptor["constants"]["{{$.pipeline_job_name}}"] == "my run"


def test_a_malformed_struct_is_refused(docs: Any) -> None:
    with pytest.raises(LaunchRefused, match="Malformed"):
        built(template(docs, command=['{"IfPresent": {"Then": "x"}}']))


def test_big_input_goes_by_reference_and_a_big_command_nowhere(docs: Any) -> None:
    found = built(template(docs), x="y" * 70_000)
    descriptor = descriptor_of(found.pod)
    reference = descriptor["executor_input_ref"]
    data = found.uploads[-1].data
    assert descriptor["executor_input"] is None
    assert reference["uri"] == found.uploads[-1].uri == f"/store/flow/run/.inputs/{reference['sha256']}.json"
    assert hashlib.sha256(data).hexdigest() == reference["sha256"]
    assert json.loads(data)["inputs"]["parameterValues"] == {"x": "y" * 70_000}
    with pytest.raises(LaunchRefused, match="too long"):
        built(template(docs, command=["echo", "y" * 130_000], args=[]))


def test_images_are_mapped_by_the_first_rule_that_matches(docs: Any) -> None:
    rules = [ImageRule("nobody/*"), ImageRule("python:*", ["numpy"], "3.12", "mine:1"), ImageRule("*", image="other")]
    pod = built(template(docs, images=rules)).pod
    assert pod["spec"]["containers"][0]["image"] == "mine:1"
    environment = json.loads(pod["metadata"]["annotations"]["wherry.dev/environment"])
    assert environment["python"] == "3.12"
    assert environment["requirements"] == ["numpy", "pandas==2.2"]


def test_without_requirements_there_is_no_environment_annotation(docs: Any) -> None:
    pod = built(template(docs, command=["true"], args=[])).pod
    assert set(pod["metadata"]["annotations"]) == {"wherry.dev/task-path"}


PLATFORM = {
    "secretAsEnv": [{"secretName": "db", "keyToEnv": [{"secretKey": "password", "envVar": "PASSWORD"}]}],
    "configMapAsEnv": [
        {
            "configMapNameParameter": {"runtimeValue": {"constant": "settings"}},
            "keyToEnv": [{"configMapKey": "mode", "envVar": "LEVEL"}],
            "optional": True,
        }
    ],
    "fieldPathAsEnv": [{"name": "POD", "fieldPath": "metadata.name"}],
    "secretAsVolume": [{"secretName": "db", "mountPath": "/secrets"}],
    "configMapAsVolume": [{"configMapName": "settings", "mountPath": "/settings", "optional": True}],
    "pvcMount": [{"constant": "disk", "mountPath": "/disk", "subPath": "a"}],
    "emptyDirMounts": [{"volumeName": "tmp", "mountPath": "/scratch", "sizeLimit": "1Gi"}],
    "enabledSharedMemory": {"size": "2Gi"},
    "genericEphemeralVolume": [
        {"volumeName": "big", "mountPath": "/big", "accessModes": ["ReadWriteOnce"], "size": "5Gi", "storageClassName": "ssd"}
    ],
    "nodeSelector": {"labels": {"gpu": "a100"}},
    "podMetadata": {"labels": {"team": "ml", "wherry.dev/run": "forged"}, "annotations": {"note": "x"}},
    "imagePullPolicy": "Always",
    "imagePullSecret": [{"secretName": "registry"}],
    "activeDeadlineSeconds": "60",
    "tolerations": [
        {"key": "gpu", "operator": "Exists", "tolerationSeconds": "30"},
        {"tolerationJson": {"runtimeValue": {"constant": [{"key": "other"}]}}},
    ],
    "nodeAffinity": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}, {"weight": 5, "matchFields": [{"key": "f", "operator": "Exists"}]}],
    "podAffinity": [{"topologyKey": "zone", "matchPodLabels": {"app": "x"}, "anti": True, "weight": 1}],
    "securityContext": {"runAsUser": "1000", "runAsNonRoot": True},
    "initContainers": [{"name": "init", "image": "busybox", "command": ["true"]}],
}  # fmt: skip


def test_platform_settings_become_parts_of_the_pod(docs: Any) -> None:
    pod = built(template(docs, platform=PLATFORM)).pod
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    assert [variable["name"] for variable in container["env"]] == ["MODE", "PASSWORD", "LEVEL", "POD", "WHERRY_TASK"]
    assert container["env"][1]["valueFrom"] == {"secretKeyRef": {"name": "db", "key": "password"}}
    assert container["env"][2]["valueFrom"] == {
        "configMapKeyRef": {"name": "settings", "key": "mode", "optional": True}
    }
    assert {volume["name"]: volume for volume in spec["volumes"]} == {
        "db": {"name": "db", "secret": {"secretName": "db", "optional": False}},
        "settings": {"name": "settings", "configMap": {"name": "settings", "optional": True}},
        "disk": {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}},
        "tmp": {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        "shm": {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
        "big": {
            "name": "big",
            "ephemeral": {
                "volumeClaimTemplate": {
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "5Gi"}},
                        "storageClassName": "ssd",
                    }
                }
            },
        },
    }
    assert {"name": "disk", "mountPath": "/disk", "subPath": "a"} in container["volumeMounts"]
    assert spec["nodeSelector"] == {"gpu": "a100"}
    assert spec["activeDeadlineSeconds"] == 60
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists", "tolerationSeconds": 30}, {"key": "other"}]
    assert container["securityContext"] == {
        "runAsUser": 1000,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["imagePullPolicy"] == "Always"
    assert spec["initContainers"] == PLATFORM["initContainers"]
    assert pod["metadata"]["labels"]["team"] == "ml"
    assert pod["metadata"]["labels"]["wherry.dev/run"] == RUN
    affinity = spec["affinity"]
    required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert required == [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
    (weighed,) = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert weighed["podAffinityTerm"] == {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}
    kind = REGISTRY.of_object(pod)
    kind.default(pod)
    assert kind.validate(pod) == []


@given(st.text(min_size=1, max_size=200), st.integers(1, 99), st.integers(0, 3))
def test_names_and_labels_are_valid_for_any_path(path: str, attempt: int, incarnation: int) -> None:
    identity = Identity(RUN, path, attempt, incarnation)
    name = pod_name("home", identity)
    assert len(name) <= 63
    assert name == name.lower()
    assert all(part.isalnum() and part.isascii() for part in name.split("-"))
    label = label_value(path)
    assert len(label) <= 63
    assert not label or (label[0].isalnum() and label[-1].isalnum())
    assert pod_name("elsewhere", identity) != name


def test_a_pod_tells_which_attempt_it_is(docs: Any) -> None:
    pod = built(template(docs)).pod
    assert attempt_of(pod) == Identity(RUN, "for-loop-1[3]/train", 2, 1)
    assert attempt_of({"metadata": {"name": "other"}}) is None
    pod["metadata"]["labels"]["wherry.dev/attempt"] = "x"
    assert attempt_of(pod) is None


def test_kilobytes_as_kfp_writes_them() -> None:
    assert quantities({"limits": {"memory": "512K", "cpu": "1"}, "requests": {}}) == {
        "limits": {"memory": "512k", "cpu": "1"}
    }
