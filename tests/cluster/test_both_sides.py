"""The same documents on the laptop and on the cluster: same end, same outputs, same content, same manifests."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripts.conformance import DOCUMENTS, finish, index
from tests.cli.homes import RealHome
from tests.cluster.conftest import Cluster
from tests.cluster.counting import counted

from wherry.client import flows, views
from wherry.client.api import Client
from wherry.client.submission import Wishes, options
from wherry.kube.cluster.client import ClusterKube
from wherry.kube.embedded import EmbeddedKube
from wherry.kube.protocol import Object
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.runtime_map import ensure_runtime
from wherry.pipelines.service import Pipelines
from wherry.pipelines.targets import Equipment, Site, Target, Volume
from wherry.seams import SystemClock, SystemIds
from wherry.server.clusters import equipment
from wherry.settings import project
from wherry.storage.database import Database
from wherry.storage.shared_folder import SharedFolder
from wherry.testing.scripted_node import Commit, ScriptedNode

pytestmark = pytest.mark.cluster

DOCUMENT_NAMES = (
    "add_numbers.yaml",
    "artifact_crust.yaml",
    "artifacts_simple.yaml",
    "component_with_optional_inputs.yaml",
    "fail_v2.yaml",
    "lightweight_python_functions_with_outputs.yaml",
    "local_execution_pipeline_with_exit_handler.yaml",
    "nested_return.yaml",
    "output_metrics.yaml",
    "pipeline_with_multiple_exit_handlers.yaml",
    "pipeline_with_nested_loops.yaml",
    "pipeline_with_task_final_status.yaml",
    "producer_consumer_param_pipeline.yaml",
    "two_step_pipeline_containerized.yaml",
)
IMAGES = '[images]\n"python:3.11" = { python = "3.11" }\n"*" = { image = "python:3.11" }\n'
LIMIT_CALLS = 6


@pytest.fixture(scope="module")
def both(place: RealHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Each document's run on the laptop and on the cluster; all run at once."""
    if not DOCUMENTS.is_dir():
        pytest.skip(f"no {DOCUMENTS}: WHERRY_SHARED names the folder with Kubeflow's documents")
    place.write("wherry.toml", (place.work / "wherry.toml").read_text() + IMAGES)
    found = project(str(place.work))
    client = Client(str(place.home))
    cases = {case.name: case for case in index() if case.name in DOCUMENT_NAMES}
    assert set(cases) == set(DOCUMENT_NAMES)
    ids: dict[tuple[str, str | None], str] = {}
    for name, case in cases.items():
        document = flows.load(str(case.file)).document
        for on in (None, "test"):
            arguments = case.arguments(tmp_path_factory.mktemp("fresh"))
            chosen = options(client, found, Wishes(cache=False, on=on))
            ids[name, on] = client.submit(document, arguments, options=chosen)
    yield {name: (finish(client, ids[name, None]), finish(client, ids[name, "test"])) for name in cases}
    client.close()


