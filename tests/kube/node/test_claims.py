"""PersistentVolumeClaims on the node: folders of the home that outlive pods, and go with their claims."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.kube.node.machine import machine, sh

from wherry.kube.embedded.node.trial import why_none
from wherry.kube.errors import Invalid, NotFound
from wherry.kube.resources import EVENTS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from wherry.testing import until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs mount namespaces")


@pytest.fixture
def on_node(tmp_path):
    def run(body):
        async def main():
            async with machine(tmp_path / "home") as node:
                return await body(node)

        return asyncio.run(main())

    return run


def claim(name="disk", **spec):
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": asked}


def using(name="disk", **mount):
    return {
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": name}}],
        "volumeMounts": [{"name": "v", "mountPath": "/wherry-disk", **mount}],
    }


async def gone(node, name="disk"):
    async def absent():
        try:
            await node.kube.get(PERSISTENTVOLUMECLAIMS, name, "default")
        except NotFound:
            return True

    await until(absent)


def test_each_claim_has_a_volume_to_look_at(tmp_path):
    async def volumes(node):
        return {each["metadata"]["name"]: each for each in (await node.kube.list(PERSISTENTVOLUMES)).items}

    async def main():
        async with machine(tmp_path / "home") as node:
            mine = await node.kube.create(claim())
            await node.kube.create(claim("named", volumeName="there"))
            await until(lambda: _many(volumes(node), 2))
            shown = (await volumes(node))[mine["spec"]["volumeName"]]
            named = (await volumes(node))["there"]
            await node.kube.delete(PERSISTENTVOLUMECLAIMS, "disk", "default")
            await until(lambda: _many(volumes(node), 1))
        async with machine(tmp_path / "home") as node:
            await node.kube.delete(PERSISTENTVOLUMECLAIMS, "named", "default")
            await until(lambda: _many(volumes(node), 0))
            return mine, shown, named

    mine, shown, named = asyncio.run(main())
    assert (shown["status"]["phase"], shown["spec"]["capacity"]) == ("Bound", {"storage": "1Gi"})
    assert shown["spec"]["claimRef"]["uid"] == mine["metadata"]["uid"]
    assert shown["spec"]["hostPath"]["path"] == str(tmp_path / "home" / "volumes" / mine["spec"]["volumeName"])
    policies = [each["spec"]["persistentVolumeReclaimPolicy"] for each in (shown, named)]
    assert policies == ["Delete", "Retain"]


async def _many(found, count):
    return len(await found) == count


@root_only
def test_what_a_pod_writes_the_next_one_reads_until_the_claim_goes(on_node):
    async def body(node):
        made = await node.kube.create(claim())
        await node.run("a", command=sh("mkdir -p /wherry-disk/sub; echo hello > /wherry-disk/sub/note"), **using())
        await node.run("b", command=sh("cat /wherry-disk/note"), **using(subPath="sub"))
        folder = node.home / "volumes" / made["spec"]["volumeName"]
        assert (folder / "sub" / "note").read_text() == "hello\n"
        await node.kube.delete(PERSISTENTVOLUMECLAIMS, "disk", "default")
        await gone(node)
        await until(lambda: not folder.exists())
        return made, await node.log("b")

    made, log = on_node(body)
    assert log == "hello\n"
    assert made["spec"]["volumeName"] == f"pvc-{made['metadata']['uid']}"
    assert made["status"] == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}


@root_only
def test_what_is_read_only_cannot_be_written(on_node):
    async def body(node):
        await node.kube.create(claim())
        asked = using()
        asked["volumes"][0]["persistentVolumeClaim"]["readOnly"] = True
        data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}
        await node.kube.create({**data, "data": {"key": "value"}})
        asked["volumes"].append({"name": "c", "configMap": {"name": "c"}})
        asked["volumeMounts"].append({"name": "c", "mountPath": "/wherry-conf"})
        script = "for f in /wherry-disk/x /wherry-conf/key; do : > $f || echo refused; done 2>/dev/null"
        await node.run(command=["bash", "-c", f"{script}; cat /wherry-conf/key"], **asked)
        return await node.log()

    assert on_node(body) == "refused\nrefused\nvalue"


@root_only
def test_a_claim_stays_while_a_pod_uses_it(on_node):
    async def body(node):
        await node.kube.create(claim())
        pod = await node.create(command=sh("until [ -e go ]; do sleep 0.01; done; ls -d /wherry-disk"), **using())
        await node.running()
        await node.kube.delete(PERSISTENTVOLUMECLAIMS, "disk", "default")
        ending = await node.kube.get(PERSISTENTVOLUMECLAIMS, "disk", "default")
        assert "deletionTimestamp" in ending["metadata"]
        await node.create("late", command=["true"], **using())
        assert await node.waiting("CreateContainerConfigError", "late") == (
            'persistentvolumeclaim "disk" is being deleted'
        )
        await node.kube.delete(PODS, "late", "default")
        (node.folder(pod) / "main-0" / "go").touch()
        status = await node.ended()
        await gone(node)
        return status

    assert on_node(body)["phase"] == "Succeeded"


@root_only
def test_a_volume_that_was_there_before_is_used_and_left(on_node):
    async def body(node):
        await node.kube.create(claim(volumeName="data"))
        await node.create(command=sh("cat /wherry-disk/known"), **using())
        message = await node.waiting("CreateContainerConfigError")
        folder = node.home / "volumes" / "data"
        folder.mkdir(parents=True)
        (folder / "known").write_text("known")
        status = await node.ended()
        await node.kube.delete(PERSISTENTVOLUMECLAIMS, "disk", "default")
        await gone(node)
        return message, status["phase"], await node.log(), (folder / "known").exists()

    message, phase, log, left = on_node(body)
    assert 'there is no volume "data"; make the folder ' in message
    assert (phase, log, left) == ("Succeeded", "known", True)


def test_a_claim_that_is_not_there_is_waited_for_and_said(on_node):
    async def body(node):
        await node.create(command=["true"], **using("later"))
        message = await node.waiting("CreateContainerConfigError")

        async def told():
            return (await node.kube.list(EVENTS, "default")).items

        return message, (await until(told))[0]["message"]

    message, told = on_node(body)
    assert message == 'persistentvolumeclaim "later" not found'
    assert told == 'persistentvolumeclaim "later" not found; the pod waits'


def test_folders_of_claims_that_went_unseen_are_removed_at_the_start(tmp_path):
    lost = tmp_path / "home" / "volumes" / "pvc-0"
    kept = tmp_path / "home" / "volumes" / "mine"
    lost.mkdir(parents=True)
    kept.mkdir()

    async def main():
        async with machine(tmp_path / "home"):
            await until(lambda: not lost.exists())

    asyncio.run(main())
    assert kept.exists()


@root_only
def test_a_machine_says_whether_it_can_mount():
    assert why_none() == ""
    assert not list(Path("/tmp").glob("*/.root"))


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"accessModes": []}, "spec.accessModes"),
        ({"accessModes": ["Sometimes"]}, "spec.accessModes"),
        ({"resources": {}}, "spec.resources[storage]"),
        ({"resources": {"requests": {"storage": "much"}}}, "spec.resources[storage]"),
        ({"resources": {"requests": {"storage": "0"}}}, "spec.resources[storage]"),
        ({"volumeMode": "Block"}, "spec.volumeMode"),
        ({"volumeName": "../up"}, "spec.volumeName"),
        ({"dataSource": {"kind": "VolumeSnapshot", "name": "x"}}, "spec.dataSource"),
    ],
)
def test_claims_that_no_machine_or_this_one_cannot_have(on_node, spec, field):
    async def body(node):
        with pytest.raises(Invalid) as refused:
            await node.kube.create(claim(**spec))
        return refused.value

    assert [cause.field for cause in on_node(body).causes] == [field]


def test_a_bound_claim_may_only_grow(on_node):
    async def body(node):
        await node.kube.create(claim())
        grown = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        await node.kube.patch(PERSISTENTVOLUMECLAIMS, "disk", "default", grown)
        for change in ({"resources": {"requests": {"storage": "1Gi"}}}, {"storageClassName": "other"}):
            with pytest.raises(Invalid):
                await node.kube.patch(PERSISTENTVOLUMECLAIMS, "disk", "default", {"spec": change})

    on_node(body)
