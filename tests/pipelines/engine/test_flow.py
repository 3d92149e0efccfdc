"""Control flow as KFP means it: order, nesting, conditions, OneOf, exit handlers, failures, cancellation."""

from __future__ import annotations

from typing import Any

import pytest
from tests.pipelines.engine.build import Artifact, Out, Outer, Pipeline, Status, task
from tests.pipelines.engine.drive import Broke, Harness, snapshot

from wherry import ir
from wherry.pipelines import engine
from wherry.pipelines.engine import Reason, RunOptions


def leaves(*names: str) -> Pipeline:
    pipeline = Pipeline()
    for name in names:
        pipeline.leaf(name, {"x": "STRING?"})
    return pipeline


def test_a_chain_runs_in_order_and_hands_values_on() -> None:
    document = leaves("a", "b", "c").document(
        {"c": task("c", x=Out("b")), "b": task("b", x=Out("a")), "a": task("a", x="start")},
        outputs={"result": ("STRING", Out("c"))},
    )
    harness = Harness(document, lambda task: task.parameters["x"] + task.name).to_end()
    assert harness.launched == ["a", "b", "c"]
    assert harness.run.outputs == {"parameters": {"result": "startabc"}, "artifacts": {}}


def test_a_task_waits_for_all_that_it_depends_on() -> None:
    document = leaves("a", "b", "c").document({"a": task("a"), "b": task("b"), "c": task("c", after=["a", "b"])})
    harness = Harness(document)
    harness.tell(engine.Begin())
    assert [start.path for start in harness.starts] == ["a", "b"]
    harness.step()
    assert [start.path for start in harness.starts] == ["b"]
    harness.step()
    assert [start.path for start in harness.starts] == ["c"]


def test_nested_pipelines_get_inputs_and_give_outputs() -> None:
    pipeline = leaves("a", "b")
    pipeline.dag(
        "inner", {"b": task("b", x=Outer("given"))}, {"given": "STRING"}, outputs={"out": ("STRING", Out("b"))}
    )
    pipeline.dag(
        "outer",
        {"inner": task("inner", given=Outer("given"))},
        {"given": "STRING"},
        outputs={"out": ("STRING", Out("inner", "out"))},
    )
    document = pipeline.document(
        {"outer": task("outer", given="x"), "a": task("a", x=Out("outer", "out"))}, outputs={"o": ("STRING", Out("a"))}
    )
    harness = Harness(document, lambda task: f"{task.parameters['x']}-{task.path}").to_end()
    assert harness.launched == ["outer/inner/b", "a"]
    assert harness.run.outputs["parameters"] == {"o": "x-outer/inner/b-a"}
    kinds = {row.path: row.kind for row in harness.rows.values()}
    assert kinds == {"root": "dag", "outer": "dag", "outer/inner": "dag", "outer/inner/b": "task", "a": "task"}


def test_a_pipeline_without_tasks_succeeds() -> None:
    pipeline = leaves("a")
    pipeline.dag("empty", {})
    assert Harness(pipeline.document({})).to_end().state == "SUCCEEDED"
    harness = Harness(pipeline.document({"empty": task("empty"), "a": task("a", after=["empty"])})).to_end()
    assert harness.phases == {"empty": "SUCCEEDED", "a": "SUCCEEDED"}


def test_a_task_may_be_called_root() -> None:
    pipeline = leaves("a")
    pipeline.dag("d", {"a": task("a")})
    harness = Harness(pipeline.document({"root": task("d"), "a": task("a", after=["root"])})).to_end()
    assert harness.launched == ["root/root/a", "a"]


