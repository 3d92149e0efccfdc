"""Settings of the platform document: their values from inputs, and what docs/compatibility.md says of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from wherry.ir.kubernetes import KubernetesExecutorConfig
from wherry.ir.spec import TaskConfigPassthrough
from wherry.kube.embedded.node.lacking import LACKING, lacking
from wherry.kube.names import dns_label_error
from wherry.pipelines.passthroughs import divide
from wherry.pipelines.platform import FIELDS, Parts, platform_parts
from wherry.pipelines.platform_values import PlatformRefused

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


def parts(values: dict[str, Any] | None = None, **config: Any) -> Parts:
    """The parts of a config whose input specs name `values`."""
    known = values or {}

    def value_of(spec: dict[str, Any]) -> Any:
        name = spec.get("componentInputParameter")
        return known[name] if name else spec["runtimeValue"]["constant"]

    return platform_parts(msgspec.convert(config, KubernetesExecutorConfig), value_of)


def given(name: str) -> dict[str, Any]:
    return {"componentInputParameter": name}


def test_a_null_leaves_its_setting_out() -> None:
    secret = {"keyToEnv": [{"secretKey": "k", "envVar": "V"}], "secretNameParameter": given("x")}
    config_map = {"keyToEnv": [{"configMapKey": "k", "envVar": "W"}], "configMapNameParameter": given("x")}
    found = parts(
        {"x": None},
        secretAsEnv=[secret],
        configMapAsEnv=[config_map],
        secretAsVolume=[{"secretNameParameter": given("x"), "mountPath": "/s"}],
        configMapAsVolume=[{"configMapNameParameter": given("x"), "mountPath": "/c"}],
        imagePullSecret=[{"secretNameParameter": given("x")}],
        nodeSelector={"nodeSelectorJson": given("x")},
        nodeAffinity=[{"nodeAffinityJson": given("x")}],
        tolerations=[{"tolerationJson": given("x")}],
    )
    assert found == Parts()


def test_json_of_an_input_takes_the_place_of_constants_and_terms_add_up() -> None:
    zone = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    other = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
    found = parts(
        {
            "selector": '{"disk": "ssd"}',
            "affinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [other]},
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 3, "preference": zone}],
            },
            "one": {"key": "a", "operator": "Exists"},
            "many": [{"key": "b"}, {}, {"key": "c"}],
        },
        nodeSelector={"labels": {"ignored": "yes"}, "nodeSelectorJson": given("selector")},
        nodeAffinity=[zone, {"nodeAffinityJson": given("affinity")}, {}],
        tolerations=[{"tolerationJson": given("one")}, {"tolerationJson": given("many")}, {"key": "d"}],
    )
    assert found.spec["nodeSelector"] == {"disk": "ssd"}
    assert found.spec["affinity"]["nodeAffinity"] == {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [zone, other]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 3, "preference": zone}],
    }
    assert found.spec["tolerations"] == [{"key": "a", "operator": "Exists"}, *({"key": k} for k in "bcd")]


def test_volumes_have_names_of_their_own_that_are_labels() -> None:
    long = "a-very-long-name-of-a-claim-" * 4 + "x"
    found = parts(
        secretAsVolume=[{"secretName": "same", "mountPath": "/s"}, {"secretName": "with.dots", "mountPath": "/d"}],
        configMapAsVolume=[{"configMapName": "same", "mountPath": "/c"}],
        pvcMount=[{"constant": long, "mountPath": "/p"}, {"constant": long, "mountPath": "/q", "subPath": "q"}],
    ).volumes
    names = [volume["name"] for volume in found.volumes]
    assert len(set(names)) == len(names) == 4
    assert not any(dns_label_error(name) for name in names)
    assert [mount["name"] for mount in found.mounts] == [names[0], names[1], names[2], names[3], names[3]]


def test_init_containers_and_sidecars_name_their_volumes() -> None:
    init = {
        "name": "sync",
        "image": "busybox",
        "command": ["sh"],
        "volumeMounts": [{"volumeName": "tmp", "mountPath": "/tmp"}],
        "restartPolicy": "Always",
        "resources": {"limits": {"cpu": "1"}},
    }
    assert parts(initContainers=[init]).spec["initContainers"] == [
        init | {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"imagePullPolicy": "Sometimes"}, "imagePullPolicy is 'Sometimes'"),
        ({"secretAsVolume": [{"mountPath": "/s"}]}, "secretAsVolume names ''"),
        ({"pvcMount": [{"mountPath": "/s", "pvcNameParameter": given("null")}]}, "pvcMount names null"),
        ({"pvcMount": [{"constant": "x", "mountPath": "/kfp-workspace/y"}]}, "outside of /kfp-workspace"),
        ({"nodeSelector": {"nodeSelectorJson": given("text")}}, "nodeSelectorJson is 'no json'"),
        ({"tolerations": [{"tolerationJson": given("number")}]}, "tolerationJson is 5"),
    ],
)
def test_settings_that_no_pod_can_have_are_refused_by_name(config: dict[str, Any], message: str) -> None:
    with pytest.raises(PlatformRefused, match="The task's Kubernetes setting ") as refused:
        parts({"null": None, "text": "no json", "number": 5}, **config)
    assert message in str(refused.value)


def test_task_config_takes_what_is_passed_through() -> None:
    rules = [
        TaskConfigPassthrough("RESOURCES"),
        TaskConfigPassthrough("ENV", True),
        TaskConfigPassthrough("KUBERNETES_TOLERATIONS"),
        TaskConfigPassthrough("KUBERNETES_NODE_SELECTOR", True),
        TaskConfigPassthrough("KUBERNETES_VOLUMES"),
    ]
    held = parts(
        tolerations=[{"key": "gpu"}],
        nodeSelector={"labels": {"a": "b"}},
        fieldPathAsEnv=[{"name": "POD", "fieldPath": "metadata.name"}],
        pvcMount=[{"constant": "disk", "mountPath": "/disk"}],
        emptyDirMounts=[{"volumeName": "tmp", "mountPath": "/scratch"}],
    )
    mode = [{"name": "MODE", "value": "fast"}]
    config, env, resources = divide(rules, held, mode, {"limits": {"cpu": "1"}})
    disk = {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}
    assert config == {
        "resources": {"limits": {"cpu": "1"}},
        "env": [*mode, *held.env],
        "tolerations": [{"key": "gpu"}],
        "nodeSelector": {"a": "b"},
        "volumes": [disk],
        "volumeMounts": [{"name": "disk", "mountPath": "/disk"}],
    }
    assert (env, resources, held.spec) == (mode, {}, {"nodeSelector": {"a": "b"}})
    assert [volume["name"] for volume in held.volumes.volumes] == ["tmp"]


def test_what_means_nothing_here_is_said_by_field() -> None:
    spec = {
        "nodeSelector": {"a": "b"},
        "tolerations": [],
        "containers": [{"name": "main", "image": "x", "securityContext": {"runAsUser": 1}}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "w", "secret": {"secretName": "s"}}],
    }
    assert lacking({"spec": spec}) == [
        "spec.nodeSelector is not applicable here: there is one node, and it takes every pod.",
        "container.securityContext is not applicable here: a container is a process of the user that wherry runs as.",
        "spec.volumes[].emptyDir.sizeLimit is not applicable here: folders have no limit of their own.",
    ]
    assert lacking({"spec": {"containers": [{"name": "main"}]}}) == []


def table() -> list[str]:
    """The lines that docs/compatibility.md shows: each field, where it goes in the pod, what a laptop does with it."""
    fields = {msgspec_field.encode_name for msgspec_field in msgspec.structs.fields(KubernetesExecutorConfig)}
    assert fields == set(FIELDS)
    lines = ["| setting | in the pod | on a laptop |", "| --- | --- | --- |"]
    for name, place in FIELDS.items():
        inner = {key.removeprefix(f"{place}."): why for key, why in LACKING.items() if key.startswith(f"{place}.")}
        said = f"not applicable: {LACKING[place]}" if place in LACKING else "honoured"
        said += "".join(f"; {key} is not applicable: {why}" for key, why in inner.items())
        lines.append(f"| `{name}` | {place} | {said} |")
    return lines


def test_the_page_shows_the_table() -> None:
    shown = PAGE.read_text().split("<!-- platform -->\n")[1].splitlines()
    assert shown == table(), "put this between the marks of docs/compatibility.md:\n" + "\n".join(table())
