"""CreatePVC, DeletePVC, mounted claims and workspaces: runs whose claims the driver makes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from wherry.kube.resources import PERSISTENTVOLUMECLAIMS
from wherry.testing.scripted_node import Commit, Fail

CACHED = {"cachingOptions": {"enableCache": True}}


@pytest.fixture
def disk(docs: Any) -> Any:
    """A document: CreatePVC with the given inputs, a task that mounts what it made, DeletePVC when asked for."""

    def make(*, delete: bool = False, mount: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
        values = {"access_modes": ["ReadWriteOnce"], "size": "1Gi", **given}
        types = {"access_modes": "LIST", "annotations": "STRUCT"}
        inputs = {name: types.get(name, "STRING") for name in values}
        create = docs.component(inputs, {"name": "STRING"}, executor="exec-c")
        tasks = {
            "createpvc": docs.task("comp-c", {n: docs.constant(v) for n, v in values.items()}, **CACHED),
            "use": docs.task("comp-use", after=("createpvc",)),
        }
        components = {"comp-c": create, "comp-use": docs.component()}
        executors = {"exec-c": {"container": {"image": "argostub/createpvc"}}}
        if delete:
            tasks["deletepvc"] = docs.task("comp-d", {"pvc_name": docs.output("createpvc", "name")}, after=("use",))
            components["comp-d"] = docs.component({"pvc_name": "STRING"}, executor="exec-d")
            executors["exec-d"] = {"container": {"image": "argostub/deletepvc"}}
        mounted = mount or {"pvcNameParameter": docs.output("createpvc", "name")}
        platform = {"exec-any": {"pvcMount": [{"mountPath": "/data", **mounted}]}}
        return {
            "pipeline_spec": docs.document(tasks, components, executors=executors),
            "platform_spec": {"platforms": {"kubernetes": {"deploymentSpec": {"executors": platform}}}},
        }

    return make


async def claims(lab: Any) -> list[Any]:
    return (await lab.kube.list(PERSISTENTVOLUMECLAIMS, "default")).items


def remember(lab: Any) -> list[Any]:
    """The volumes of the pods that run from now on."""
    seen: list[Any] = []
    script = lab.node.script

    def told(task: Any) -> Any:
        seen.append(task.pod["spec"].get("volumes"))
        return script(task)

    lab.node.script = told
    return seen


def test_a_claim_is_made_mounted_and_deleted_without_a_pod_of_its_own(lab: Any, go: Any, disk: Any) -> None:
    volumes = remember(lab)

    async def main() -> Any:
        kept = await lab.run(disk(pvc_name_suffix="-disk", annotations={"a": "b"}, storage_class_name="fast"))
        (claim,) = await claims(lab)
        gone = await lab.run(disk(pvc_name_suffix="-disk", delete=True))
        return kept, claim, gone, await claims(lab)

    kept, claim, gone, left = go(main)
    assert (kept["state"], gone["state"]) == ("SUCCEEDED", "SUCCEEDED")
    name = claim["metadata"]["name"]
    assert name.endswith("-disk")
    assert claim["metadata"]["annotations"]["a"] == "b"
    assert claim["spec"]["storageClassName"] == "fast"
    assert kept["tasks"]["createpvc"]["outputs"]["parameters"] == {"name": name}
    assert volumes[0] == [{"name": name, "persistentVolumeClaim": {"claimName": name}}]
    assert len(volumes) == 2
    assert [each["metadata"]["name"] for each in left if "deletionTimestamp" not in each["metadata"]] == [name]


def test_a_claim_with_a_name_is_taken_over_while_it_is_there(lab: Any, go: Any, disk: Any) -> None:
    async def main() -> Any:
        first = await lab.run(disk(pvc_name="disk"))
        second = await lab.run(disk(pvc_name="disk"))
        other = await lab.run(disk(pvc_name="disk", size="2Gi"))
        (claim,) = await claims(lab)
        await lab.kube.patch(PERSISTENTVOLUMECLAIMS, "disk", "default", {"metadata": {"finalizers": []}})
        await lab.kube.delete(PERSISTENTVOLUMECLAIMS, "disk", "default")
        return first, second, other, claim, await lab.run(disk(pvc_name="disk"))

    first, second, other, claim, again = go(main)
    phases = [run["tasks"]["createpvc"]["phase"] for run in (first, second, again)]
    assert phases == ["SUCCEEDED", "CACHED", "SUCCEEDED"]
    assert claim["spec"]["storageClassName"] == "standard"
    assert other["state"] == "FAILED"
    assert "there is a claim disk already" in other["tasks"]["createpvc"]["error"]["message"]


def test_a_name_whose_claim_is_being_deleted_is_waited_for(lab: Any, go: Any, disk: Any) -> None:
    async def main() -> Any:
        await lab.run(disk(pvc_name="disk"))
        await lab.kube.delete(PERSISTENTVOLUMECLAIMS, "disk", "default")  # its finalizer holds it

        def let_go(number: int, name: str) -> None:
            if lab.faults.calls.count("create") >= 2:
                change = {"metadata": {"finalizers": []}}
                tasks.append(asyncio.ensure_future(lab.kube.patch(PERSISTENTVOLUMECLAIMS, "disk", "default", change)))
                lab.faults.after = lambda number, name: None

        tasks: list[Any] = []
        lab.faults.calls.clear()
        lab.faults.after = let_go
        view = await lab.run(disk(pvc_name="disk"))
        await asyncio.gather(*tasks)
        return view, await claims(lab)

    view, found = go(main)
    assert view["tasks"]["createpvc"]["phase"] == "SUCCEEDED"
    assert len(found) == 1
    assert "deletionTimestamp" not in found[0]["metadata"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pvc_name": "a", "pvc_name_suffix": "b"}, "not both"),
        ({"pvc_name": "Not_A_Name"}, "Not_A_Name"),
        ({"access_modes": ["Sometimes"]}, "spec.accessModes"),
        ({"size": "big"}, "spec.resources[storage]"),
    ],
)
def test_a_claim_that_cannot_be_made_fails_its_task_and_says_why(
    lab: Any, go: Any, disk: Any, given: dict[str, Any], message: str
) -> None:
    view = go(lambda: lab.run(disk(**given)))
    assert view["state"] == "FAILED"
    assert message in view["tasks"]["createpvc"]["error"]["message"]


def test_a_result_counts_for_the_claims_that_it_was_made_with(lab: Any, go: Any, docs: Any) -> None:
    def mounting(name: str) -> dict[str, Any]:
        mount = {"pvcMount": [{"constant": name, "mountPath": "/data"}]}
        return {
            "pipeline_spec": docs.document({"t": docs.task("comp-t", **CACHED)}, {"comp-t": docs.component()}),
            "platform_spec": {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-any": mount}}}}},
        }

    async def main() -> Any:
        return [(await lab.run(mounting(name)))["tasks"]["t"]["phase"] for name in ("a", "a", "b")]

    assert go(main) == ["SUCCEEDED", "CACHED", "SUCCEEDED"]


def test_deleting_what_is_gone_is_said_and_no_failure(lab: Any, go: Any, docs: Any) -> None:
    document = docs.document(
        {"t": docs.task("comp-d", {"pvc_name": docs.constant("nothing")})},
        {"comp-d": docs.component({"pvc_name": "STRING"}, executor="exec-d")},
        executors={"exec-d": {"container": {"image": "argostub/deletepvc"}}},
    )

    async def main() -> Any:
        async with lab.serving() as pipelines:
            run = await pipelines.submit(document, arguments={})
            events = [event async for event in pipelines.events(run)]
            return events, await lab.finish(pipelines, run)

    events, view = go(main)
    assert view["state"] == "SUCCEEDED"
    assert any("nothing was gone already" in (event.get("message") or "") for event in events)


@pytest.mark.parametrize(
    ("mount", "claim"),
    [
        ({"constant": "disk"}, "disk"),
        ({"pvcNameParameter": {"runtimeValue": {"constant": "disk"}}, "subPath": "a/b"}, "disk"),
        ({"taskOutputParameter": {"producerTask": "createpvc", "outputParameterKey": "name"}}, "made"),
    ],
)
def test_every_way_of_naming_a_claim(lab: Any, go: Any, disk: Any, mount: dict[str, Any], claim: str) -> None:
    volumes = remember(lab)
    view = go(lambda: lab.run(disk(pvc_name="made", mount=mount)))
    assert view["state"] == "SUCCEEDED"
    assert volumes == [[{"name": claim, "persistentVolumeClaim": {"claimName": claim}}]]


@pytest.fixture
def shared(docs: Any) -> Any:
    """A document: `write` is given the workspace's path, `read` a path in it, `apart` neither."""
    path = docs.component({"path": "STRING"}, {"Output": "STRING"})
    tasks = {
        "write": docs.task("comp-path", {"path": docs.constant("{{$.workspace_path}}")}, **CACHED),
        "read": docs.task("comp-path", {"path": docs.output("write")}, **CACHED),
        "apart": docs.task("comp-none", after=("read",)),
    }

    def make(workspace: dict[str, Any] | None) -> dict[str, Any]:
        config = {"pipelineConfig": {"workspace": workspace}} if workspace else {}
        return {
            "pipeline_spec": docs.document(tasks, {"comp-path": path, "comp-none": docs.component()}),
            "platform_spec": {"platforms": {"kubernetes": config}},
        }

    return make


