"""ParallelFor and Collected: items from everywhere, limits, windows, nesting, failures, cost."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from tests.pipelines.engine.build import Artifact, Out, Outer, Pipeline, task
from tests.pipelines.engine.drive import Broke, Harness

from wherry import ir
from wherry.pipelines import engine
from wherry.pipelines.engine import RunOptions


def loop_over(kind: str = "STRING", **loop: Any) -> ir.Document:
    """A loop whose body doubles its item, and a task that takes the list of results."""
    pipeline = Pipeline().leaf("double", {"x": kind}, {"Output": kind}).leaf("sum", {"xs": "LIST"})
    pipeline.dag(
        "body", {"double": task("double", x=Outer("item"))}, {"item": kind}, outputs={"o": (kind, Out("double"))}
    )
    return pipeline.document(
        {"loop": task("body", **loop), "sum": task("sum", xs=Out("loop", "o"))},
        outputs={"all": ("LIST", Out("loop", "o"))},
    )


def double(resolved: Any) -> Any:
    return resolved.parameters["x"] * 2 if resolved.name == "double" else None


def test_constant_items_are_run_one_iteration_each_and_collected_in_order() -> None:
    harness = Harness(loop_over("NUMBER_INTEGER", over=[1, 2.0, 3]), double, seed=5).to_end()
    assert harness.run.outputs["parameters"] == {"all": [2, 4, 6]}
    assert harness.resolved["sum"].parameters == {"xs": [2, 4, 6]}
    assert all(type(value) is int for value in harness.resolved["sum"].parameters["xs"])
    assert harness.rows["loop", 1].kind == "loop"
    assert harness.rows["loop[1]", 1].kind == "iteration"


def test_zero_items_are_legal() -> None:
    harness = Harness(loop_over(over=[]), double).to_end()
    assert harness.run.outputs["parameters"] == {"all": []}
    assert harness.launched == ["sum"]


@pytest.mark.parametrize("value", [["a", "b"], '["a", "b"]'])
def test_items_come_from_an_input_as_a_list_or_as_json_text(value: Any) -> None:
    pipeline = Pipeline().leaf("double", {"x": "STRING"}).leaf("make", {}, {"Output": "LIST"})
    kind = "LIST" if isinstance(value, list) else "STRING"
    pipeline.leaf("make", {}, {"Output": kind})
    pipeline.dag("body", {"double": task("double", x=Outer("item"))}, {"item": "STRING", "items": kind})
    document = pipeline.document({"make": task("make"), "loop": task("body", over_input="items", items=Out("make"))})
    harness = Harness(document, {"make": {"Output": value}}).to_end()
    assert [harness.resolved[f"loop[{at}]/double"].parameters["x"] for at in range(2)] == ["a", "b"]


def test_items_that_are_no_list_fail_the_loop_and_say_so() -> None:
    pipeline = Pipeline().leaf("make").leaf("double", {"x": "STRING"})
    pipeline.dag("body", {"double": task("double", x=Outer("item"))}, {"item": "STRING", "items": "STRING"})
    document = pipeline.document({"make": task("make"), "loop": task("body", over_input="items", items=Out("make"))})
    harness = Harness(document, {"make": "plenty"}).to_end()
    assert harness.state == "FAILED"
    assert "task 'loop': loops over 'items', which is not a list: plenty" in harness.run.error["message"]


def test_an_inner_loop_runs_over_a_field_of_the_outer_item() -> None:
    pipeline = Pipeline().leaf("leaf", {"x": "STRING", "y": "STRING"})
    leaf = task("leaf", x=Outer("item"), y=Outer("name"))
    pipeline.dag("inner", {"leaf": leaf}, {"item": "STRING", "name": "STRING", "p": "LIST"})
    fields = {key: Outer("item", f'parseJson(string_value)["{key[0]}"]') for key in ("p", "name")}
    pipeline.dag("outer", {"inner": task("inner", over_input="p", **fields)}, {"item": "STRUCT"})
    items = [{"p": ["1", "2"], "n": "a"}, {"p": [], "n": "b"}]
    harness = Harness(pipeline.document({"outer": task("outer", over=items)})).to_end()
    assert harness.launched == ["outer[0]/inner[0]/leaf", "outer[0]/inner[1]/leaf"]
    assert harness.resolved["outer[0]/inner[1]/leaf"].parameters == {"x": "2", "y": "a"}


def test_a_loop_may_be_over_a_component_without_a_dag() -> None:
    pipeline = Pipeline().leaf("leaf", {"item": "NUMBER_INTEGER", "y": "STRING"}, {"Output": "NUMBER_INTEGER"})
    document = pipeline.document({"loop": task("leaf", over=[1, 2], y="same")}, outputs={"all": ("LIST", Out("loop"))})
    harness = Harness(document, lambda task: task.parameters["item"] * 10).to_end()
    assert harness.run.outputs["parameters"] == {"all": [10, 20]}
    assert harness.resolved["loop[1]"].parameters == {"item": 2, "y": "same"}


@pytest.mark.parametrize(("limit", "window", "most"), [(2, 512, 2), (0, 3, 3), (5, 2, 2), (0, 512, 9)])
def test_no_more_iterations_are_open_than_the_limits_allow(limit: int, window: int, most: int) -> None:
    document = loop_over(over=list("abcdefghi"), limit=limit)
    harness = Harness(document, double, options=RunOptions(window=window), seed=1).to_end()
    assert harness.most_open == most
    assert harness.run.outputs["parameters"]["all"] == [each * 2 for each in "abcdefghi"]


def nested(kind: str) -> ir.Document:
    pipeline = Pipeline().leaf("leaf", {"x": "STRING", "y": "STRING"}, makes={"m": "Model"})
    pipeline.leaf("read", {"xs": "LIST"}, takes={"ms": "Model*"})
    pipeline.dag(
        "inner", {"leaf": task("leaf", x=Outer("item"), y=Outer("up"))}, {"item": "STRING", "up": "STRING"},
        outputs={"o": ("LIST", Out("leaf"))}, makes={"m": ("Model*", Artifact("leaf", "m"))},
    )  # fmt: skip
    pipeline.dag(
        "outer", {"inner": task("inner", over=["1", "2"], up=Outer("item"))}, {"item": "STRING"},
        outputs={"o": ("LIST", Out("inner", "o"))}, makes={"m": ("Model*", Artifact("inner", "m"))},
    )  # fmt: skip
    return pipeline.document(
        {"outer": task("outer", over=["a", "b"]), "read": task("read", xs=Out("outer", "o"), ms=Artifact("outer", "m"))}
    )


def test_collected_of_nested_loops_is_a_list_of_lists_and_of_artifacts_one_list() -> None:
    harness = Harness(nested("x"), lambda task: "".join(map(str, task.parameters.values())), seed=3).to_end()
    given = harness.resolved["read"]
    assert given.parameters["xs"] == [["1a", "2a"], ["1b", "2b"]]
    assert given.levels == {"xs": 2}
    assert [each["uri"] for each in given.artifacts["ms"]] == [
        f"/store/outer[{i}]/inner[{j}]/leaf/1/m" for i in range(2) for j in range(2)
    ]


def test_the_levels_of_what_was_collected_are_known_wherever_it_is_handed_on() -> None:
    """Through a DAG and by a loop over it; what a task makes of it is its own."""
    pipeline = Pipeline().leaf("leaf", {"x": "STRING"}).leaf("use", {"xs": "LIST?"}, {"Output": "LIST"})
    pipeline.dag(
        "inner", {"leaf": task("leaf", x=Outer("item"))}, {"item": "STRING"}, outputs={"o": ("LIST", Out("leaf"))}
    )
    pipeline.dag("middle", {"l": task("inner", over=["1"])}, {"item": "STRING"}, outputs={"o": ("LIST", Out("l", "o"))})
    pipeline.dag("outer", {"l": task("middle", over=["1"])}, {"item": "STRING"}, outputs={"o": ("LIST", Out("l", "o"))})
    pipeline.leaf("use-item", {"xs": "LIST"}).leaf("use-made", {"xs": "LIST"})
    pipeline.dag("each", {"use-item": task("use-item", xs=Outer("item"))}, {"item": "LIST", "all": "LIST"})
    pipeline.dag(
        "group",
        {"use": task("use", xs=Outer("all")), "made": task("use-made", xs=Out("use")),
         "each": task("each", over_input="all", all=Outer("all"))},
        {"all": "LIST"},
    )  # fmt: skip
    harness = Harness(
        pipeline.document({"l": task("outer", over=["1"]), "group": task("group", all=Out("l", "o"))}), {"leaf": "v"}
    ).to_end()
    assert harness.resolved["group/use"].parameters == {"xs": [[["v"]]]}
    levels = {path: resolved.levels for path, resolved in harness.resolved.items() if path.startswith("group")}
    assert levels == {"group/use": {"xs": 3}, "group/made": {}, "group/each[0]/use-item": {"xs": 2}}


def test_an_iteration_whose_producer_was_skipped_adds_nothing_to_collected() -> None:
    pipeline = Pipeline().leaf("leaf", {"x": "STRING"}).leaf("use", {"xs": "LIST"})
    pipeline.dag("if", {"leaf": task("leaf", x=Outer("x"))}, {"x": "STRING"}, outputs={"o": ("STRING", Out("leaf"))})
    condition = task("if", x=Outer("item"), when="inputs.parameter_values['x'] != 'b'")
    pipeline.dag("body", {"if": condition}, {"item": "STRING"}, outputs={"o": ("LIST", Out("if", "o"))})
    document = pipeline.document({"loop": task("body", over=["a", "b", "c"]), "use": task("use", xs=Out("loop", "o"))})
    harness = Harness(document, lambda task: task.parameters.get("x")).to_end()
    assert harness.resolved["use"].parameters == {"xs": ["a", "c"]}


def test_a_loop_over_artifacts_gives_each_iteration_one() -> None:
    pipeline = Pipeline().leaf("make", {}, makes={"ds": "Dataset"}).leaf("read", {}, takes={"d": "Dataset"})
    pipeline.dag("each", {"make": task("make")}, {"item": "STRING"}, makes={"ds": ("Dataset*", Artifact("make", "ds"))})
    pipeline.dag("body", {"read": task("read", d=Artifact("item"))}, takes={"item": "Dataset", "all": "Dataset*"})
    document = pipeline.document(
        {"each": task("each", over=["1", "2"]), "loop": task("body", over_artifact="all", all=Artifact("each", "ds"))}
    )
    harness = Harness(document).to_end()
    assert [harness.resolved[f"loop[{at}]/read"].artifacts["d"][0]["uri"] for at in range(2)] == [
        f"/store/each[{at}]/make/1/ds" for at in range(2)
    ]


def test_an_item_of_the_wrong_type_fails_its_iteration_and_names_it() -> None:
    harness = Harness(loop_over("NUMBER_INTEGER", over=[1, "two"]), double).to_end()
    assert harness.state == "FAILED"
    assert harness.run.error["task"] == "loop[1]"
    assert "the input 'item' must be NUMBER_INTEGER, but its value is two" in harness.run.error["message"]
    assert harness.phases["loop[0]"] == "SUCCEEDED"


def test_after_a_failed_iteration_no_new_ones_begin_unless_the_run_keeps_going() -> None:
    work = {"loop[1]/double": Broke("two")}
    harness = Harness(loop_over(over=list("abcd"), limit=1), work).to_end()
    assert harness.launched == ["loop[0]/double", "loop[1]/double"]
    assert harness.phases["loop"] == "FAILED"
    assert harness.run.error["task"] == "loop[1]/double"
    harness = Harness(loop_over(over=list("abcd"), limit=1), work, options=RunOptions(keep_going=True)).to_end()
    assert harness.launched == [f"loop[{at}]/double" for at in range(4)]
    assert harness.state == "FAILED"


def test_retry_runs_the_failed_iterations_and_those_that_never_began() -> None:
    work: dict[str, Any] = {"loop[1]/double": Broke()}
    harness = Harness(loop_over(over=list("abcd"), limit=1), work).to_end()
    harness.launched.clear()
    work.clear()
    harness.tell(engine.Retry())
    harness.to_end()
    assert harness.launched == ["loop[1]/double", "loop[2]/double", "loop[3]/double", "sum"]
    assert harness.state == "SUCCEEDED"


def test_cancel_in_a_loop_stops_what_is_open_and_begins_nothing() -> None:
    harness = Harness(loop_over(over=list("abcdef")), double, options=RunOptions(window=2))
    harness.tell(engine.Begin())
    delta = harness.tell(engine.Cancel())
    assert delta.stops == ["loop[0]/double", "loop[1]/double"]
    for path in delta.stops:
        harness.tell(engine.Canceled(path, 1))
    assert harness.state == "CANCELED"
    assert set(harness.phases) == {"loop", *(f"loop[{at}]{rest}" for at in (0, 1) for rest in ("", "/double"))}


def _work_of_one_event(iterations: int) -> int:
    """How many nodes the delta of one finished task touches, in the middle of a loop."""
    harness = Harness(loop_over("NUMBER_INTEGER", over=list(range(iterations))), double, options=RunOptions(window=8))
    harness.tell(engine.Begin())
    for _ in range(20):
        harness.step()
    start = harness.starts.pop(0)
    delta = harness.tell(engine.Succeeded(start.path, start.attempt, {"parameters": {"Output": 1}}))
    assert [change.phase_to for change in delta.changes] == ["SUCCEEDED", "SUCCEEDED", "RUNNING", "PENDING"]
    return len(delta.patch.nodes) + len(delta.patch.waiting)


def test_an_event_costs_the_same_in_a_loop_of_any_size() -> None:
    assert _work_of_one_event(100) == _work_of_one_event(10_000)


def _finished(count: int) -> engine.Run:
    run = engine.Run(loop_over("NUMBER_INTEGER", over=list(range(count))), info=engine.RunInfo("r"), arguments={})
    pending = list(_tell(run, engine.Begin()))
    for start in pending:  # grows while it is read
        outputs = {"parameters": {"Output": engine.resolve(run, start.path).attempt}}
        pending.extend(_tell(run, engine.Succeeded(start.path, start.attempt, outputs)))
    assert run.state == "SUCCEEDED"
    return run


def test_a_fan_in_of_ten_thousand_works() -> None:
    assert _finished(10_000).outputs == {"parameters": {"all": [1] * 10_000}, "artifacts": {}}


def test_a_node_is_small() -> None:
    tracemalloc.start()
    run = _finished(300)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / len(run.nodes) < 2048


def _tell(run: engine.Run, event: engine.Event) -> list[engine.Start]:
    delta = engine.decide(run, event)
    engine.apply(run, delta)
    return delta.starts