def test_a_condition_that_is_false_skips_the_task_and_what_needs_it() -> None:
    document = leaves("flip", "heads", "more", "other").document(
        {
            "flip": task("flip"),
            "heads": task("heads", x=Out("flip"), when="inputs.parameter_values['x'] == 'heads'"),
            "more": task("more", after=["heads"]),
            "other": task("other", after=["flip"]),
        }
    )
    harness = Harness(document, {"flip": "tails"}).to_end()
    assert harness.state == "SUCCEEDED"
    assert harness.phases == {"flip": "SUCCEEDED", "heads": "SKIPPED", "more": "SKIPPED", "other": "SUCCEEDED"}
    reasons = {path: node.reason for path, node in harness.run.nodes.items()}
    assert reasons["heads"] == Reason.CONDITION
    assert reasons["more"] == Reason.UPSTREAM_SKIPPED


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (
            "int(inputs.parameter_values['x']) > 3",
            """has no value: int('many'): not an integer, where x is "many" (string)""",
        ),
        (
            "inputs.parameter_values['x'] > inputs.parameter_values['n']",
            """has no value: no such overload: string > int, where x is "many" (string) and n is 7 (int)""",
        ),
        (
            "inputs.parameter_values['away'] == ''",
            "has no value: no such key: away, where away has no value",
        ),
        ("inputs.parameter_values.n", "is 7, not true or false, where n is 7 (int)"),
        ("1 + 1", "is 2, not true or false"),
    ],
)
def test_a_condition_that_has_no_value_fails_the_task_and_says_why(condition: str, why: str) -> None:
    pipeline = leaves("a").leaf("b", {"x": "STRING", "n": "NUMBER_INTEGER"})
    document = pipeline.document({"a": task("a"), "b": task("b", x=Out("a"), n=7, when=condition)})
    harness = Harness(document, {"a": "many"}).to_end()
    assert harness.state == "FAILED"
    assert harness.run.error["task"] == "b"
    assert harness.run.error["message"] == f"task 'b': the condition {condition} {why}"


@pytest.mark.parametrize(
    ("kind", "value", "condition", "holds"),
    [
        ("STRING", "foo", "inputs.parameter_values['x'] == 'foo'", True),
        ("STRING", 7, "inputs.parameter_values['x'] == '7'", True),
        ("STRING", True, "inputs.parameter_values['x'] == 'true'", True),
        ("NUMBER_INTEGER", 7, "int(inputs.parameter_values['x']) > 5", True),
        ("NUMBER_INTEGER", 7, "double(int(inputs.parameter_values['x'])) > 6.5", True),
        ("NUMBER_INTEGER", 7, "'int(inputs.parameter_values['x'])' == '7'", True),
        ("NUMBER_INTEGER", 7, "inputs.parameter_values['x'] == '7'", False),
        ("NUMBER_DOUBLE", 7, "inputs.parameter_values['x'] == double(7)", True),
        ("BOOLEAN", False, "inputs.parameter_values['x'] == false", True),
        ("BOOLEAN", True, "!(inputs.parameter_values['x'] == true)", False),
        ("STRING?", None, "inputs.parameter_values['x'] == 'foo'", False),
        ("STRING?", None, "inputs.parameter_values['x'] != 'foo'", True),
    ],
)
def test_conditions_as_kfp_writes_them(kind: str, value: Any, condition: str, holds: bool) -> None:
    pipeline = leaves("a").dag("if", {"a": task("a")}, {"x": kind})
    document = pipeline.document({"if": task("if", x=Outer("x"), when=condition)}, {"x": kind})
    harness = Harness(document, arguments={"x": value}).to_end()
    assert harness.state == "SUCCEEDED"
    assert (harness.phases["if"] == "SUCCEEDED") == holds


def branches(kind: str) -> Pipeline:
    """If / Else around two producers, as the compiler writes them, with a OneOf of what they make."""
    pipeline = leaves("flip", "use").leaf("make", {}, makes={"model": "Model"}).leaf("read", {}, takes={"m": "Model"})
    is_heads = "inputs.parameter_values['flip'] == 'heads'"
    for name in ("condition-2", "condition-3"):
        pipeline.dag(
            name,
            {"make": task("make")},
            {"flip": "STRING"},
            outputs={"o": ("STRING", Out("make"))},
            makes={"m": ("Model", Artifact("make", "model"))},
        )
    tasks = {
        "condition-2": task("condition-2", flip=Outer("flip"), when=is_heads),
        "condition-3": task("condition-3", flip=Outer("flip"), when=f"!({is_heads})"),
    }
    return pipeline.dag(
        "condition-branches-1",
        tasks,
        {"flip": "STRING"},
        outputs={"o": ("STRING", [Out("condition-2", "o"), Out("condition-3", "o")])},
        makes={"m": ("Model", [Artifact("condition-2", "m"), Artifact("condition-3", "m")])},
    )


