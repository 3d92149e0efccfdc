"""Pipeline documents: every document of the field is read, and every fault is named with its place."""

from __future__ import annotations

import copy
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipelines.engine.build import Artifact, Out, Outer, Pipeline, task

from wherry import ir
from wherry.ir import check, documents, yaml


def base() -> dict[str, Any]:
    """A document with a bit of everything."""
    pipeline = Pipeline().leaf("a", {"x": "STRING?"}, makes={"m": "Model"}).leaf("b", {}, takes={"m": "Model"})
    pipeline.dag("d", {"a": task("a", x=Outer("x"))}, {"x": "STRING"}, outputs={"o": ("STRING", Out("a"))})
    return pipeline.builtins(
        {
            "a": task("a", retry={"maxRetryCount": 2, "backoffDuration": "1.5s"}),
            "b": task("b", m=Artifact("a", "m")),
            "d": task("d", x=Out("a"), when="inputs.parameter_values['x'] == '1'"),
            "loop": task("a", over=["1"], after=["d"]),
        },
        {"p": "STRING?"},
        outputs={"o": ("STRING", Out("d", "o"))},
    )


PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-a": {"imagePullPolicy": "Always"}}}}}}


def test_a_document_survives_reading_and_writing() -> None:
    document = ir.from_builtins(base())
    assert ir.from_builtins(document.to_builtins()) == document
    assert ir.load(yaml.dump(document.to_builtins())) == document
    assert ir.load(json.dumps(document.to_builtins()).encode()) == document
    both = ir.from_builtins({"pipeline_spec": base(), "platform_spec": PLATFORM})
    assert both.platform is not None
    assert ir.from_builtins(both.to_builtins()) == both


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [2, 0, 2, 1], [0, 1, 2]])
def test_pipeline_and_platform_come_in_any_order_and_nulls_are_skipped(order: list[int]) -> None:
    parts = [base(), PLATFORM, None]
    text = "".join(f"---\n{yaml.dump(parts[at])}\n" for at in order)
    document = ir.load(text)
    assert document.pipeline.pipeline_info.name == "pipe"
    assert document.platform is not None
    assert document.platform.platforms.kubernetes is not None
    assert document.platform.platforms.kubernetes.deployment_spec.executors["exec-a"].image_pull_policy == "Always"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "the document is empty"),
        ([None, None], "the document is empty"),
        ([{}, {}], "there are two pipeline specs"),
        ([base(), PLATFORM, PLATFORM], "there are two platform specs"),
        ([PLATFORM], "there is no pipeline spec in it"),
        ([[1]], "a pipeline document is a mapping, not a list"),
        (["text"], "a pipeline document is a mapping, not a text"),
        ([{"pipeline_spec": base()}, PLATFORM], "a document with pipeline_spec must be the only one"),
        ([{"pipeline_spec": None}], "pipeline_spec: missing"),
        ([{"pipeline_spec": base(), "extra": 1}], "unknown field 'extra' beside pipeline_spec"),
    ],
)
def test_other_sets_of_documents_are_refused(parts: list[Any], message: str) -> None:
    with pytest.raises(ir.IRError) as error:
        ir.from_builtins(documents.combine(parts))
    assert str(error.value) == message


Change = Callable[[dict[str, Any]], Any]


def _tasks(document: dict[str, Any]) -> dict[str, Any]:
    return document["root"]["dag"]["tasks"]


def _executors(document: dict[str, Any]) -> dict[str, Any]:
    return document["deploymentSpec"]["executors"]


_URI = {"artifactType": {"schemaUri": "u"}}

