"""The platform document on a laptop, with real processes: secrets, config maps, claims, folders, fields, workspace."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from wherry.client import flows
from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.environments import Environments
from wherry.kube.embedded.node import Capacity, NodeAgent, NodeSettings
from wherry.kube.embedded.node.lacking import lacking
from wherry.kube.resources import SECRETS
from wherry.pipelines.service import Pipelines
from wherry.pipelines.targets import Site
from wherry.runtime import zipapp
from wherry.seams import SystemClock, SystemIds
from wherry.storage.artifacts import LocalStore
from wherry.storage.database import Database
from wherry.testing import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs mount namespaces")


@asynccontextmanager
async def server(home: Path) -> AsyncIterator[tuple[EmbeddedKube, Pipelines]]:
    """What a server is made of, with its API server in hand."""
    home.mkdir()
    clock, ids, environ = SystemClock(), SystemIds(), dict(os.environ)
    db = Database.open(home / "wherry.db", clock=clock)
    kube = EmbeddedKube(db, clock=clock, ids=ids)
    environments = Environments(home, environ=environ)
    node = NodeAgent(
        kube,
        home,
        clock=clock,
        environments=environments,
        runtime=zipapp.build(home),
        capacity=Capacity(cpu=4, memory_bytes=8 << 30),
        environ=environ,
        settings=NodeSettings(config_retry_s=0.05),
    )
    try:
        async with (
            node,
            Pipelines(
                db=db,
                site=Site(kube, LocalStore(home / "artifacts"), environments.identity, 16, lacking=lacking),
                clock=clock,
                ids=ids,
            ) as pipelines,
        ):
            yield kube, pipelines
    finally:
        db.close()


def shell(docs: Any, scripts: dict[str, str], settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A document with a task for each script, one after the other, under the settings of its name."""
    tasks: dict[str, Any] = {}
    for name in scripts:
        tasks[name] = docs.task(f"comp-{name}", after=tuple(tasks)[-1:])
    return {
        "pipeline_spec": docs.document(
            tasks,
            {f"comp-{name}": docs.component(executor=f"exec-{name}") for name in scripts},
            executors={
                f"exec-{name}": {"container": {"image": "busybox", "command": ["sh", "-ec", script]}}
                for name, script in scripts.items()
            },
        ),
        "platform_spec": {
            "platforms": {
                "kubernetes": {
                    "deploymentSpec": {"executors": {f"exec-{name}": each for name, each in settings.items()}},
                    **more,
                }
            }
        },
    }


