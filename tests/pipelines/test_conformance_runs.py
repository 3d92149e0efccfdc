"""Kubeflow's own compiled documents on a whole server: what the index of the shared folder says of each, comes true.

All documents run at once, without the cache, so that none can live on another's results.  Beyond the final states and
outputs of the index, `TASKS` tells what each task of a document makes or writes, read off the documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from scripts.conformance import (
    ENDLESS,
    NEEDS_ITS_IMAGE,
    PACKAGES,
    Case,
    finish,
    index,
    refusal,
    row,
    server,
    submit,
    until_it_writes,
)

from wherry.client import flows
from wherry.client.api import Client

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"

PHASES = {
    "local_execution_pipeline_with_exit_handler.yaml": {"exit-handler-1": "SUCCEEDED", "record-exit": "SUCCEEDED"},
    "pipeline_with_multiple_exit_handlers.yaml": {
        "exit-handler-1": "FAILED",
        "exit-handler-1/fail-op": "FAILED",
        "exit-handler-2": "SUCCEEDED",
        "exit-handler-3": "SUCCEEDED",
    },
    "pipeline_with_task_final_status.yaml": {"exit-handler-1/fail-op": "FAILED", "exit-op": "SUCCEEDED"},
    "pipeline_with_task_using_ignore_upstream_failure.yaml": {"fail-op": "FAILED", "print-op": "SUCCEEDED"},
    "conditional_producer_and_consumers.yaml": {"for-loop-2[0]/condition-3": "SKIPPED"},
    "fail_v2.yaml": {"fail": "FAILED"},
}
"""What the index says of single tasks."""

HELLO = {"echo": "hello world"}
NAP = {"take-nap": {"Output": "I'm awake now. Did I snore?"}, "wake-up": "I'm awake now. Did I snore?"}
WORDS = ("Hello", ",", " ", "world!")
LOOP = "collecting-artifacts/for-loop-1"

TASKS: dict[str, dict[str, str | dict[str, Any]]] = {
    "add_numbers.yaml": {"add-numbers": {"Output": 6}},
    "artifact_crust.yaml": {"mantle/core/core-comp": {"dataset": "foo"}, "crust-comp": "input:  foo"},
    "artifacts_complex.yaml": {
        **{f"for-loop-2[{i}]/double": {"out_dataset": str(2 * i + 2)} for i in range(3)},
        **{
            f"for-loop-2[{i}]/for-loop-4[{k}]/condition-5/double-2": {"out_dataset": str(2 * k + 2)}
            for i in range(3)
            for k in (1, 2)
        },
        "add-two-lists-of-datasets/add": {"out_dataset": "12"},
        "add-two-lists-of-datasets/add-2": {"out_dataset": "30"},
        "add-two-lists-of-datasets/add-two-ints": {"out_dataset": "42"},
    },
    "artifacts_simple.yaml": {
        **{f"for-loop-2[{i}]/double": {"out_dataset": str(2 * i + 2)} for i in range(3)},
        "add": {"out_dataset": "12"},
        "add-container": {"out_dataset": "12"},
    },
    "collected_artifacts.yaml": {
        "collecting-artifacts/split-chars": {"Output": ["x", "y", "z"]},
        "collecting-artifacts/split-ids": {"Output": ["s1", "s2", "s3"]},
        **{f"{LOOP}[{i}]/create-file": {"file": f"s{i + 1}"} for i in range(3)},
        **{f"{LOOP}[{i}]/read-single-file": {} for i in range(3)},
        **{
            f"{LOOP}[{i}]/for-loop-2[{k}]/single-node-dag/create-dataset": {"data": "xyz"[k]}
            for i in range(3)
            for k in range(3)
        },
        **{
            f"{LOOP}[{i}]/for-loop-2[{k}]/read-single-dataset-generate-model": {"results": f"{'xyz'[k]}-s{i + 1}"}
            for i in range(3)
            for k in range(3)
        },
        **{f"{LOOP}[{i}]/read-datasets": {"Output": "files read"} for i in range(3)},
        **{f"{LOOP}[{i}]/read-models": {"Output": "models read"} for i in range(3)},
        "read-models": {"Output": "models read"},
    },
    "component_with_env_variable.yaml": {"read-env-var": {"Output": "env_var_value"}},
    "component_with_optional_inputs.yaml": {
        "component-op": "input1: Hello, type: <class 'str'>\ninput2: World, type: <class 'str'>\n"
        "input3: None, type: <class 'NoneType'>"
    },
    "conditional_producer_and_consumers.yaml": {
        "for-loop-2[1]/condition-3/double": {"Output": 4},
        "for-loop-2[2]/condition-3/double": {"Output": 6},
        "condition-4/add": {"Output": 10},
    },
    "container_component_with_no_inputs.yaml": {"hello-world-container": "hello world"},
    "dict_input.yaml": {"dict-input": "{'a': 1}"},
    "fast_artifact.yaml": {"write-artifact": {"output": "foo"}},
    "hello_world.yaml": HELLO,
    "lightweight_python_functions_pipeline.yaml": {
        "preprocess": {
            "output_parameter_path": "abc",
            "output_bool_parameter_path": True,
            "output_dict_parameter_path": {"A": 1, "B": 2},
            "output_list_parameter_path": ["a", "b", "c"],
            "output_dataset_one": "abc",
            "output_dataset_two_path": "abc",
        },
        "train": {},
    },
    "lightweight_python_functions_with_outputs.yaml": {
        "add-numbers": {"Output": 6},
        "concat-message": {"Output": "abcabc"},
        "output-artifact": {"Output": "\n".join(["abcabc"] * 6)},
        "output-named-tuple": {"scalar": "123", "model": "Model contents: " + "\n".join(["abcabc"] * 6)},
    },
    "local_execution_pipeline_with_exit_handler.yaml": {
        "exit-handler-1/echo": {"Output": "hello"},
        "record-exit": {"Output": "exit:COMPLETE"},
    },
    "local_execution_pipeline_with_oneof.yaml": {
        "condition-branches-1/condition-2/branch-a": {"Output": "A"},
        "tag-selected": {"Output": "selected:A"},
    },
    "local_execution_pipeline_with_retry.yaml": {"flaky": {"Output": "attempt=2"}},
    "long-running.yaml": {
        "wait-op": "step-1 sleeping for 5m\ndone1",
        "wait-op-2": "step-1 sleeping for 5m\ndone1",
    },
    "metrics_visualization_v2.yaml": {
        "digit-classification": {},
        "html-visualization": {"html_artifact": "<!DOCTYPE html><html><body><h1>Hello world</h1></body></html>"},
        "iris-sgdclassifier": {},
        "markdown-visualization": {"markdown_artifact": "## Hello world \n\n Markdown content"},
        "wine-classification": {},
    },
    "missing_kubernetes_optional_inputs.yaml": {"log-message": "baseline task"},
    "mounted_cabundle_configmap.yaml": HELLO,
    "nested_return.yaml": {"nested-return": {"Output": [{"A_a": "1", "B_b": "2"}, {"A_a": "10", "B_b": "20"}]}},
    "nvidia_gpu_scheduling_check.yaml": {"verify-gpu-scheduled": "GPU scheduling check: PASS"},
    "parallel_for_after_dependency.yaml": {
        **{f"for-loop-2[{i}]/print-op": {"Output": "foo"} for i in range(3)},
        "print-op-2": {"Output": "bar"},
        "print-op-3": {"Output": "baz"},
    },
    "parallel_for_mount_pvc.yaml": {"createpvc": {}, "for-loop-2[0]/example-component": {"Output": "a"}},
    "parameter_cache.yaml": {"mantle/core/core-comp": {"Output": "foo"}, "crust-comp": "input : foo"},
    "pipeline_in_pipeline.yaml": {
        "print-op1": {"Output": "Hello"},
        "inner-pipeline/print-op1": {"Output": "world"},
        "inner-pipeline/print-op2": "world",
    },
    "pipeline_in_pipeline_complex.yaml": {
        "print-op1": {"Output": "Hello"},
        "for-loop-2[0]/inner-pipeline/print-op1": {"Output": "Hello"},
        "for-loop-2[1]/inner-pipeline/print-op1": {"Output": "world!"},
        "for-loop-2[0]/inner-pipeline/condition-1/print-op2": "world",
        "for-loop-2[1]/inner-pipeline/condition-2/print-op": "Bye!",
    },
    "pipeline_with_after.yaml": {
        f"print-text{suffix}": f"+ echo '{word} task'\n{word} task"
        for suffix, word in (("", "1st"), ("-2", "2nd"), ("-3", "3rd"))
    },
    "pipeline_with_caching.yaml": {"add-one": {"Output": 2}},
    "pipeline_with_collected_artifacts.yaml": {
        **{f"for-loop-2[{i}]/write-artifact": {"out": str(i)} for i in range(3)},
        "read-and-join": {"Output": "0,1,2"},
    },
    "pipeline_with_concat_placeholder.yaml": {"component-with-concat-placeholder": ""},
    "pipeline_with_dynamic_importer_metadata.yaml": {"make-name": {"Output": "a-different-name"}},
    "pipeline_with_input_status_state.yaml": {
        "exit-handler-1/some-task": "Executing some_task()...",
        "echo-state": {},
    },
    "pipeline_with_multiple_exit_handlers.yaml": {
        "exit-handler-1/print-op-2": "Hello World!",
        "exit-handler-2/print-op-4": "Hello World!",
        "exit-handler-3/print-op-6": "Hello World!",
        "print-op": "First exit handler has worked!",
        "print-op-3": "Second exit handler has worked!",
        "print-op-5": "Third exit handler has worked!",
    },
    "pipeline_with_nested_loops.yaml": {
        **{
            f"for-loop-1[{i}]/for-loop-2[{k}]/print-op": f"msg: {text}, msg2: None"
            for i, row in enumerate((("1", "2"), ("11", "22")))
            for k, text in enumerate(row)
        },
        **{f"for-loop-4[{i}]/print-op-2": f"msg: {i + 1}, msg2: None" for i in range(2)},
        **{
            f"for-loop-4[{i}]/for-loop-6[{k}]/print-op-3": f"msg: {i + 1}, msg2: {k + 1}00"
            for i in range(2)
            for k in range(3)
        },
    },
    "pipeline_with_only_display_name.yaml": HELLO,
    "pipeline_with_parallelfor_list_artifacts_GH-12033.yaml": {
        f"{group}[{i}]/{task}": {"Output": word if task.startswith("make") else "Output"}
        for group, task in (
            ("make-artifacts/for-loop-1", "make-artifact"),
            ("make-datasets/for-loop-1", "make-dataset"),
            ("for-loop-1", "print-artifact-name"),
            ("for-loop-2", "print-artifact-name-2"),
        )
        for i, word in enumerate(WORDS)
    },
    "pipeline_with_params_containing_format.yaml": {
        "for-loop-2[0]/print-op2": "1 and KFP.",
        "for-loop-2[1]/print-op2": "2 and KFP.",
        "print-op": "Hello KFP",
        "print-op-2": "Hello KFP, again.",
    },
    "pipeline_with_secret_as_volume.yaml": {"comp": "username: user1"},
    "pipeline_with_string_machine_fields_pipeline_input.yaml": {"sum-numbers": {"Output": 3}},
    "pipeline_with_task_using_ignore_upstream_failure.yaml": {"print-op": "default"},
    "pipeline_with_volume.yaml": {
        "createpvc": {},
        "producer": {"Output": "Hello world"},
        "consumer": {"Output": "Hello world"},
        "deletepvc": {},
    },
    "pipeline_with_volume_long_name.yaml": {"createpvc": {}, "dummy-task": "hello"},
    "pipeline_with_workspace.yaml": {
        "write-to-workspace": {"Output": "/kfp-workspace/data/test_file.txt"},
        "read-from-workspace": {"Output": "Hello from workspace!"},
    },
    "placeholder_with_if_placeholder_none_input_value.yaml": {
        "component-with-optional-inputs": "--arg0 input0 --arg2 default value"
    },
    "preprocess.yaml": {
        "preprocess": {
            "output_parameter_path": "abc",
            "output_bool_parameter_path": True,
            "output_dict_parameter_path": {"a": 1},
            "output_list_parameter_path": [1, 2],
            "output_dataset_one": "abc",
            "output_dataset_two_path": "abc",
        }
    },
    "producer_consumer_param_pipeline.yaml": {
        "producer": {"output_value": "Hello world, this is an output parameter\n"},
        "consumer": {},
    },
    "pythonic_artifacts_with_multiple_returns.yaml": {
        "make-dataset": {"Output": "Hello, world"},
        "splitter-pipeline/dataset-splitter": {"dataset1": "Hello,", "dataset2": " world"},
    },
    "run_as_user_cache_disabled.yaml": HELLO,
    "run_as_user_cache_enabled.yaml": HELLO,
    "take_nap_compiled.yaml": NAP,
    "take_nap_pipeline_root_compiled.yaml": NAP,
    "two_step_pipeline_containerized.yaml": {
        "component1": {"output_gcs": "Hello KFP Containerized!\n"},
        "component2": "Hello KFP Containerized!",
    },
}
"""All tasks that are to succeed, each with its log (a text), or output parameters and contents of artifacts."""

COINS = {
    "critical__if_else_with_oneof_artifacts.yaml": ("flip-coin-pipeline/flip-coin", {"print-artifact": "{}"}),
    "pipeline_with_condition.yaml": ("flip-coin-op", {"print-op": "{}"}),
    "pipeline_with_nested_conditions.yaml": ("flip-coin-op", {"print-op": "{}"}),
}
"""Where chance decides: the task that throws, and what others then write."""


@pytest.fixture(scope="module")
def cases(conformance: Path) -> list[Case]:
    return index(conformance / "kfp-ir")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with server(tmp_path_factory.mktemp("conformance")) as found:
        yield found


def test_every_document_loads_or_is_refused_for_what_is_wrong_with_it(cases: list[Case]) -> None:
    assert {case.name for case in cases} == {file.name for file in cases[0].file.parent.glob("*.yaml")}
    wrong: dict[str, str] = {}
    for case in cases:
        said = refusal(case.file)
        if not case.fault and said:
            wrong[case.name] = said
        elif case.fault and not set(re.findall(r"\w+", case.fault)) <= set(re.findall(r"\w+", said)):
            wrong[case.name] = f"refused with {said!r}, not for {case.fault!r}"
    assert wrong == {}


def test_documents_run_to_the_outcome_that_the_index_tells(cases: list[Case], client: Client, tmp_path: Path) -> None:
    """Every one that the index calls runnable, but for two; and more."""
    chosen = [case for case in cases if case.runs and case.name not in PACKAGES]
    assert {case.name for case in cases if case.runnable} - {case.name for case in chosen} == {
        *ENDLESS,
        *NEEDS_ITS_IMAGE,
    }
    assert not {case.name for case in chosen if case.state == "SUCCEEDED"} - {*TASKS, *COINS, *OTHERS}
    assert all_wrong(client, chosen, tmp_path) == {}


def test_documents_with_packages_run_in_environments_made_for_them(
    cases: list[Case], client: Client, tmp_path: Path
) -> None:
    assert all_wrong(client, [case for case in cases if case.name in PACKAGES], tmp_path) == {}


def all_wrong(client: Client, cases: list[Case], folder: Path) -> dict[str, list[Any]]:
    """What differs, by document, when all of them run at once."""
    runs = {case: submit(client, case.file, case.arguments(folder)) for case in cases}
    wrong = {
        case.name: differences(case, finish(client, run), partial(written, client, run)) for case, run in runs.items()
    }
    return {name: found for name, found in wrong.items() if found}


def test_what_writes_for_a_minute_is_seen_writing_and_is_canceled(cases: list[Case], client: Client) -> None:
    for case in cases:
        if case.name in ENDLESS:
            ended = until_it_writes(client, submit(client, case.file, {}))
            assert ended["state"] == "CANCELED", case.name


def test_the_page_says_what_comes_true_here(cases: list[Case]) -> None:
    """Files and results of docs/conformance.md; the seconds are those of the machine that made it."""
    shown = dict(re.findall(r"^\| (\S+\.yaml) \| (.+?) \| [\d.]* \|$", PAGE.read_text(), re.MULTILINE))
    ended = {case.name: case.state if case.runs else "" for case in cases} | dict.fromkeys(ENDLESS, "CANCELED")
    assert shown == {case.name: row(case, ended[case.name]) for case in cases}


def differences(case: Case, view: dict[str, Any], log_of: Any) -> list[Any]:
    """What of a finished run is not as the index and the tables say, with the errors of its tasks."""
    if view["state"] != case.state:
        return [view["state"], *(task["error"] for task in view["tasks"] if task["error"])]
    found: list[Any] = []
    tasks = {task["path"]: task for task in view["tasks"]}  # the last attempt of each
    parameters = (view["outputs"] or {}).get("parameters", {})
    found += [(name, parameters.get(name)) for name, value in case.outputs().items() if parameters.get(name) != value]
    found += [(path, at) for path, at in PHASES.get(case.name, {}).items() if tasks[path]["phase"] != at]
    found += unsound(case, view["tasks"])
    ran = {path: task for path, task in tasks.items() if task["kind"] == "task" and task["phase"] == "SUCCEEDED"}
    expected = TASKS.get(case.name)
    if expected is not None:
        stopped = {path for path, task in tasks.items() if case.state == "FAILED" and task["phase"] == "CANCELED"}
        found += [("ran", path) for path in (expected.keys() ^ ran.keys()) - stopped]  # siblings of what failed
        for path in expected.keys() & ran.keys():
            found += mistaken(path, ran[path], expected[path], log_of)
    if case.name in COINS:
        coin, texts = COINS[case.name]
        thrown = ran[coin]["outputs"]["parameters"]["Output"]
        for path, text in texts.items():
            found += mistaken(path, ran[path], text.format(thrown), log_of)
    check = OTHERS.get(case.name)
    return found if check is None else found + check(ran, log_of, view)


def mistaken(path: str, task: dict[str, Any], expected: str | dict[str, Any], log_of: Any) -> list[Any]:
    """Where a task's log (for a text) or outputs differ from what is expected."""
    if isinstance(expected, str):
        text = log_of(path).strip()
        return [] if text == expected else [(path, text)]
    made: dict[str, Any] = dict(task["outputs"]["parameters"])
    for name, artifacts in task["outputs"]["artifacts"].items():
        made[name] = Path(artifacts[0]["uri"]).read_text() if Path(artifacts[0]["uri"]).is_file() else None
    return [(path, name, made.get(name)) for name, value in expected.items() if made.get(name) != value]