@pytest.mark.parametrize(("face", "branch"), [("heads", "condition-2"), ("tails", "condition-3")])
def test_one_of_is_the_branch_that_ran(face: str, branch: str) -> None:
    document = branches("x").document(
        {
            "flip": task("flip"),
            "b": task("condition-branches-1", flip=Out("flip")),
            "use": task("use", x=Out("b", "o")),
            "read": task("read", m=Artifact("b", "m")),
        },
        outputs={"o": ("STRING", Out("b", "o"))},
        makes={"m": ("Model", Artifact("b", "m"))},
    )
    harness = Harness(document, lambda task: face if task.name == "flip" else task.path).to_end()
    made = f"b/{branch}/make"
    assert harness.resolved["use"].parameters == {"x": made}
    assert harness.resolved["read"].artifacts["m"][0]["uri"] == f"/store/{made}/1/model"
    assert harness.run.outputs["parameters"] == {"o": made}
    assert [each["name"] for each in harness.run.outputs["artifacts"]["m"]] == ["model"]


def test_one_of_without_a_branch_that_ran_fails_whoever_needs_it() -> None:
    pipeline = leaves("a").leaf("use", {"x": "STRING"})
    pipeline.dag("c", {"a": task("a", when="false")}, outputs={"o": ("STRING", [Out("a")])})
    document = pipeline.document({"c": task("c"), "use": task("use", x=Out("c", "o"))})
    harness = Harness(document).to_end()
    assert harness.phases["c"] == "SUCCEEDED"
    assert "'x' has no value, but it is required ('c' did not produce 'o')" in harness.run.error["message"]


def test_after_a_failure_what_runs_ends_and_nothing_new_starts_in_that_dag() -> None:
    document = leaves("bad", "slow", "later", "child").document(
        {
            "bad": task("bad"),
            "slow": task("slow"),
            "child": task("child", after=["bad"]),
            "later": task("later", after=["slow"]),
        }
    )
    harness = Harness(document, {"bad": Broke("boom")}).to_end()
    assert harness.phases == {"bad": "FAILED", "slow": "SUCCEEDED", "child": "SKIPPED", "later": "SKIPPED"}
    reasons = {path: node.reason for path, node in harness.run.nodes.items()}
    assert reasons["child"] == Reason.UPSTREAM_FAILED
    assert reasons["later"] == Reason.DAG_FAILED
    assert harness.state == "FAILED"
    assert harness.run.error == {"task": "bad", "type": "Broke", "message": "boom"}


def test_keep_going_lets_independent_branches_go_on() -> None:
    document = leaves("bad", "slow", "later", "child").document(
        {
            "bad": task("bad"),
            "slow": task("slow"),
            "child": task("child", after=["bad"]),
            "later": task("later", after=["slow"]),
        }
    )
    harness = Harness(document, {"bad": Broke()}, options=RunOptions(keep_going=True)).to_end()
    assert harness.phases == {"bad": "FAILED", "slow": "SUCCEEDED", "child": "SKIPPED", "later": "SUCCEEDED"}
    assert harness.state == "FAILED"


def test_a_failure_inside_stops_outside_only_when_the_inner_dag_is_over() -> None:
    pipeline = leaves("bad", "slow", "next")
    pipeline.dag("inner", {"bad": task("bad"), "slow": task("slow")})
    document = pipeline.document({"inner": task("inner"), "first": task("next"), "next": task("next", after=["first"])})
    harness = Harness(document, {"inner/bad": Broke()}).to_end()
    assert harness.phases["inner/slow"] == "SUCCEEDED"
    assert harness.phases["inner"] == "FAILED"
    assert harness.run.error["task"] == "inner/bad"


def handler(status: object = Status("group")) -> Pipeline:
    pipeline = leaves("work").leaf("exit", {"status": {"parameterType": "TASK_FINAL_STATUS", "isOptional": True}})
    return pipeline.dag("group", {"work": task("work"), "more": task("work", after=["work"])})


