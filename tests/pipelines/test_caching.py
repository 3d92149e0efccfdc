"""Caching: equal content is not run twice, and anything that matters makes the content differ."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from wherry.ir import from_builtins
from wherry.pipelines import templates
from wherry.pipelines.caching import key_of
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.pods import Inputs
from wherry.pipelines.templates import ImageRule
from wherry.testing.scripted_node import Commit, Fail

CACHED = {"cachingOptions": {"enableCache": True}}


def two_steps(docs: Any, **more: Any) -> dict[str, Any]:
    """`make` writes an artifact, `read` reads it."""
    read = docs.component(outputs={"Output": "NUMBER_INTEGER"})
    read["inputDefinitions"] = {"artifacts": {"data": {"artifactType": {"schemaTitle": "system.Dataset"}}}}
    tasks = {
        "make": docs.task("comp-make", **CACHED, **more),
        "read": docs.task("comp-read", after=("make",), **CACHED),
    }
    produced = {"taskOutputArtifact": {"producerTask": "make", "outputArtifactKey": "data"}}
    tasks["read"]["inputs"] = {"artifacts": {"data": produced}}
    return docs.document(tasks, {"comp-make": docs.component(artifacts=("data",)), "comp-read": read})


def phases(view: dict[str, Any]) -> dict[str, str]:
    return {path: task["phase"] for path, task in view["tasks"].items() if task["kind"] == "task"}


def test_a_second_run_takes_the_results_of_the_first(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        first = await lab.run(two_steps(docs))
        assert phases(first) == {"make": "SUCCEEDED", "read": "SUCCEEDED"}
        second = await lab.run(two_steps(docs))
        assert phases(second) == {"make": "CACHED", "read": "CACHED"}
        assert len(lab.node.started) == 2
        assert {task["cached_from"] for task in second["tasks"].values()} == {None, first["id"]}
        assert second["tasks"]["make"]["outputs"] == first["tasks"]["make"]["outputs"]
        third = await lab.run(two_steps(docs))
        assert third["tasks"]["make"]["cached_from"] == first["id"]

    go(main)


def test_caching_is_off_unless_the_task_turns_it_on_and_the_run_allows_it(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        assert phases(await lab.run(docs.chain(1))) == {"t0": "SUCCEEDED"}
        assert phases(await lab.run(docs.chain(1))) == {"t0": "SUCCEEDED"}
        await lab.run(docs.chain(1, **CACHED))
        assert phases(await lab.run(docs.chain(1, **CACHED), cache=False)) == {"t0": "SUCCEEDED"}
        assert phases(await lab.run(docs.chain(1, **CACHED))) == {"t0": "CACHED"}

    go(main)


def test_a_failure_is_never_cached(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Fail()
        assert phases(await lab.run(docs.chain(1, **CACHED))) == {"t0": "FAILED"}
        lab.node.script = lambda task: Commit({"Output": 1})
        assert phases(await lab.run(docs.chain(1, **CACHED))) == {"t0": "SUCCEEDED"}

    go(main)


def test_a_hit_whose_artifacts_are_gone_is_no_hit(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        first = await lab.run(two_steps(docs))
        shutil.rmtree(Path(first["root"]) / "make")
        second = await lab.run(two_steps(docs))
        assert phases(second) == {"make": "SUCCEEDED", "read": "CACHED"}

    go(main)


def test_artifacts_that_another_run_shows_outlive_their_run(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        first = await lab.run(two_steps(docs))
        second = await lab.run(two_steps(docs))
        (artifact,) = second["tasks"]["make"]["outputs"]["artifacts"]["data"]
        async with lab.pipelines() as pipelines:
            await pipelines.delete(first["id"])
            assert Path(artifact["uri"]).exists()
            await pipelines.delete(second["id"])
            assert not Path(artifact["uri"]).exists()

    go(main)


def test_namespaces_share_nothing(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
        await lab.kube.create(namespace)
        await lab.run(docs.chain(1, **CACHED))
        assert phases(await lab.run(docs.chain(1, **CACHED), namespace="other")) == {"t0": "SUCCEEDED"}

    go(main)


def test_an_imported_file_counts_by_its_content(lab: Any, go: Any, docs: Any, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    document = two_steps(docs)
    importer = {"artifactUri": {"constant": str(data)}, "typeSchema": {"schemaTitle": "system.Dataset"}}
    document["deploymentSpec"]["executors"]["exec-import"] = {"importer": importer}
    document["components"]["comp-make"]["executorLabel"] = "exec-import"

    async def main() -> None:
        data.write_text("one")
        await lab.run(document)
        assert phases(await lab.run(document))["read"] == "CACHED"
        data.write_text("two")
        assert phases(await lab.run(document))["read"] == "SUCCEEDED"
        importer["artifactUri"] = {"constant": "gs://bucket/data"}
        for _ in range(2):
            assert phases(await lab.run(document))["read"] == "SUCCEEDED"

    go(main)


SOURCE = "def f(x: int):\n    return x\n"
LIGHT = ["sh", "-ec", 'program_path=$(mktemp -d)\n\nprintf "%s" "$0" > "$program_path/ephemeral_component.py"\n'
         '_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main --component_module_path'
         ' "$program_path/ephemeral_component.py" "$@"\n']  # fmt: skip
FUNCTION = ["--executor_input", "{{$}}", "--function_to_execute", "f"]


def pip(version: str) -> list[str]:
    line = f"python3 -m pip install --quiet --no-warn-script-location 'kfp=={version}' '--no-deps'"
    ensure = 'if ! [ -x "$(command -v pip)" ]; then\n    python3 -m ensurepip || apt-get install python3-pip\nfi\n'
    return ["sh", "-c", f'\n{ensure}\nPIP_DISABLE_PIP_VERSION_CHECK=1 {line} && "$0" "$@"\n']


class Case:
    """Everything that makes a key; `key` computes it with changes."""

    def __init__(self, docs: Any) -> None:
        self.docs = docs

    def key(self, **changes: Any) -> str | None:
        container = {
            "image": changes.get("image", "python:3.11"),
            "command": changes.get("command", [*pip("2.17.0"), *LIGHT, SOURCE]),
            "args": changes.get("args", FUNCTION),
            "env": changes.get("env", []),
        }
        component = self.docs.component({"x": changes.get("type", "NUMBER_INTEGER")}, changes.get("outputs"), ("data",))
        document = from_builtins(
            self.docs.document(
                {"t": self.docs.task("comp-t", {"x": self.docs.constant(1)})},
                {"comp-t": component},
                executors={"exec-any": {"container": container}},
            )
        ).pipeline
        executor = document.deployment_spec.executors["exec-any"].container
        assert executor is not None
        template = templates.make(
            changes.get("name", "comp-t"),
            document.components["comp-t"],
            executor,
            image=executor.image,
            platform=None,
            images=changes.get("images", []),
            code_sha256=changes.get("code"),
            store_root=changes.get("store_root", "/store"),
        )
        artifact = {"name": "a", "uri": "/store/a", "digest": "sha256:1", "metadata": {}, "type": {"schemaTitle": "x"}}
        artifacts = {"data": [{**artifact, **changes.get("artifact", {})}]}
        inputs = Inputs({"x": changes.get("x", 1)}, artifacts, [], {}, lambda spec: None)
        return key_of(
            template, inputs, environment=changes.get("environment", "e"), cache_key=changes.get("cache_key", "")
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"x": 2},
        {"x": True},
        {"x": "1"},
        {"type": "NUMBER_DOUBLE"},
        {"outputs": {"Output": "STRING"}},
        {"command": [*pip("2.17.0"), *LIGHT, SOURCE + "#"]},
        {"args": [*FUNCTION[:3], "g"]},
        {"env": [{"name": "A", "value": "1"}]},
        {"code": "0" * 64},
        {"environment": "another"},
        {"artifact": {"digest": "sha256:2"}},
        {"artifact": {"metadata": {"k": 1}}},
        {"artifact": {"type": {"schemaTitle": "y"}}},
    ],
)
def test_what_matters_changes_the_key(docs: Any, changes: dict[str, Any]) -> None:
    case = Case(docs)
    assert case.key(**changes) != case.key()
    assert case.key(**changes) == case.key(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"command": [*pip("2.9.0"), *LIGHT, SOURCE]},
        {"command": [*LIGHT, SOURCE]},
        {"artifact": {"uri": "/elsewhere", "name": "b"}},
        {"store_root": "/another/store"},
        {"name": "comp-t-2"},
        {"images": [ImageRule("other:*", ["pandas"])]},
    ],
)
def test_places_and_kfps_own_lines_do_not(docs: Any, changes: dict[str, Any]) -> None:
    case = Case(docs)
    assert case.key(**changes) == case.key()


def test_an_artifact_of_unknown_content_has_no_key(docs: Any) -> None:
    assert Case(docs).key(artifact={"digest": None}) is None


def test_the_components_own_key_replaces_all_of_it(docs: Any) -> None:
    case = Case(docs)
    assert case.key(cache_key="mine", x=1) == case.key(cache_key="mine", x=2, artifact={"digest": None})
    assert case.key(cache_key="mine") != case.key(cache_key="yours")
    assert case.key(cache_key="mine") != case.key(cache_key="mine", name="comp-u")


def test_the_environment_is_identified_once_a_component(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        document = docs.loop(5, **CACHED)
        async with lab.serving() as pipelines:
            options = SubmitOptions(images=[ImageRule("python:*", ["pandas"], python="3.12")])
            run_id = await pipelines.submit(document, arguments={}, options=options)
            await lab.finish(pipelines, run_id)
        request = {
            "python": "3.12",
            "requirements": ["pandas"],
            "index_urls": [],
            "trusted_hosts": [],
            "mapped": True,
        }
        assert lab.identified
        assert all(found == ("python:3.11", request) for found in lab.identified)

    go(main)