TYPES: dict[str, tuple[type, ...]] = {
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def unsound(case: Case, tasks: list[dict[str, Any]]) -> list[Any]:
    """What no run of any document may show: values of another type than declared, outputs that are not there."""
    document = flows.load(str(case.file)).document
    document = document.get("pipeline_spec", document)
    found: list[Any] = []
    for task in tasks:
        if task["kind"] != "task" or task["phase"] == "SKIPPED":
            continue
        component = component_of(document, task["path"])
        if task["phase"] != "SUCCEEDED":
            if not task["error"] and not (task["phase"] == "CANCELED" and case.state == "FAILED"):
                found.append((task["path"], task["phase"]))
            continue
        declared = component.get("outputDefinitions", {})
        found += [
            (task["path"], kind, sorted(task["outputs"][kind]))
            for kind in ("artifacts", "parameters")
            if task["outputs"][kind].keys() != declared.get(kind, {}).keys()
        ]
        for side, values in (("inputDefinitions", task["inputs"]), ("outputDefinitions", task["outputs"])):
            definitions = component.get(side, {}).get("parameters", {})
            for name, value in values[
                "parameters"
            ].items():  # also what fills in a text is an input; nobody declares it
                kind = definitions.get(name, {}).get("parameterType")
                if value is not None and kind in TYPES and type(value) not in TYPES[kind]:
                    found.append((task["path"], name, value))
    return found


def component_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    """The component of a task, by its path in the run."""
    component: dict[str, Any] = document["root"]
    for name in re.sub(r"\[\d+\]", "", path).split("/"):
        component = document["components"][component["dag"]["tasks"][name]["componentRef"]["name"]]
    return component


def written(client: Client, run: str, path: str) -> str:
    """A task's log."""
    return b"".join(client.logs(run, path)).decode()


def placeholders(ran: dict[str, Any], log_of: Any, view: dict[str, Any]) -> list[Any]:
    """Names of the run and the task, each where its placeholder stood, and none left unreplaced."""
    text = log_of("print-all-placeholders").strip()
    wanted = (view["name"], f"{view['pipeline']}-", view["id"], "print-all-placeholders")
    words = text.rsplit("\n", 1)[-1].split(", ")
    fits = all(part in words[-5 + place] for place, part in enumerate(wanted)) and words[-1] and "{{" not in text
    return [] if fits else [text]


def final_status(ran: dict[str, Any], log_of: Any, view: dict[str, Any]) -> list[Any]:
    """The exit task is told how the handler ended."""
    text = log_of("exit-op")
    wanted = ("FAILED", f"{view['pipeline']}-", "Pipeline task name:  exit-handler-1")
    return [] if all(part in text for part in wanted) else [text]


def yaml_final_status(ran: dict[str, Any], log_of: Any, view: dict[str, Any]) -> list[Any]:
    """A container component gets the status as JSON."""
    text = log_of("exit-op")
    return [] if '"state":"COMPLETE"' in text and '"pipelineTaskName":"exit-handler-1"' in text else [text]


def scalar_metrics(ran: dict[str, Any], log_of: Any, view: dict[str, Any]) -> list[Any]:
    """A metric that was logged is in the artifact's metadata."""
    found = [task["outputs"]["artifacts"]["metrics"][0]["metadata"] for task in ran.values()]
    return [metadata for metadata in found if not isinstance(metadata.get("accuracy"), int)]


def quiet_success(ran: dict[str, Any], log_of: Any, view: dict[str, Any]) -> list[Any]:
    """The document asserts for itself."""
    return [] if ran else ["nothing ran"]


def chance(ran: dict[str, Any], log_of: Any, view: dict[str, Any]) -> list[Any]:
    """What is printed at the end is what was thrown, and the number that followed."""
    side, number = (
        next(str(value) for value in task["outputs"]["parameters"].values())
        for part in ("flip-coin", "random")
        for path, task in ran.items()
        if part in path
    )
    (printed,) = (log_of(path).strip() for path in ran if "/print" in path)
    return [] if printed.startswith(f"{side} and {number} ") else [printed, side, number]


def three_sides(ran: dict[str, Any], log_of: Any, view: dict[str, Any]) -> list[Any]:
    """Of the three branches the one that fits the throw is the pipeline's output."""
    thrown = ran["roll-die-pipeline/flip-three-sided-die"]["outputs"]["parameters"]["Output"]
    wanted = "Draw!" if thrown == "draw" else f"Got {thrown}!"
    return mistaken("print-and-return", ran["print-and-return"], wanted, log_of) + [
        found for found in view["outputs"]["parameters"].values() if found != wanted
    ]


def parallelism(ran: dict[str, Any], log_of: Any, view: dict[str, Any]) -> list[Any]:
    """Each loop prints its items, fields of items among them."""
    found = {
        task: sorted(log_of(path).strip() for path in ran if path.endswith(f"/{task}"))
        for task in ("print-text", "print-text-2", "print-text-3", "print-text-6", *(f"print-int-{n}" for n in (2, 6)))
    }
    wanted = [["x", "y"], ["x", "x", "y", "y"], ["1", "10"], ["20", "20", "200", "200"], *[["1", "2", "3"]] * 2]
    return [] if list(found.values()) == wanted else [found]


OTHERS = {
    "embedded_artifact.yaml": quiet_success,
    "flip_coin.yaml": chance,
    "if_elif_else_with_oneof_parameters.yaml": three_sides,
    "output_metrics.yaml": scalar_metrics,
    "pipeline_with_metrics_outputs.yaml": scalar_metrics,
    "pipeline_with_nested_conditions_yaml.yaml": chance,
    "pipeline_with_parallelfor_parallelism.yaml": parallelism,
    "pipeline_with_placeholders.yaml": placeholders,
    "pipeline_with_task_final_status.yaml": final_status,
    "pipeline_with_task_final_status_yaml.yaml": yaml_final_status,
    **dict.fromkeys(PACKAGES[1:], quiet_success),
}
"""Documents whose tasks write what no table can hold."""
