"""Runs from submission to end, over the real database, store and embedded Kubernetes."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import weakref
from pathlib import Path
from typing import Any

import pytest

from wherry import dsl
from wherry.errors import WherryError
from wherry.kube.errors import NotFound
from wherry.kube.events import EventRecorder
from wherry.kube.resources import PODS
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.service import Pipelines
from wherry.pipelines.templates import code_ref
from wherry.storage.errors import StorageError
from wherry.testing.clock import until
from wherry.testing.scripted_node import Commit, Crash, Fail, Hang, Lose, Result, ScriptedTask


def test_one_component_one_pod_one_result(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        view = await lab.run(docs.chain(1))
        assert view["state"] == "SUCCEEDED"
        assert view["outputs"] == {"parameters": {"Output": 2}, "artifacts": {}}
        assert view["counts"] == {"SUCCEEDED": 1}
        task = view["tasks"]["t0"]
        assert task["phase"] == "SUCCEEDED"
        assert task["inputs"] == {"parameters": {"a": 1, "b": 1}, "artifacts": {}}
        assert task["outputs"]["parameters"] == {"Output": 2}
        assert task["started_at"] <= task["finished_at"]
        assert lab.node.started == [("t0", "1-0")]
        assert (await lab.kube.list(PODS)).items == []

    go(main)


def test_values_flow_down_a_chain(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        view = await lab.run(docs.chain(5))
        assert view["outputs"]["parameters"] == {"Output": 6}
        assert [path for path, _ in lab.node.started] == ["t0", "t1", "t2", "t3", "t4"]
        assert view["tasks"]["t4"]["inputs"]["parameters"] == {"a": 5, "b": 1}

    go(main)


def test_a_loop_wider_than_the_window(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.window = 7
        view = await lab.run(docs.loop(100))
        assert view["state"] == "SUCCEEDED"
        assert view["counts"] == {"SUCCEEDED": 100}
        assert sorted(path for path, _ in lab.node.started) == sorted(f"for-loop-1[{i}]/work" for i in range(100))
        assert view["tasks"]["for-loop-1[41]/work"]["inputs"]["parameters"] == {"x": 41}
        assert view["tasks"]["for-loop-1[41]/work"]["outputs"]["parameters"] == {"Output": 41}

    go(main)


@pytest.mark.parametrize("shape", ["loop", "wide"])
def test_what_waits_for_its_turn_does_not_start_after_a_failure(lab: Any, go: Any, docs: Any, shape: str) -> None:
    def script(task: ScriptedTask) -> Result:
        return Fail() if len(lab.node.started) == 3 else Commit({"Output": 1})

    def document() -> dict[str, Any]:
        if shape == "loop":
            return docs.loop(50)
        tasks = {f"t{i}": docs.task("comp-work", {"x": docs.constant(i)}) for i in range(50)}
        work = docs.component({"x": "NUMBER_INTEGER"}, {"Output": "NUMBER_INTEGER"})
        return docs.document(tasks, {"comp-work": work})

    async def main() -> None:
        lab.node.script = script
        view = await lab.run(document(), parallelism=1)
        assert view["state"] == "FAILED"
        assert len(lab.node.started) == 3
        leaves = [task["phase"] for task in view["tasks"].values() if task["kind"] == "task"]
        assert leaves.count("SUCCEEDED") == 2
        assert leaves.count("FAILED") == 1
        assert set(leaves) <= {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}

        lab.node.script = lambda task: Commit({"Output": 1})
        async with lab.serving() as pipelines:
            await pipelines.retry(view["id"])
            view = await lab.finish(pipelines, view["id"])
        assert view["state"] == "SUCCEEDED"
        assert len(lab.node.started) == 3 + 48

        lab.node.started.clear()
        lab.node.script = script
        view = await lab.run(document(), parallelism=1, keep_going=True)
        assert (view["state"], len(lab.node.started)) == ("FAILED", 50)

    go(main)


def test_no_more_pods_than_the_window_and_the_runs_parallelism_allow(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.window = 4
        lab.node.script = lambda task: Hang()
        async with lab.serving() as pipelines:
            first = await pipelines.submit(docs.loop(9), arguments={}, options=SubmitOptions(parallelism=1))
            second = await pipelines.submit(docs.loop(9), arguments={}, options=SubmitOptions())
            await until(lambda: len(lab.node.started) == 4)
            await asyncio.sleep(0.01)
            by_run = [item["metadata"]["labels"]["wherry.dev/run"] for item in (await lab.kube.list(PODS)).items]
            assert sorted(by_run) == sorted([first, second, second, second])
            await pipelines.cancel(first)
            await pipelines.cancel(second)
            assert (await lab.finish(pipelines, first))["state"] == "CANCELED"

    go(main)


def test_artifacts_lie_under_the_attempts_own_folder_and_are_listed(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        components = {"comp-make": docs.component(artifacts=("data",))}
        view = await lab.run(docs.document({"make": docs.task("comp-make")}, components))
        (artifact,) = view["tasks"]["make"]["outputs"]["artifacts"]["data"]
        assert artifact["uri"] == f"{lab.store.root}/flow/{view['id']}/make/1-0/data"
        assert Path(artifact["uri"]).read_text() == "content of data"
        assert await lab.rows("SELECT path, output, type, uri FROM artifact") == [
            ("make", "data", "system.Dataset", artifact["uri"])
        ]

    go(main)


def test_a_failed_task_is_retried_by_its_policy_and_keeps_every_attempt(lab: Any, go: Any, docs: Any) -> None:
    def script(task: ScriptedTask) -> Result:
        return Fail(f"attempt {task.attempt}") if task.attempt != "3-0" else Commit({"Output": 1})

    async def main() -> None:
        lab.node.script = script
        view = await lab.run(docs.chain(1, retryPolicy={"maxRetryCount": 3}))
        assert view["state"] == "SUCCEEDED"
        phases = [(task["attempt"], task["phase"]) for task in view["attempts"] if task["path"] == "t0"]
        assert phases == [(1, "FAILED"), (2, "FAILED"), (3, "SUCCEEDED")]
        assert lab.node.started == [("t0", "1-0"), ("t0", "2-0"), ("t0", "3-0")]

    go(main)


class _Timers:
    """Timers that go off at once, and remember what they were set to."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    def call_later(self, delay: float, callback: Any, *args: Any) -> Any:
        self.delays.append(delay)
        return asyncio.get_running_loop().call_soon(callback, *args)