@pytest.mark.parametrize(("outcome", "state"), [(None, "COMPLETE"), (Broke("boom"), "FAILED")])
def test_an_exit_handler_runs_in_any_case_and_is_told_how_it_went(outcome: Broke | None, state: str) -> None:
    tasks = {"group": task("group"), "exit": task("exit", after=["group"], always=True, status=Status("group"))}
    harness = Harness(handler().document(tasks), {"work": outcome}).to_end()
    status = harness.resolved["exit"].parameters["status"]
    assert status["state"] == state
    assert status["pipelineTaskName"] == "group"
    assert status["pipelineJobResourceName"].startswith("pipe-")
    assert status["error"].get("message") == (str(outcome) if outcome else None)
    assert harness.phases["exit"] == "SUCCEEDED"
    assert harness.state == ("FAILED" if outcome else "SUCCEEDED")


def test_exit_handlers_within_each_other_run_from_the_inside_out_and_each_is_told_of_its_own() -> None:
    pipeline = leaves("a").leaf("exit", {"s": "TASK_FINAL_STATUS"}).dag("inner", {"a": task("a")})
    pipeline.dag("outer", {"inner": task("inner"), "exit": task("exit", s=Status("inner"), always=True)})
    tasks = {
        "outer": task("outer"),
        "exit": task("exit", s=Status("outer"), always=True),
        "skipped": task("a", when="false"),
        "exit-2": task("exit", s=Status("skipped"), always=True),
    }
    harness = Harness(pipeline.document(tasks), {"outer/inner/a": Broke("no")}).to_end()
    assert harness.state == "FAILED"
    assert [path for path in harness.launched if path != "exit-2"] == ["outer/inner/a", "outer/exit", "exit"]
    told = {path: resolved.parameters["s"] for path, resolved in harness.resolved.items() if "exit" in path}
    assert {path: (status["state"], status["error"]) for path, status in told.items()} == {
        "outer/exit": ("FAILED", {"code": 2, "message": "no"}),
        "exit": ("FAILED", {"code": 2, "message": "no"}),
        "exit-2": ("CANCELED", {}),
    }


def test_a_canceled_run_starts_no_exit_handler() -> None:
    tasks = {"group": task("group"), "exit": task("exit", after=["group"], always=True, status=Status("group"))}
    harness = Harness(handler().document(tasks))
    harness.tell(engine.Begin())
    delta = harness.tell(engine.Cancel())
    assert delta.stops == ["group/work"]
    assert harness.state == "CANCELING"
    assert harness.tell(engine.Cancel()).stops == ["group/work"], "asked again, it says again what to stop"
    harness.starts.clear()
    harness.tell(engine.Canceled("group/work", 1))
    assert harness.state == "CANCELED"
    assert harness.phases == {"group/work": "CANCELED", "group": "CANCELED"}
    assert not harness.starts


def test_ignore_upstream_failure_runs_with_the_default_where_a_value_is_missing() -> None:
    pipeline = leaves("fail").leaf("print", {"x": {"parameterType": "STRING", "defaultValue": "d", "isOptional": True}})
    document = pipeline.document({"fail": task("fail"), "print": task("print", x=Out("fail"), always=True)})
    harness = Harness(document, {"fail": Broke()}).to_end()
    assert harness.phases == {"fail": "FAILED", "print": "SUCCEEDED"}
    assert harness.resolved["print"].parameters == {}, "the in-task runtime adds a component's default"
    assert harness.state == "FAILED"


def test_a_task_canceled_on_its_own_ends_the_run_as_canceled() -> None:
    document = leaves("a", "b").document({"a": task("a"), "b": task("b", after=["a"])})
    harness = Harness(document)
    harness.tell(engine.Begin())
    harness.tell(engine.Canceled("a", 1))
    assert harness.phases == {"a": "CANCELED", "b": "SKIPPED"}
    assert harness.state == "CANCELED"


def test_a_cached_result_counts_as_success_and_is_marked() -> None:
    document = leaves("a", "b").document({"a": task("a"), "b": task("b", x=Out("a"))})
    harness = Harness(document)
    harness.tell(engine.Begin())
    delta = harness.tell(engine.Succeeded("a", 1, {"parameters": {"Output": "old"}}, cached_from="run-7"))
    assert (delta.changes[0].phase_to, delta.changes[0].cached_from) == ("CACHED", "run-7")
    harness.starts = harness.starts[1:]
    harness.to_end()
    assert harness.resolved["b"].parameters == {"x": "old"}