FAULTS: list[tuple[str, Change]] = [
    ("the document: unknown field 'foo'", lambda d: d.update(foo=1)),
    ("the document: missing required field 'root'", lambda d: d.pop("root")),
    ("root.dag: missing", lambda d: d["root"].pop("dag")),
    ("schemaVersion: '2.0.0' is not supported, only 2.1.0", lambda d: d.update(schemaVersion="2.0.0")),
    ("schemaVersion: '' is not supported", lambda d: d.pop("schemaVersion")),
    ("pipelineInfo.name: '' is not a pipeline's name", lambda d: d.pop("pipelineInfo")),
    ("pipelineInfo.name: '../x' is not", lambda d: d["pipelineInfo"].update(name="../x")),
    ("pipelineInfo.name: 'pipe\\n' is not", lambda d: d["pipelineInfo"].update(name="pipe\n")),
    ("components.comp-a.outputDefinitions.parameters.Output.parameterType: invalid enum value 'INTEGER'",
     lambda d: d["components"]["comp-a"]["outputDefinitions"]["parameters"]["Output"].update(parameterType="INTEGER")),
    ("components.comp-d.dag.tasks.a.inputs.parameters.x: unknown field 'constant'",
     lambda d: d["components"]["comp-d"]["dag"]["tasks"]["a"]["inputs"]["parameters"]["x"].update(constant=1)),
    ("root.dag.tasks.a.retryPolicy.maxRetryCount: expected 'int', got 'str'",
     lambda d: _tasks(d)["a"]["retryPolicy"].update(maxRetryCount="many")),
    ("deploymentSpec.executors.exec-b.container.command.1: expected 'str', got 'int'",
     lambda d: _executors(d)["exec-b"]["container"].update(command=["x", 1])),
    ("root.dag.tasks.a.componentRef.name: there is no component 'comp-z'",
     lambda d: _tasks(d)["a"]["componentRef"].update(name="comp-z")),
    ("components.comp-a.executorLabel: there is no executor 'exec-z'",
     lambda d: d["components"]["comp-a"].update(executorLabel="exec-z")),
    ("components.comp-a: a component has either a dag or an executorLabel",
     lambda d: d["components"]["comp-a"].pop("executorLabel")),
    ("components.comp-d: a component has either a dag or an executorLabel",
     lambda d: d["components"]["comp-d"].update(executorLabel="exec-a")),
    ("root.dag.tasks.b.dependentTasks: there is no task 'z' in this DAG",
     lambda d: _tasks(d)["b"].update(dependentTasks=["z"])),
    ("root.dag.tasks: these tasks wait for each other: a -> d -> a",
     lambda d: _tasks(d)["a"].update(dependentTasks=["d"])),
    ("root.dag.tasks: these tasks wait for each other: b -> b", lambda d: _tasks(d)["b"].update(dependentTasks=["b"])),
    ("root.dag.tasks.d.inputs.parameters.x: the task 'a' has no output parameter 'z'",
     lambda d: _tasks(d)["d"].update(task("d", x=Out("a", "z")))),
    ("root.dag.tasks.b.inputs.artifacts.m: the task 'a' has no output artifact 'z'",
     lambda d: _tasks(d)["b"].update(task("b", m=Artifact("a", "z")))),
    ("components.comp-d.dag.tasks.a.inputs.parameters.x.componentInputParameter: the component has no input 'z'",
     lambda d: d["components"]["comp-d"]["dag"]["tasks"]["a"].update(task("a", x=Outer("z")))),
    ("root.dag.tasks.b.inputs.artifacts.m.componentInputArtifact: the component has no input 'z'",
     lambda d: _tasks(d)["b"].update(task("b", m=Artifact("z")))),
    ("root.dag.tasks.d.inputs.parameters.x: exactly one source is needed",
     lambda d: _tasks(d)["d"]["inputs"]["parameters"]["x"].update(componentInputParameter="p")),
    ("root.dag.tasks.b.inputs.artifacts.m: exactly one source is needed",
     lambda d: _tasks(d)["b"]["inputs"]["artifacts"].update(m={})),
    ("root.dag.tasks.d.triggerPolicy.condition: Syntax error: mismatched input '<EOF>' expecting ')' (column 3) in: (1",
     lambda d: _tasks(d)["d"]["triggerPolicy"].update(condition="(1")),
    ("root.dag.tasks.loop.parameterIterator.items.raw: not a JSON list: {}",
     lambda d: _tasks(d)["loop"]["parameterIterator"].update(items={"raw": "{}"})),
    ("root.dag.tasks.loop.parameterIterator.items: either raw or inputParameter is needed",
     lambda d: _tasks(d)["loop"]["parameterIterator"].update(items={})),
    ("root.dag.tasks.loop.parameterIterator.items.inputParameter: the task has no input 'z'",
     lambda d: _tasks(d)["loop"]["parameterIterator"].update(items={"inputParameter": "z"})),
    ("root.dag.tasks.loop: a task has one iterator, not two",
     lambda d: _tasks(d)["loop"].update(artifactIterator={"items": {"inputArtifact": "z"}, "itemInput": "i"})),
    ("root.dag.tasks.loop.artifactIterator.items.inputArtifact: the task has no input 'z'",
     lambda d: _tasks(d).update(loop=task("a", over_artifact="z"))),
    ("root.dag.tasks.loop.iteratorPolicy.parallelismLimit: must not be negative",
     lambda d: _tasks(d)["loop"].update(iteratorPolicy={"parallelismLimit": -1})),
    ("root.dag.tasks.a.retryPolicy.backoffDuration: 'soon' is not a duration like 30s",
     lambda d: _tasks(d)["a"]["retryPolicy"].update(backoffDuration="soon")),
    ("root.dag.tasks.a.retryPolicy.backoffMaxDuration: '999999999999s' is not a duration like 30s",
     lambda d: _tasks(d)["a"]["retryPolicy"].update(backoffMaxDuration="999999999999s")),
    ("root.dag.tasks.a.retryPolicy.backoffFactor: must not be negative",
     lambda d: _tasks(d)["a"]["retryPolicy"].update(backoffFactor=-0.5)),
    ("root.dag.tasks.a.retryPolicy.maxRetryCount: expected 'int' <= 2147483647",
     lambda d: _tasks(d)["a"]["retryPolicy"].update(maxRetryCount=2**31)),
    ("root.dag.tasks.a.retryPolicy.maxRetryCount: must not be negative",
     lambda d: _tasks(d)["a"]["retryPolicy"].update(maxRetryCount=-1)),
    ("root.dag.tasks: '../../etc' cannot be a task's name", lambda d: _tasks(d).update({"../../etc": task("a")})),
    ("root.dag.tasks: '..' cannot be a task's name", lambda d: _tasks(d).update({"..": task("a")})),
    ("root.dag.tasks: 'a[0]' cannot be a task's name", lambda d: _tasks(d).update({"a[0]": task("a")})),
    ("components.comp-a.outputDefinitions.artifacts: '../m' cannot be a name",
     lambda d: d["components"]["comp-a"]["outputDefinitions"]["artifacts"].update({"../m": {}})),
    ("components.comp-a.outputDefinitions.parameters: '..' cannot be a name",
     lambda d: d["components"]["comp-a"]["outputDefinitions"]["parameters"].update({"..": {}})),
    ("root.dag.outputs.parameters.o: the task 'd' has no output parameter 'z'",
     lambda d: d["root"]["dag"]["outputs"]["parameters"]["o"]["valueFromParameter"].update(outputParameterKey="z")),
    ("root.dag.outputs.parameters.o: there is no task 'z' in this DAG",
     lambda d: d["root"]["dag"]["outputs"]["parameters"]["o"]["valueFromParameter"].update(producerSubtask="z")),
    ("root.dag.outputs.parameters.o: either valueFromParameter or valueFromOneof, not both",
     lambda d: d["root"]["dag"]["outputs"]["parameters"]["o"].update(valueFromOneof={})),
    ("deploymentSpec.executors.exec-a.importer.artifactUri: either constant or runtimeParameter, not both",
     lambda d: _executors(d).update(
         {"exec-a": {"importer": {"artifactUri": {"constant": "u", "runtimeParameter": "uri"}}}})),
    ("root.dag.tasks.d.inputs.parameters.x.runtimeValue.constant: missing",
     lambda d: _tasks(d)["d"]["inputs"]["parameters"].update(x={"runtimeValue": {}})),
    ("root.dag.tasks.d.inputs.parameters.x.runtimeValue.runtimeParameter: only a constant can be given to a task",
     lambda d: _tasks(d)["d"]["inputs"]["parameters"].update(x={"runtimeValue": {"runtimeParameter": "p"}})),
    ("root.dag.outputs.parameters.o: a source is needed",
     lambda d: d["root"]["dag"]["outputs"]["parameters"].update(o={})),
    ("root.dag.outputs.parameters.z: the component declares no such output",
     lambda d: d["root"]["dag"]["outputs"]["parameters"].update(z={})),
    ("deploymentSpec.executors.exec-a.resolver: resolver executors are not supported",
     lambda d: _executors(d)["exec-a"].update(resolver={})),
    ("deploymentSpec.executors.exec-a.customJob: custom job executors are not supported",
     lambda d: _executors(d)["exec-a"].update(customJob={})),
    ("deploymentSpec.executors.exec-a: an executor is either a container or an importer",
     lambda d: _executors(d)["exec-a"].clear()),
    ("deploymentSpec.executors.exec-a.container.image: missing",
     lambda d: _executors(d)["exec-a"]["container"].pop("image")),
    ("deploymentSpec.executors.exec-a.importer.typeSchema.schemaUri: not supported",
     lambda d: _executors(d).update({"exec-a": {"importer": {"typeSchema": {"schemaUri": "u"}}}})),
    ("components.comp-b.inputDefinitions.artifacts.m.artifactType.schemaUri: not supported",
     lambda d: d["components"]["comp-b"]["inputDefinitions"]["artifacts"]["m"].update(_URI)),
    ("components.comp-a.outputDefinitions.artifacts.m.artifactType.schemaUri: not supported",
     lambda d: d["components"]["comp-a"]["outputDefinitions"]["artifacts"]["m"].update(_URI)),
    ("components: these components contain each other: comp-d -> comp-d",
     lambda d: d["components"]["comp-d"]["dag"]["tasks"].update(more=task("d", x="1"))),
]  # fmt: skip