SPACE = {"size": "2Gi", "kubernetes": {"pvcSpecPatch": {"accessModes": ["ReadWriteMany"], "storageClassName": "nfs"}}}


def test_a_workspace_is_shared_by_the_tasks_that_mention_it(lab: Any, go: Any, shared: Any) -> None:
    seen: dict[str, Any] = {}

    def script(task: Any) -> Any:
        seen[task.path] = task.pod["spec"]
        return Commit({"Output": "/kfp-workspace/file"} if task.path != "apart" else {})

    lab.node.script = script

    async def main() -> Any:
        first = await lab.run(shared(SPACE))
        (claim,) = await claims(lab)
        return first, claim, await lab.run(shared(SPACE))

    first, claim, again = go(main)
    assert (first["state"], again["state"]) == ("SUCCEEDED", "SUCCEEDED")
    name = claim["metadata"]["name"]
    assert name.endswith("-kfp-workspace")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "2Gi"}}
    assert "deletionTimestamp" in claim["metadata"], "a run that succeeded leaves no workspace"
    assert seen["write"]["containers"][0]["volumeMounts"] == [{"name": "kfp-workspace", "mountPath": "/kfp-workspace"}]
    assert "volumes" in seen["read"]
    assert "volumes" not in seen["apart"]
    assert again["tasks"]["write"]["phase"] == "SUCCEEDED", "what writes to a workspace is not taken from the cache"