def test_the_retry_policy_gives_attempts_with_growing_waits() -> None:
    policy = {"maxRetryCount": 3, "backoffDuration": "2s", "backoffFactor": 3.0, "backoffMaxDuration": "10s"}
    harness = Harness(leaves("a").document({"a": task("a", retry=policy)}), {"a": Broke("no")})
    harness.tell(engine.Begin())
    waits = []
    for attempt in (1, 2, 3):
        delta = harness.tell(engine.Failed("a", attempt, {"message": "no"}))
        waits += [(start.attempt, start.delay_s) for start in delta.starts]
        assert [(c.phase_from, c.phase_to) for c in delta.changes] == [("PENDING", "FAILED"), (None, "PENDING")]
    assert waits == [(2, 2.0), (3, 6.0), (4, 10.0)]
    harness.tell(engine.Failed("a", 4, {"message": "last"}))
    assert harness.state == "FAILED"
    assert harness.run.error["message"] == "last"


def test_what_is_not_retriable_is_not_retried() -> None:
    harness = Harness(leaves("a").document({"a": task("a", retry={"maxRetryCount": 3})}))
    harness.tell(engine.Begin())
    harness.tell(engine.Failed("a", 1, {"message": "no such image"}, retriable=False))
    assert harness.state == "FAILED"


def test_retry_goes_on_from_what_failed() -> None:
    pipeline = leaves("a", "b", "c", "exit")
    pipeline.dag("group", {"a": task("a"), "b": task("b", x=Out("a")), "c": task("c", after=["b"])})
    document = pipeline.document(
        {"group": task("group"), "exit": task("exit", after=["group"], always=True), "last": task("c", after=["group"])}
    )
    broken = {"group/b": Broke()}
    harness = Harness(document, broken).to_end()
    assert harness.launched == ["group/a", "group/b", "exit"]
    harness.launched.clear()
    broken.clear()
    delta = harness.tell(engine.Retry())
    assert (delta.run_state, delta.generation) == ("RUNNING", 1)
    harness.to_end()
    assert harness.state == "SUCCEEDED"
    assert harness.launched == ["group/b", "group/c", "exit", "last"], "the exit handler is told the new outcome"
    assert {(row.path, row.attempt) for row in harness.rows.values() if row.kind == "task" and row.generation == 1} == {
        ("group/b", 2), ("group/c", 2), ("exit", 2), ("last", 2),
    }  # fmt: skip


def test_retry_keeps_what_a_condition_skipped() -> None:
    document = leaves("a", "no", "bad").document(
        {"a": task("a"), "no": task("no", after=["a"], when="false"), "bad": task("bad", after=["a"])}
    )
    broken = {"bad": Broke()}
    harness = Harness(document, broken).to_end()
    broken.clear()
    harness.tell(engine.Retry())
    harness.to_end()
    assert harness.state == "SUCCEEDED"
    assert [row.attempt for row in harness.rows.values() if row.path == "no"] == [1]


def dag_that_fails(tasks: dict[str, Any], **retry: Any) -> ir.Document:
    """The root has one task `inner`, a DAG of `tasks` over the leaves a, b, c, and then `after`."""
    pipeline = leaves("a", "b", "c", "after")
    pipeline.dag("inner", tasks, {"x": "STRING?", "item": "STRING?"}, outputs={"Output": ("STRING", Out("b"))})
    over = retry.pop("over", None)
    inner = task("inner", x="given", over=over, retry=retry)
    return pipeline.document({"inner": inner, "after": task("after", after=["inner"])})