@pytest.mark.parametrize(("message", "change"), FAULTS, ids=[message[:60] for message, _ in FAULTS])
def test_every_fault_is_named_with_its_place(message: str, change: Change) -> None:
    document = base()
    change(document)
    with pytest.raises(ir.IRError) as error:
        ir.from_builtins(document)
    assert str(error.value).startswith(message)


def test_a_fault_is_found_beside_another_of_the_same_kind() -> None:
    document = base()
    document["schemaVersion"] = []
    for name in ("x", "y", "z"):
        document["root"]["dag"]["tasks"][name] = {**task("a"), "taskInfo": {"name": []}}
    with pytest.raises(ir.IRError) as error:
        ir.from_builtins(document)
    assert str(error.value) in (
        "schemaVersion: expected 'str', got 'array'",
        *(f"root.dag.tasks.{name}.taskInfo.name: expected 'str', got 'array'" for name in "xyz"),
    )


def test_names_with_brackets_do_not_lead_astray() -> None:
    document = base()
    document["root"]["dag"]["tasks"]["[0]"] = {**task("a"), "dependentTasks": [1]}
    with pytest.raises(ir.IRError) as error:
        ir.from_builtins(document)
    assert str(error.value) == "root.dag.tasks.[0].dependentTasks.0: expected 'str', got 'int'"


