"""What the engine decides, through the driver, the database and the store: roots, retries of DAGs, keys, literals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wherry.errors import WherryError
from wherry.pipelines.flights import SubmitOptions
from wherry.testing.scripted_node import Commit, Fail, Result, ScriptedTask


async def notices(lab: Any, run_id: str) -> list[str]:
    async with lab.pipelines() as pipelines:
        events = [event async for event in pipelines.events(run_id, follow=False)]
    return [event["message"] for event in events if event["event"] == "notice"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_local_root_of_the_document_is_where_its_artifacts_lie(
    lab: Any, go: Any, docs: Any, tmp_path: Path, scheme: str
) -> None:
    async def main() -> None:
        root = tmp_path / "elsewhere"
        document = docs.document({"make": docs.task("comp-make")}, {"comp-make": docs.component(artifacts=("data",))})
        document["defaultPipelineRoot"] = f"{scheme}{root}"
        view = await lab.run(document)
        (artifact,) = view["tasks"]["make"]["outputs"]["artifacts"]["data"]
        assert artifact["uri"] == f"{root}/flow/{view['id']}/make/1-0/data"
        assert Path(artifact["uri"]).read_text() == "content of data"
        assert await notices(lab, view["id"]) == []

        other = tmp_path / "other"
        view = await lab.run(document, pipeline_root=str(other))
        assert view["root"].startswith(str(other)), "what the run is given wins over the document"

    go(main)


def test_a_root_that_this_machine_does_not_have_is_told_and_replaced(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        view = await lab.run({**docs.chain(1), "defaultPipelineRoot": "gs://bucket/folder"})
        assert view["state"] == "SUCCEEDED"
        assert view["root"].startswith(lab.store.root)
        assert await notices(lab, view["id"]) == [
            f"The pipeline's own root gs://bucket/folder is not used: artifacts are kept in {lab.store.root}."
        ]

    go(main)


def inner_dag(docs: Any, **policy: Any) -> dict[str, Any]:
    """`inner` is a DAG of `first`, `second` and, whatever becomes of them, `last`."""
    tasks = {
        "first": docs.task("comp-work"),
        "second": docs.task("comp-work", {"x": docs.output("first")}),
        "last": docs.task("comp-work", after=("second",), triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}),
    }
    work = docs.component({"x": "NUMBER_INTEGER"}, {"Output": "NUMBER_INTEGER"})
    work["inputDefinitions"]["parameters"]["x"]["isOptional"] = True
    inner = docs.task("comp-inner", retryPolicy=policy)
    return docs.document({"inner": inner}, {"comp-inner": {"dag": {"tasks": tasks}}, "comp-work": work})


def test_a_dag_is_retried_across_a_restart_of_the_server(lab: Any, go: Any, docs: Any, crashed: Any) -> None:
    def script(task: ScriptedTask) -> Result:
        return (
            Fail(f"in {task.attempt}") if task.path == "inner/second" and task.attempt < "3" else Commit({"Output": 1})
        )

    async def main() -> None:
        lab.node.script = script
        document = inner_dag(docs, maxRetryCount=2, backoffDuration="0.001s")
        async with lab.node:
            async with lab.pipelines() as pipelines:
                run_id = await pipelines.submit(document, arguments={})
                async for event in pipelines.events(run_id):
                    if event.get("path") == "inner" and event.get("attempt") == 2:
                        break  # the server leaves in the middle of the second attempt
            async with lab.pipelines() as pipelines:
                view = await lab.finish(pipelines, run_id)
        assert view["state"] == "SUCCEEDED"
        started = [path for path, _ in lab.node.started]
        assert (started.count("inner/first"), started.count("inner/second")) == (1, 3)
        attempts = [(each["attempt"], each["phase"]) for each in view["attempts"] if each["path"] == "inner"]
        assert attempts == [(1, "FAILED"), (2, "FAILED"), (3, "SUCCEEDED")]
        last = [each["phase"] for each in view["attempts"] if each["path"] == "inner/last"]
        assert last == ["SUCCEEDED"] * 3, "a success that follows what ran again is made anew"

    go(main)


def test_a_dag_whose_retries_are_used_up_fails_the_run_with_the_first_cause(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Fail("no") if task.path == "inner/second" else Commit({"Output": 1})
        async with lab.serving() as pipelines:
            run_id = await pipelines.submit(inner_dag(docs, maxRetryCount=1), arguments={})
            view = await lab.finish(pipelines, run_id)
            assert (view["state"], view["error"]["task"]) == ("FAILED", "inner/second")
            lab.node.script = lambda task: Commit({"Output": 1})
            await pipelines.retry(run_id)
            view = await lab.finish(pipelines, run_id)
        assert view["state"] == "SUCCEEDED"
        assert [path for path, _ in lab.node.started].count("inner/first") == 1

    go(main)


def test_caching_is_the_tasks_own_choice_and_its_key_may_be_given(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        def document(value: int, **options: Any) -> dict[str, Any]:
            work = docs.component({"x": "NUMBER_INTEGER"}, {"Output": "NUMBER_INTEGER"})
            task = docs.task("comp-work", {"x": docs.constant(value)}, cachingOptions=options)
            return docs.document({"work": task}, {"comp-work": work})

        async def phase(value: int, **options: Any) -> str:
            return (await lab.run(document(value, **options)))["tasks"]["work"]["phase"]

        assert await phase(1) == "SUCCEEDED"
        assert await phase(1) == "SUCCEEDED", "cachingOptions {} is off"
        assert await phase(1, enableCache=True) == "SUCCEEDED", "and what ran with it off is no result for others"
        assert await phase(1, enableCache=True) == "CACHED"
        assert await phase(1, enableCache=False) == "SUCCEEDED"
        assert await phase(1, enableCache=True, cacheKey="mine") == "SUCCEEDED"
        assert await phase(2, enableCache=True, cacheKey="mine") == "CACHED", "the key replaces the inputs"
        assert await phase(2, cacheKey="mine") == "SUCCEEDED", "a key alone turns nothing on"

    go(main)


def test_literals_are_held_at_submission_and_at_every_task(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        chosen = {"parameterType": "STRING", "literals": ["red", "blue"]}
        component = {**docs.component(), "inputDefinitions": {"parameters": {"colour": chosen}}}
        say = docs.component(outputs={"Output": "STRING"})
        tasks = {"paint": docs.task("comp-paint", {"colour": {"componentInputParameter": "colour"}})}
        inputs = {"inputDefinitions": {"parameters": {"colour": chosen}}}
        document = docs.document(tasks, {"comp-paint": component}, **inputs)
        async with lab.pipelines() as pipelines:
            with pytest.raises(WherryError, match="'colour' is green, not one of: red, blue"):
                await pipelines.submit(document, arguments={"colour": "green"}, options=SubmitOptions())
        assert (await lab.run(document, {"colour": "red"}))["state"] == "SUCCEEDED"

        tasks = {"say": docs.task("comp-say"), "paint": docs.task("comp-paint", {"colour": docs.output("say")})}
        lab.node.script = lambda task: Commit({"Output": "green"})
        view = await lab.run(docs.document(tasks, {"comp-paint": component, "comp-say": say}))
        assert view["error"]["task"] == "paint"
        assert "'colour' is green, not one of: red, blue" in view["error"]["message"]

    go(main)