def shown(run: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on the place."""
    tasks = {
        task["path"]: (
            task["phase"],
            (task.get("outputs") or {}).get("parameters"),
            {
                name: [(each.get("digest"), each.get("type")) for each in found]
                for name, found in ((task.get("outputs") or {}).get("artifacts") or {}).items()
            },
        )
        for task in run["tasks"]
        if task["kind"] == "task"
    }
    outputs = views.flat(run["outputs"])
    return {"state": run["state"], "outputs": sorted(outputs), "tasks": tasks}


@pytest.mark.parametrize("name", DOCUMENT_NAMES)
def test_a_document_ends_the_same_on_both_sides(both: dict[str, tuple[Any, Any]], name: str) -> None:
    laptop, cluster = both[name]
    assert shown(laptop) == shown(cluster)


class Sent:
    """A `Kube` that keeps the pods which it is asked to make."""

    def __init__(self, kube: Any) -> None:
        self._kube = kube
        self.pods: dict[str, Object] = {}

    async def create(self, obj: Object) -> Object:
        if obj["kind"] == "Pod":
            self.pods[obj["metadata"]["name"]] = json.loads(json.dumps(obj))
        return await self._kube.create(obj)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)


async def identify(image: str, request: Any) -> str:
    return image


async def ran(
    folder: Path, store: Path, kube: Any, given: Equipment, document: dict[str, Any], namespace: str
) -> dict[str, Any]:
    """A run to its end, on whatever Kubernetes `kube` is, with the same id and home each time."""
    db = Database.open(folder / "wherry.db", clock=SystemClock())
    try:
        site = Site(kube, SharedFolder(store), identify, 50, equipment=given)
        async with Pipelines(db=db, site=site, clock=SystemClock(), ids=SystemIds(), home="h") as pipelines:
            run = "11111111-1111-4111-8111-111111111111"
            wish = SubmitOptions(cache=False, namespace=namespace)
            await pipelines.submit(document, arguments={}, options=wish, run_id=run)
            async for _ in pipelines.events(run):
                pass
            while pipelines.busy:
                await asyncio.sleep(0.01)
            return await pipelines.get(run, with_tasks=True)
    finally:
        db.close()


def without(pod: Object, given: Equipment) -> Object:
    """The manifest less what the site adds to each."""
    spec = {key: value for key, value in pod["spec"].items() if key not in given.spec}
    main = dict(spec["containers"][0])
    main["env"] = [each for each in main["env"] if each not in given.env]
    main["volumeMounts"] = [each for each in main["volumeMounts"] if each not in given.mounts]
    spec["volumes"] = [each for each in spec["volumes"] if each not in given.volumes]
    for holder, key in ((main, "volumeMounts"), (spec, "volumes")):
        if not holder[key]:
            del holder[key]
    return {**pod, "spec": {**spec, "containers": [main, *spec["containers"][1:]]}}


TASKS = 5


def test_manifests_differ_by_the_equipment_alone_and_a_task_costs_few_calls(
    cluster: Cluster, tmp_path: Path, chain: Callable[[int], dict[str, Any]]
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    target = Target(
        "test",
        namespace=cluster.namespace,
        artifacts=str(store),
        volume=Volume(host_path=str(store)),
        pull_secrets=("s",),
    )
    document = chain(TASKS)
    for name in ("real", "embedded"):
        (tmp_path / name).mkdir()

    async def on_the_cluster() -> tuple[dict[str, Object], Equipment, Counter[str]]:
        access, transport = counted(cluster.kubeconfig)
        async with ClusterKube(access, scope=cluster.namespace, transport=transport) as kube:
            given = equipment(target, await ensure_runtime(kube, cluster.namespace))
            transport.calls.clear()
            sent = Sent(kube)
            view = await ran(tmp_path / "real", store, sent, given, document, cluster.namespace)
            assert view["state"] == "SUCCEEDED", view["error"]
            return sent.pods, given, transport.calls

    async def embedded() -> dict[str, Object]:
        db = Database.open(tmp_path / "kube.db", clock=SystemClock())
        kube = EmbeddedKube(db, clock=SystemClock(), ids=SystemIds())
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}})
        sent = Sent(kube)
        async with ScriptedNode(kube, lambda task: Commit({"Output": 1}), clock=SystemClock()):
            await ran(tmp_path / "embedded", store, sent, Equipment(), document, cluster.namespace)
        db.close()
        return sent.pods

    real, given, calls = asyncio.run(on_the_cluster())
    local = asyncio.run(embedded())
    assert len(real) == TASKS
    assert {name: without(pod, given) for name, pod in real.items()} == local
    asked = sum(number for kind, number in calls.items() if kind != "WATCH")
    start = 6  # lists of pods, events and claims when the driver begins, and again after a watch that was cut off
    assert asked - start <= LIMIT_CALLS * TASKS, calls
    assert calls["POST"] == TASKS, calls
    assert calls["DELETE"] == TASKS, calls


@pytest.fixture
def chain() -> Callable[[int], dict[str, Any]]:
    """A chain of tasks, each of which passes its number on."""

    def made(length: int) -> dict[str, Any]:
        script = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.parent.mkdir(exist_ok=True); p.write_text('1')"
        command = ["python3", "-c", script, "{{$.outputs.parameters['Output'].output_file}}"]
        integer = {"parameterType": "NUMBER_INTEGER"}
        tasks: dict[str, Any] = {}
        for number in range(length):
            tasks[f"t{number}"] = {"componentRef": {"name": "comp"}}
            if number:
                before = {"producerTask": f"t{number - 1}", "outputParameterKey": "Output"}
                tasks[f"t{number}"]["inputs"] = {"parameters": {"x": {"taskOutputParameter": before}}}
                tasks[f"t{number}"]["dependentTasks"] = [f"t{number - 1}"]
        optional = {**integer, "isOptional": True}
        component = {
            "executorLabel": "exec",
            "inputDefinitions": {"parameters": {"x": optional}},
            "outputDefinitions": {"parameters": {"Output": integer}},
        }
        return {
            "pipelineInfo": {"name": "chain"},
            "schemaVersion": "2.1.0",
            "deploymentSpec": {"executors": {"exec": {"container": {"image": "python:3.11", "command": command}}}},
            "components": {"comp": component},
            "root": {"dag": {"tasks": tasks}},
        }

    return made