def test_an_unknown_platform_and_its_unknown_settings_are_named() -> None:
    for part, message in [
        ({"google": {}}, "platforms: unknown field 'google'"),
        ({"kubernetes": {"deploymentSpec": {"executors": {"exec-a": {"gpu": 1}}}}},
         "platforms.kubernetes.deploymentSpec.executors.exec-a: unknown field 'gpu'"),
    ]:  # fmt: skip
        with pytest.raises(ir.IRError) as error:
            ir.from_builtins({"pipeline_spec": base(), "platform_spec": {"platforms": part}})
        assert str(error.value) == message


def test_components_that_unfold_without_end_are_refused() -> None:
    pipeline = Pipeline().leaf("d0")
    for level in range(1, 12):
        pipeline.dag(f"d{level}", {f"t{at}": task(f"d{level - 1}") for at in range(10)})
    with pytest.raises(ir.IRError, match=r"root: the pipeline unfolds to 1111111111\d* tasks; more than 200000"):
        pipeline.document({"t": task("d11")})
    deep = Pipeline().leaf("d0")
    for level in range(1, 60):
        deep.dag(f"d{level}", {"t": task(f"d{level - 1}")})
    with pytest.raises(ir.IRError, match="root: pipelines nest deeper than 50 levels"):
        deep.document({"t": task("d59")})


def test_plain_values_that_nest_too_deeply_are_refused() -> None:
    value: Any = "x"
    for _ in range(200):
        value = [value]
    document = base()
    _tasks(document)["a"].update(task("a", x=value))
    with pytest.raises(ir.IRError, match="nests deeper than 100 levels"):
        ir.from_builtins(document)


@given(st.data())
def test_whatever_is_changed_it_is_read_or_refused(data: st.DataObject) -> None:
    """Any one value in the document replaced by any other: a document, or an IRError, and nothing else."""
    document = base()
    holder: Any = document
    for _ in range(data.draw(st.integers(1, 8))):
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        holder[key] = data.draw(st.none() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({"x": 1}))
        break
    before = copy.deepcopy(document)
    try:
        ir.from_builtins(document)
    except ir.IRError:
        pass
    assert document == before


@given(st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=3)))
def test_a_cycle_is_found_exactly_when_there_is_one(graph: dict[int, list[int]]) -> None:
    needs = {str(node): [str(each) for each in graph.get(node, []) if each in graph] for node in graph}
    cycle = check.find_cycle(needs)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(after in needs[before] for before, after in itertools.pairwise(cycle))
        return
    left = dict(needs)
    while left:
        free = [node for node, before in left.items() if not set(before) & left.keys()]
        assert free, "there is a cycle"
        for node in free:
            del left[node]


def test_the_clients_modules_load_without_msgspec() -> None:
    code = "import sys; import wherry.ir.documents; print('msgspec' in sys.modules, 'asyncio' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]