def named(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
SCRIPTS = {
    "env": 'echo "$PASSWORD $MODE ${ABSENT-none} $POD_LABEL"',
    "volumes": "cat /wh-secret/password /wh-conf/mode; ls /wh-none | wc -l; ls -d /wh-tmp /wh-big",
    "disk": "mkdir -p /wh-disk/sub; echo kept > /wh-disk/sub/note; cat /wh-init/made",
    "again": "cat /wh-disk/note",
    "write": "echo shared > /kfp-workspace/file",
    "read": "cat {{$.workspace_path}}/file",
}
SETTINGS: dict[str, Any] = {
    "env": {
        "secretAsEnv": [
            {"secretName": "db", "keyToEnv": [{"secretKey": "password", "envVar": "PASSWORD"}]},
            {"secretName": "no", "optional": True, "keyToEnv": [{"secretKey": "x", "envVar": "ABSENT"}]},
        ],
        "configMapAsEnv": [{"configMapName": "conf", "keyToEnv": [{"configMapKey": "mode", "envVar": "MODE"}]}],
        "fieldPathAsEnv": [{"name": "POD_LABEL", "fieldPath": "metadata.labels['team']"}],
        "podMetadata": {"labels": {"team": "ml"}},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "nodeSelector": {"labels": {"disk": "ssd"}},
        "activeDeadlineSeconds": 60,
    },
    "volumes": {
        "secretAsVolume": [
            {"secretName": "db", "mountPath": "/wh-secret"},
            {"secretName": "no", "mountPath": "/wh-none", "optional": True},
        ],
        "configMapAsVolume": [{"configMapName": "conf", "mountPath": "/wh-conf"}],
        "emptyDirMounts": [{"volumeName": "tmp", "mountPath": "/wh-tmp", "sizeLimit": "1Gi"}],
        "genericEphemeralVolume": [
            {"volumeName": "big", "mountPath": "/wh-big", "accessModes": ["ReadWriteOnce"], "size": "1Gi"}
        ],
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    },
    "disk": {
        "pvcMount": [{"constant": "disk", "mountPath": "/wh-disk"}],
        "emptyDirMounts": [{"volumeName": "init", "mountPath": "/wh-init"}],
        "initContainers": [
            {
                "name": "first",
                "image": "busybox",
                "command": ["sh", "-c", "echo made > /wh-first/made"],
                "volumeMounts": [{"volumeName": "init", "mountPath": "/wh-first"}],
            }
        ],
    },
    "again": {"pvcMount": [{"constant": "disk", "mountPath": "/wh-disk", "subPath": "sub"}]},
}


def test_what_the_document_asks_for_is_there(tmp_path: Path, docs: Any) -> None:
    async def main() -> Any:
        async with server(tmp_path / "home") as (kube, pipelines):
            await kube.create(named("Secret", "db", stringData={"password": "s3cret"}))
            await kube.create(named("ConfigMap", "conf", data={"mode": "fast"}))
            await kube.create(named("PersistentVolumeClaim", "disk", spec=CLAIM))
            document = shell(docs, SCRIPTS, SETTINGS, pipelineConfig={"workspace": {"size": "1Gi"}})
            run = await pipelines.submit(document, arguments={})
            events = [event async for event in pipelines.events(run)]
            logs = {name: b"".join([part async for part in pipelines.logs(run, name)]).decode() for name in SCRIPTS}
            await until(lambda: len(os.listdir(tmp_path / "home" / "volumes")) == 1)  # the workspace is gone
            return events, logs, await pipelines.get(run, with_tasks=True)

    events, logs, view = asyncio.run(main())
    assert view["state"] == "SUCCEEDED", [task["error"] for task in view["tasks"] if task["error"]]
    assert logs == {
        "env": "s3cret fast none ml\n",
        "volumes": "s3cretfast0\n/wh-big\n/wh-tmp\n",
        "disk": "made\n",
        "again": "kept\n",
        "write": "",
        "read": "shared\n",
    }
    notices = [event["message"] for event in events if event["event"] == "notice"]
    told = [text for text in notices if "not applicable here" in text]
    assert [text.split()[0] for text in told] == [
        "spec.nodeSelector",
        "spec.tolerations",
        "spec.volumes[].emptyDir.sizeLimit",
        "spec.volumes[].ephemeral.volumeClaimTemplate",
    ], "each is told once a run"
    assert not Path("/kfp-workspace/file").exists()


def test_a_secret_that_is_missing_is_told_and_waited_for(tmp_path: Path, docs: Any) -> None:
    key = [{"secretKey": "password", "envVar": "PASSWORD"}]
    document = shell(docs, {"t": "echo $PASSWORD"}, {"t": {"secretAsEnv": [{"secretName": "late", "keyToEnv": key}]}})

    async def main() -> Any:
        async with server(tmp_path / "home") as (kube, pipelines):
            run = await pipelines.submit(document, arguments={})
            said: list[str] = []
            async for event in pipelines.events(run):
                if event["event"] == "notice":
                    said.append(event["message"])
                    if len(said) == 1:
                        await kube.create(named("Secret", "late", stringData={"other": "x"}))
                    else:
                        await kube.patch(SECRETS, "late", "default", {"stringData": {"password": "come"}})
            log = b"".join([part async for part in pipelines.logs(run, "t")])
            return said, log, await pipelines.get(run)

    said, log, view = asyncio.run(main())
    assert said == [
        'secret "late" not found; the pod waits',
        'couldn\'t find key password in secret "late"; the pod waits',
    ]
    assert (view["state"], log) == ("SUCCEEDED", b"come\n")


CONFORMANCE = (
    "missing_kubernetes_optional_inputs.yaml",
    "parallel_for_mount_pvc.yaml",
    "pipeline_with_secret_as_volume.yaml",
    "pipeline_with_volume.yaml",
    "pipeline_with_volume_long_name.yaml",
    "pipeline_with_workspace.yaml",
)


def test_kubeflows_own_documents_with_settings_run(tmp_path: Path, conformance: Path) -> None:
    async def main() -> dict[str, Any]:
        async with server(tmp_path / "home") as (kube, pipelines):
            await kube.create(named("Secret", "test-secret-1", stringData={"username": "user1", "password": "psw1"}))
            runs = [
                await pipelines.submit(flows.load(str(conformance / "kfp-ir" / name)).document, arguments={})
                for name in CONFORMANCE
            ]
            for run in runs:
                async for _ in pipelines.events(run):
                    pass
            views = [await pipelines.get(run, with_tasks=True) for run in runs]
            return {
                name: [view["state"], *(task["error"] for task in view["tasks"] if task["error"])]
                for name, view in zip(CONFORMANCE, views, strict=True)
            }

    assert asyncio.run(main()) == {name: ["SUCCEEDED"] for name in CONFORMANCE}


def imported(docs: Any, uri: str, *, config: dict[str, Any]) -> dict[str, Any]:
    """A document: an importer that downloads to the workspace, and two tasks that read what it names."""
    artifact = {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
    read = {"taskOutputArtifact": {"producerTask": "imp", "outputArtifactKey": "artifact"}}
    script = 'echo "$0"; cat "$0"'
    importer = {"artifactUri": {"constant": uri}, "typeSchema": artifact["artifactType"], "downloadToWorkspace": True}
    tasks = {"imp": docs.task("comp-imp")}
    for name in ("first", "second"):
        tasks[name] = docs.task("comp-read", after=tuple(tasks)[-1:])
        tasks[name]["dependentTasks"] = sorted({"imp", *tasks[name]["dependentTasks"]})
        tasks[name]["inputs"] = {"artifacts": {"data": read}}
    words = ["sh", "-ec", script, "{{$.inputs.artifacts['data'].path}}"]
    return {
        "pipeline_spec": docs.document(
            tasks,
            {
                "comp-imp": {"executorLabel": "exec-imp", "outputDefinitions": {"artifacts": {"artifact": artifact}}},
                "comp-read": {"executorLabel": "exec-read", "inputDefinitions": {"artifacts": {"data": artifact}}},
            },
            executors={
                "exec-imp": {"importer": importer},
                "exec-read": {"container": {"image": "busybox", "command": words}},
            },
        ),
        "platform_spec": {"platforms": {"kubernetes": {"pipelineConfig": config}}},
    }


def test_what_is_imported_into_the_workspace_is_read_there(tmp_path: Path, docs: Any) -> None:
    async def main() -> Any:
        async with server(tmp_path / "home") as (_, pipelines):
            data = tmp_path / "home" / "artifacts" / "data.txt"
            data.parent.mkdir(exist_ok=True)
            data.write_text("imported\n")
            views: list[Any] = []
            for config in ({"workspace": {"size": "1Gi"}}, {}):
                run = await pipelines.submit(imported(docs, str(data), config=config), arguments={})
                async for _ in pipelines.events(run):
                    pass
                views.append(await pipelines.get(run, with_tasks=True))
            log = b"".join([part async for part in pipelines.logs(views[0]["id"], "second")]).decode()
            return data, views, log

    data, (view, without), log = asyncio.run(main())
    assert view["state"] == "SUCCEEDED", [task["error"] for task in view["tasks"] if task["error"]]
    assert log == f"/kfp-workspace/.artifacts{data}\nimported\n"
    assert "downloads to the workspace, but the pipeline has none" in without["error"]["message"]