def test_backoff_waits_between_attempts(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.timers = _Timers()
        lab.node.script = lambda task: Fail()
        policy = {"maxRetryCount": 3, "backoffDuration": "10s", "backoffFactor": 2.0, "backoffMaxDuration": "30s"}
        view = await lab.run(docs.chain(1, retryPolicy=policy))
        assert view["state"] == "FAILED"
        assert [delay for delay in lab.timers.delays if delay >= 1] == [10.0, 20.0, 30.0]
        assert [row[0] is not None for row in await lab.rows("SELECT due_at FROM task WHERE path = 't0'")] == [
            False,
            True,
            True,
            True,
        ]

    go(main)


def test_a_failure_ends_the_run_with_the_users_error(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Fail("division by zero") if task.path == "t1" else Commit({"Output": 1})
        view = await lab.run(docs.chain(3))
        assert view["state"] == "FAILED"
        assert view["error"]["task"] == "t1"
        assert view["error"]["message"] == "division by zero"
        assert {path: task["phase"] for path, task in view["tasks"].items()} == {
            "root": "FAILED",
            "t0": "SUCCEEDED",
            "t1": "FAILED",
        } | {path: task["phase"] for path, task in view["tasks"].items() if path == "t2"}
        assert view["tasks"].get("t2", {"phase": "SKIPPED"})["phase"] == "SKIPPED"

    go(main)


@pytest.mark.parametrize(("exit_code", "reason", "kind"), [(137, "OOMKilled", "OOMKilled"), (3, "Error", "ExitCode")])
def test_a_process_that_dies_without_a_record_fails(
    lab: Any, go: Any, docs: Any, exit_code: int, reason: str, kind: str
) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Crash(exit_code, reason)
        view = await lab.run(docs.chain(1))
        assert view["tasks"]["t0"]["error"]["type"] == kind

    go(main)


@pytest.mark.parametrize("reason", ["Evicted", "Lost", ""])
def test_a_lost_pod_starts_again_three_times_at_most(lab: Any, go: Any, docs: Any, reason: str) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Lose(reason)
        view = await lab.run(docs.chain(1, retryPolicy={"maxRetryCount": 5}))
        assert view["state"] == "FAILED"
        assert lab.node.started == [("t0", f"1-{incarnation}") for incarnation in range(4)]
        notices = [event async for event in _events(lab, view["id"]) if event["event"] == "notice"]
        assert len(notices) == 3
        assert "starts again" in notices[0]["message"]

    go(main)


async def _events(lab: Any, run_id: str) -> Any:
    async with lab.pipelines() as pipelines:
        async for event in pipelines.events(run_id, follow=False):
            yield event


def test_a_lost_pod_that_had_committed_is_done(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Lose("", commit=Commit({"Output": 7}))
        view = await lab.run(docs.chain(1))
        assert view["outputs"]["parameters"] == {"Output": 7}
        assert lab.node.started == [("t0", "1-0")]

    go(main)


def test_a_pod_deleted_by_hand_starts_again(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Hang() if task.attempt == "1-0" else Commit({"Output": 1})
        async with lab.serving() as pipelines:
            run_id = await pipelines.submit(docs.chain(1), arguments={})
            await until(lambda: lab.node.started)
            (pod,) = (await lab.kube.list(PODS)).items
            await lab.kube.delete(PODS, pod["metadata"]["name"], "default")
            assert (await lab.finish(pipelines, run_id))["state"] == "SUCCEEDED"
            assert lab.node.started == [("t0", "1-0"), ("t0", "1-1")]

    go(main)


def test_a_record_too_long_for_the_message_is_read_from_the_store(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        text = "x" * 100_000
        components = {"comp-say": docs.component(outputs={"Output": "STRING"})}
        lab.node.script = lambda task: Commit({"Output": text})
        view = await lab.run(docs.document({"say": docs.task("comp-say")}, components))
        assert view["tasks"]["say"]["outputs"]["parameters"]["Output"] == text

    go(main)


def test_executor_input_beyond_64_kib_travels_through_the_store(lab: Any, go: Any, docs: Any) -> None:
    seen: list[Any] = []

    def script(task: ScriptedTask) -> Result:
        seen.append((task.descriptor["executor_input_ref"] is not None, len(task.parameters["text"])))
        return Commit()

    async def main() -> None:
        lab.node.script = script
        components = {"comp-read": docs.component({"text": "STRING"})}
        tasks = {"read": docs.task("comp-read", {"text": {"componentInputParameter": "text"}})}
        inputs = {"inputDefinitions": {"parameters": {"text": {"parameterType": "STRING"}}}}
        view = await lab.run(docs.document(tasks, components, **inputs), {"text": "x" * 70_000})
        assert view["state"] == "SUCCEEDED"
        assert seen == [(True, 70_000)]

    go(main)


def test_cancel_stops_what_runs_and_starts_nothing_more(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.window = 2
        lab.node.script = lambda task: Hang()
        async with lab.serving() as pipelines:
            run_id = await pipelines.submit(docs.loop(5), arguments={})
            await until(lambda: len(lab.node.started) == 2)
            await pipelines.cancel(run_id)
            await pipelines.cancel(run_id, kill=True)
            view = await lab.finish(pipelines, run_id)
            await pipelines.cancel(run_id)
            assert view["state"] == "CANCELED"
            assert len(lab.node.started) == 2
            assert {task["phase"] for task in view["tasks"].values()} == {"CANCELED"}
            assert (await lab.kube.list(PODS)).items == []

    go(main)


def test_retry_goes_on_from_what_succeeded_and_keeps_the_id(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Fail() if task.path == "t1" else Commit({"Output": 5})
        async with lab.serving() as pipelines:
            run_id = await pipelines.submit(docs.chain(3), arguments={})
            assert (await lab.finish(pipelines, run_id))["state"] == "FAILED"
            lab.node.script = lambda task: Commit({"Output": 6})
            await pipelines.retry(run_id)
            view = await lab.finish(pipelines, run_id)
            assert view["state"] == "SUCCEEDED"
            assert view["generation"] == 1
            assert [path for path, _ in lab.node.started] == ["t0", "t1", "t1", "t2"]
            assert view["tasks"]["t0"]["outputs"]["parameters"] == {"Output": 5}
            with pytest.raises(WherryError, match="SUCCEEDED"):
                await pipelines.retry(run_id)
            events = [event async for event in pipelines.events(run_id)]
            assert [event["event"] for event in events if event["event"].startswith("run-")] == [
                "run-started",
                "run-started",
                "run-finished",
            ]

    go(main)


def test_events_tell_the_story_in_order(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        view = await lab.run(docs.chain(1))
        async with lab.pipelines() as pipelines:
            events = [event async for event in pipelines.events(view["id"])]
            ids = [event["id"] for event in events]
            assert ids == sorted(ids)
            told = [(event["event"], event.get("path"), event.get("phase") or event.get("state")) for event in events]
            assert told[0] == ("run", None, "PENDING")
            assert told[1][0] == "run-started"
            assert ("task", "t0", "PENDING") in told
            assert ("task", "t0", "SUCCEEDED") in told
            finished = events[-1]
            assert (finished["event"], finished["state"]) == ("run-finished", "SUCCEEDED")
            assert finished["outputs"] == {"Output": 2}
            assert finished["seconds"] >= 0
            later = [event async for event in pipelines.events(view["id"], after=ids[-2])]
            assert later == [finished]
            json.dumps(events)

    go(main)


def test_logs_come_from_the_pod_and_later_from_the_store(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        view = await lab.run(docs.chain(2))
        async with lab.pipelines() as pipelines:

            async def log(path: str, **more: Any) -> bytes:
                return b"".join([chunk async for chunk in pipelines.logs(view["id"], path, **more)])

            assert await log("t1") == b"log of t1 1-0\n"
            assert await log("t1", attempt=1, follow=True, tail=5) == b"log of t1 1-0\n"
            assert await log("t1", attempt=2) == b""
            with pytest.raises(WherryError, match="no task 'nonsense'"):
                await log("nonsense")

    go(main)


def test_runs_are_found_by_prefix_listed_and_deleted_with_all_they_left(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        first = await lab.run(docs.chain(1))
        second = await lab.run(docs.chain(2))
        async with lab.serving() as pipelines:
            assert (await pipelines.get(first["id"][:8]))["id"] == first["id"]
            assert (await pipelines.get("latest"))["id"] == second["id"]
            assert [view["id"] for view in await pipelines.list()] == [second["id"], first["id"]]
            assert [view["id"] for view in await pipelines.list(before=second["id"], limit=1)] == [first["id"]]
            for unknown in ("no-such-run", "", "%"):
                with pytest.raises(WherryError, match="no run"):
                    await pipelines.get(unknown)
            await pipelines.delete(first["id"])
            assert not Path(first["root"]).exists()
            assert await pipelines.prune(keep=1) == []
            assert await pipelines.prune(older_than_s=3600) == []
            assert await pipelines.prune(dry_run=True) == [second["id"]]
            assert await pipelines.prune() == [second["id"]]
            for table in ("run", "task", "history", "artifact", "cache", "document"):
                assert await lab.rows(f"SELECT count(*) FROM {table}") == [(0,)], table

    go(main)


def test_sources_go_with_the_last_run_that_has_them(lab: Any, go: Any, docs: Any) -> None:
    @dsl.component
    def quiet() -> None:
        print("nothing")

    document = quiet.pipeline_spec

    async def main() -> None:
        first = await lab.run(document)
        second = await lab.run(document)
        folder = Path(lab.store.root, ".source")
        (source,) = folder.iterdir()
        async with lab.serving() as pipelines:
            await pipelines.delete(first["id"])
            os.utime(source, (0, 0))
            assert await pipelines.collect() == (0, 0)
            assert await pipelines.collect(without=[second["id"]], dry_run=True) == (1, source.stat().st_size)
            await pipelines.delete(second["id"])
            await lab.store.touch(str(source))  # as a run that is being submitted would
            assert await pipelines.collect() == (0, 0)
            os.utime(source, (0, 0))
            assert (await pipelines.collect()).files == 1
            assert not source.exists()

    go(main)


def test_code_stays_while_a_run_names_it(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        digest = "ab" * 32
        archive = code_ref(lab.store.root, digest).uri
        await lab.store.ensure(archive, b"zip")
        run = await lab.run(docs.chain(1), code=digest)
        os.utime(archive, (0, 0))
        async with lab.serving() as pipelines:
            assert await pipelines.collect() == (0, 0)
            assert (await pipelines.collect(without=[run["id"]])).files == 1
        assert not Path(archive).exists()

    go(main)


def test_a_run_that_is_not_over_is_not_deleted(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Hang()
        async with lab.serving() as pipelines:
            run_id = await pipelines.submit(docs.chain(1), arguments={})
            with pytest.raises(WherryError, match=r"RUNNING|PENDING"):
                await pipelines.delete(run_id)
            assert await pipelines.prune() == []
            await pipelines.cancel(run_id, kill=True)
            await lab.finish(pipelines, run_id)
            await pipelines.delete(run_id)

    go(main)


def test_submitting_twice_under_one_id_makes_one_run(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        async with lab.serving() as pipelines:
            run_id = lab.ids.uuid()
            for _ in range(2):
                assert await pipelines.submit(docs.chain(1), arguments={}, run_id=run_id) == run_id
            await lab.finish(pipelines, run_id)
            assert len(await pipelines.list()) == 1

    go(main)


def test_an_importer_needs_no_pod(lab: Any, go: Any, docs: Any, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2\n")
    importer = {
        "artifactUri": {"constant": str(tmp_path / "data.csv")},
        "typeSchema": {"schemaTitle": "system.Dataset"},
    }
    components = {"comp-importer": docs.component(artifacts=("artifact",), executor="exec-importer")}

    async def main(uri: str) -> None:
        importer["artifactUri"] = {"constant": uri}
        executors = {"exec-importer": {"importer": importer}}
        view = await lab.run(docs.document({"importer": docs.task("comp-importer")}, components, executors=executors))
        task = view["tasks"]["importer"]
        if "absent" in uri or "relative" in uri:
            assert task["phase"] == "FAILED"
            assert uri in task["error"]["message"]
        else:
            (artifact,) = task["outputs"]["artifacts"]["artifact"]
            assert artifact["uri"] == uri
            assert ("digest" in artifact) == uri.startswith("/")
        assert lab.node.started == []

    async def each() -> None:
        for uri in (str(tmp_path / "data.csv"), str(tmp_path / "absent"), "gs://bucket/data", "relative/data"):
            await main(uri)

    go(each)


def test_an_unwritable_database_is_waited_for_and_nothing_is_lost(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        writes: list[int] = []

        def full_disk(number: int, name: str) -> None:
            if name == "write":
                writes.append(number)
                if 3 <= len(writes) < 6:
                    raise StorageError("the disk is full")

        lab.faults.before = full_disk
        async with lab.serving() as pipelines:
            run_id = await pipelines.submit(docs.chain(3), arguments={})
            assert (await lab.finish(pipelines, run_id))["state"] == "SUCCEEDED"
        assert len(writes) > 6

    go(main)


def test_a_pipelines_deadline_cancels_it(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.timers = _Timers()
        lab.node.script = lambda task: Hang()
        kubernetes = {"pipelineConfig": {"activeDeadlineSeconds": 60}}
        both = {"pipeline_spec": docs.chain(2), "platform_spec": {"platforms": {"kubernetes": kubernetes}}}
        view = await lab.run(both)
        assert 60.0 in lab.timers.delays
        assert view["state"] == "CANCELED"
        notices = [event async for event in _events(lab, view["id"]) if event["event"] == "notice"]
        assert [notice["reason"] for notice in notices] == ["DeadlineExceeded"]

    go(main)


def test_warnings_about_pods_and_advice_about_images_are_told_once(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.advice = "This image means something else here."
        lab.node.script = lambda task: Hang()
        async with lab.serving() as pipelines:
            run_id = await pipelines.submit(docs.loop(2), arguments={})
            await until(lambda: len(lab.node.started) == 2)
            recorder = EventRecorder(lab.kube, "test", clock=lab.clock)
            for pod in (await lab.kube.list(PODS)).items:
                await recorder.record(pod, "Warning", "NoRoom", "there is no room")
                await recorder.record(pod, "Normal", "Fine", "all is well")

            async def told() -> list[str]:
                events = pipelines.events(run_id, follow=False)
                return sorted([event["message"] async for event in events if event["event"] == "notice"])

            async def both_told() -> bool:
                return await told() == ["This image means something else here.", "there is no room"]

            await until(both_told)
            await pipelines.cancel(run_id, kill=True)
            await lab.finish(pipelines, run_id)

    go(main)


def test_nothing_of_a_run_that_is_over_is_held(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        async with lab.serving() as pipelines:
            run_id = await pipelines.submit(docs.loop(3), arguments={})
            ended = weakref.ref(pipelines._hosting.driver.lives[run_id].ended)  # as long-lived as the live run
            await lab.finish(pipelines, run_id)
            gc.collect()
            assert ended() is None
            assert not pipelines.busy
            assert pipelines.active == 0

    go(main)


def test_pods_of_others_are_left_alone(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        await lab.kube.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": "stranger",
                    "namespace": "default",
                    "labels": {
                        "app.kubernetes.io/managed-by": "wherry",
                        "wherry.dev/run": "7b0c0f3e-0000-4000-8000-000000000000",
                        "wherry.dev/attempt": "1-0",
                    },
                    "annotations": {"wherry.dev/task-path": "t0"},
                },
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]},
            }
        )
        async with lab.pipelines() as pipelines:
            assert isinstance(pipelines, Pipelines)
        await lab.kube.get(PODS, "stranger", "default")
        with pytest.raises(NotFound):
            await lab.kube.get(PODS, "nobody", "default")

    go(main)