def test_a_workspace_stays_for_the_retry_and_goes_with_the_run(lab: Any, go: Any, shared: Any) -> None:
    lab.node.script = lambda task: Fail() if task.path == "read" else Commit({"Output": "/kfp-workspace/file"})

    async def main() -> Any:
        failed = await lab.run(shared(SPACE))
        (kept,) = await claims(lab)
        async with lab.serving() as pipelines:
            await pipelines.delete(failed["id"])
        return kept, await claims(lab)

    kept, left = go(main)
    assert "deletionTimestamp" not in kept["metadata"]
    assert all("deletionTimestamp" in each["metadata"] for each in left)


def test_the_next_server_discards_a_workspace_that_was_left(lab: Any, go: Any, shared: Any) -> None:
    lab.node.script = lambda task: Commit({"Output": "/kfp-workspace/file"} if task.path != "apart" else {})

    async def main() -> Any:
        await lab.run(shared(SPACE))
        (left,) = await claims(lab)
        name = left["metadata"]["name"]
        await lab.kube.patch(PERSISTENTVOLUMECLAIMS, name, "default", {"metadata": {"finalizers": []}})
        for run, of in ((left["metadata"]["labels"]["wherry.dev/run"], name), ("unknown", "theirs-kfp-workspace")):
            labels = {**left["metadata"]["labels"], "wherry.dev/run": run}
            metadata = {"name": of, "namespace": "default", "labels": labels}
            spec = {key: value for key, value in left["spec"].items() if key != "volumeName"}
            await lab.kube.create({**left, "metadata": metadata, "spec": spec})
        async with lab.serving() as pipelines:
            while pipelines.busy:
                await asyncio.sleep(0)
        return {each["metadata"]["name"]: "deletionTimestamp" in each["metadata"] for each in await claims(lab)}, name

    ending, name = go(main)
    assert ending == {name: True, "theirs-kfp-workspace": False}, "what another home has made is not ours"


def test_the_workspace_of_a_pipeline_without_one_is_missed_by_name(lab: Any, go: Any, shared: Any) -> None:
    view = go(lambda: lab.run(shared(None)))
    assert view["state"] == "FAILED"
    assert "uses the workspace, but the pipeline has none" in view["tasks"]["write"]["error"]["message"]


def test_a_server_that_dies_anywhere_makes_one_claim(
    make_lab: Any, crashed: type[BaseException], disk: Any, tmp_path: Path
) -> None:
    async def live(lab: Any, at: int) -> bool:
        deaths: list[str] = []
        run_id = lab.ids.uuid()

        def die(number: int, name: str) -> None:
            if not deaths and number == at:
                deaths.append(name)
                raise crashed

        lab.faults.after = die
        async with lab.node:
            for _ in range(2):
                try:
                    async with lab.pipelines() as pipelines:
                        await pipelines.submit(disk(pvc_name_suffix="-d"), arguments={}, run_id=run_id)
                        view = await lab.finish(pipelines, run_id)
                        assert view["state"] == "SUCCEEDED"
                except* crashed:
                    pass
        assert len(await claims(lab)) == 1
        return bool(deaths)

    async def main() -> None:
        reached, at = True, 1
        while reached:
            (tmp_path / str(at)).mkdir()
            lab = make_lab(tmp_path / str(at))
            try:
                reached = await live(lab, at)
            finally:
                lab.db.close()
            at += 1
        assert at > 12

    asyncio.run(main())