def test_a_dag_begins_again_by_its_policy_and_keeps_what_succeeded() -> None:
    document = dag_that_fails(
        {"a": task("a"), "b": task("b", x=Out("a")), "c": task("c", after=["b"], always=True)},
        maxRetryCount=2, backoffDuration="10s", backoffFactor=2.0, backoffMaxDuration="15s",
    )  # fmt: skip
    failing = [Broke("first"), Broke("second"), {"Output": "third"}]
    harness = Harness(document, {"b": lambda task: failing.pop(0)})
    harness.tell(engine.Begin())
    delays: list[tuple[str, int, float]] = []
    while harness.starts:
        delays.append((harness.starts[0].path, harness.starts[0].attempt, harness.starts[0].delay_s))
        harness.step()
        assert snapshot(harness.restored()) == snapshot(harness.run)
    assert delays == [
        ("inner/a", 1, 0.0),
        ("inner/b", 1, 0.0), ("inner/c", 1, 0.0),
        ("inner/b", 2, 10.0), ("inner/c", 2, 0.0),
        ("inner/b", 3, 15.0), ("inner/c", 3, 0.0),
        ("after", 1, 0.0),
    ]  # fmt: skip
    assert harness.state == "SUCCEEDED"
    inner = [row for row in harness.rows.values() if row.path == "inner"]
    assert [(row.attempt, row.phase, row.reason) for row in inner] == [
        (1, "FAILED", Reason.RETRY), (2, "FAILED", Reason.RETRY), (3, "SUCCEEDED", ""),
    ]  # fmt: skip
    assert inner[0].error == {"task": "inner/b", "type": "Broke", "message": "first"}


def test_a_dag_that_has_no_retry_left_fails_and_the_users_retry_gives_it_all_again() -> None:
    document = dag_that_fails({"b": task("b")}, maxRetryCount=1)
    harness = Harness(document, {"b": Broke("always")}).to_end()
    assert (harness.state, harness.launched) == ("FAILED", ["inner/b"] * 2)
    harness.tell(engine.Retry())
    harness.to_end()
    assert (harness.state, harness.launched) == ("FAILED", ["inner/b"] * 4)
    assert harness.run.error == {"task": "inner/b", "type": "Broke", "message": "always"}


def test_attempts_of_an_inner_task_multiply_with_those_of_its_dag() -> None:
    document = dag_that_fails({"b": task("b", retry={"maxRetryCount": 2})}, maxRetryCount=1)
    harness = Harness(document, {"b": Broke("always")}).to_end()
    assert harness.launched == ["inner/b"] * 6
    assert [row.tries for row in harness.rows.values() if row.path == "inner/b"] == [1, 2, 3, 1, 2, 3]


def test_each_iteration_has_the_policy_of_the_loops_task() -> None:
    document = dag_that_fails({"a": task("a"), "b": task("b", x=Out("a"))}, over=["x", "y"], maxRetryCount=1)
    work = {"inner[1]/b": lambda task: Broke("once") if task.attempt == 1 else {"Output": "fine"}}
    harness = Harness(document, work, seed=5).to_end()
    assert harness.state == "SUCCEEDED"
    assert sorted(harness.launched) == sorted(
        ["inner[0]/a", "inner[0]/b", "inner[1]/a", "inner[1]/b", "inner[1]/b", "after"]
    )
    assert [row.attempt for row in harness.rows.values() if row.path == "inner"] == [1]


def test_a_dag_begins_again_also_when_something_beside_it_has_failed_as_a_task_does() -> None:
    document = leaves("a", "b").dag("inner", {"b": task("b")}).document(
        {"inner": task("inner", retry={"maxRetryCount": 1}), "a": task("a")}
    )  # fmt: skip
    harness = Harness(document, {"a": Broke("a"), "b": lambda task: Broke("b") if task.attempt == 1 else {}})
    harness.tell(engine.Begin())
    harness.starts.reverse()
    harness.step()
    assert not engine.held_back(harness.run, "inner/b")
    harness.to_end()
    assert harness.phases == {"inner": "SUCCEEDED", "inner/b": "SUCCEEDED", "a": "FAILED"}


def test_no_dag_begins_again_in_a_run_that_is_being_canceled() -> None:
    harness = Harness(dag_that_fails({"b": task("b")}, maxRetryCount=5))
    harness.tell(engine.Begin())
    harness.tell(engine.Cancel())
    harness.tell(engine.Failed("inner/b", 1, {"message": "late"}))
    assert harness.state == "CANCELED"
    assert harness.phases["inner"] == "FAILED"


def test_a_long_chain_of_skips_needs_no_deep_stack() -> None:
    tasks = {"t0": task("a")}
    tasks |= {f"t{at}": task("a", after=[f"t{at - 1}"]) for at in range(1, 3000)}
    harness = Harness(leaves("a").document(tasks), {"t0": Broke()}).to_end()
    assert list(harness.phases.values()).count("SKIPPED") == 2999
