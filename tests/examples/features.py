"""Flows that use all of `wherry.dsl`, a pipeline a feature; `test_features.py` runs each and knows what it gives."""

# ruff: noqa: B006, E741, SIM117, UP014

from typing import NamedTuple

from wherry import dsl
from wherry.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Collected,
    ConcatPlaceholder,
    ContainerSpec,
    Dataset,
    IfPresentPlaceholder,
    Input,
    InputPath,
    Markdown,
    Metrics,
    Model,
    OneOf,
    Output,
    OutputPath,
    PipelineTaskFinalStatus,
    SlicedClassificationMetrics,
)

# --- small components -----------------------------------------------------------------------------------------------


@dsl.component
def numbers(n: int) -> list[int]:
    return list(range(n))


@dsl.component
def add(a: int, b: int = 10) -> int:
    assert (type(a), type(b)) == (int, int)
    return a + b


@dsl.component
def total(values: list[int]) -> int:
    return sum(values)


@dsl.component
def say(text: str) -> str:
    return text


@dsl.component
def make(text: str, data: Output[Dataset]):
    with open(data.path, "w") as file:
        file.write(text)
    data.metadata["length"] = len(text)


@dsl.component
def read(data: Input[Dataset]) -> str:
    with open(data.path) as file:
        return f"{file.read()}/{data.metadata['length']}"


@dsl.component
def read_any(data: Input[Artifact]) -> str:
    with open(data.path) as file:
        return f"{type(data).__name__}: {file.read()}"


@dsl.component
def read_all(data: Input[list[Dataset]]) -> str:
    import pathlib

    return " ".join(pathlib.Path(each.path).read_text() for each in data)


@dsl.component
def fails(message: str) -> str:
    raise ValueError(message)


# --- loops ----------------------------------------------------------------------------------------------------------


@dsl.component
def nested_total(values: list[list[int]]) -> int:
    return sum(map(sum, values))


@dsl.pipeline
def loops_over_outputs(n: int = 4) -> int:
    """Nested loops over outputs, the inner one over what the outer one makes; a fan-in of two levels."""
    with dsl.ParallelFor(numbers(n=n).output) as i:
        made = numbers(n=i)
        with dsl.ParallelFor(made.output, parallelism=2) as j:
            added = add(a=i, b=j)
    return total(values=Collected(added.output)).output


@dsl.component
def models() -> list[dict]:
    return [{"name": "a", "sizes": [1, 2], "deep": {"rate": 0.5}}, {"name": "b", "sizes": [3], "deep": {"rate": 2}}]


@dsl.component
def scaled(name: str, size: int, rate: float) -> str:
    assert type(rate) is float, type(rate)
    return f"{name}{size * rate:g}"


@dsl.component
def joined(words: list[str]) -> str:
    return " ".join(words)


@dsl.pipeline
def loops_over_fields() -> str:
    """Fields of items, and a loop over a field of the item."""
    with dsl.ParallelFor([{"name": "a", "sizes": [1, 2]}, {"name": "b", "sizes": [3]}]) as model:
        with dsl.ParallelFor(model.sizes) as size:
            done = scaled(name=model.name, size=size, rate=0.5)
    return joined(words=Collected(done.output)).output


@dsl.component
def described(model: dict, name: str, deep: dict) -> str:
    assert model["deep"] == deep
    return f"{name}{deep['rate']}"


@dsl.pipeline
def fields_of_outputs() -> str:
    """Fields of items of an output."""
    with dsl.ParallelFor(models().output) as model:
        done = described(model=model, name=model.name, deep=model.deep)
    return joined(words=Collected(done.output)).output


@dsl.pipeline
def loops_of_nothing() -> int:
    """No iteration, and an empty fan-in."""
    with dsl.ParallelFor(numbers(n=0).output) as i:
        added = add(a=i)
    return total(values=Collected(added.output)).output


@dsl.pipeline
def loops_with_conditions(n: int = 4):
    """A condition inside a loop; what is inside waits for what is outside."""
    first = say(text="first")
    with dsl.ParallelFor(numbers(n=n).output) as i, dsl.If(i > 1):
        add(a=i).after(first)


@dsl.pipeline
def makes_a_list(words: list[str]) -> list[Dataset]:
    with dsl.ParallelFor(words) as word:
        made = make(text=word)
    return Collected(made.outputs["data"])


@dsl.pipeline
def lists_of_artifacts(words: list[str] = ["x", "y", "z"]) -> str:
    """A fan-in of artifacts comes out of a pipeline, a loop goes over it, and there is a fan-in of that."""
    with dsl.ParallelFor(makes_a_list(words=words).output) as data:
        said = read(data=data)
        again = make(text=said.output)
    return read_all(data=Collected(again.outputs["data"])).output


# --- conditions -----------------------------------------------------------------------------------------------------


@dsl.pipeline
def branches(side: str = "tails", n: int = 3) -> NamedTuple("Chosen", [("text", str), ("size", str), ("read", str)]):
    """OneOf of parameters and of artifacts, on outputs and on arguments, consumed and returned."""
    flipped = say(text=side)
    with dsl.If(flipped.output == "heads"):
        said_one = say(text="it was heads")
        made_one = make(text="h")
    with dsl.Elif(flipped.output == "tails"):
        said_two = say(text="it was tails")
        made_two = make(text="t")
    with dsl.Else():
        said_three = say(text="it was the edge")
        made_three = make(text="e")
    with dsl.If(n < 3):
        small = say(text="small")
    with dsl.Else():
        large = say(text="large")
    data = OneOf(made_one.outputs["data"], made_two.outputs["data"], made_three.outputs["data"])
    Chosen = NamedTuple("Chosen", [("text", str), ("size", str), ("read", str)])
    return Chosen(
        text=OneOf(said_one.output, said_two.output, said_three.output),
        size=OneOf(small.output, large.output),
        read=read(data=data).output,
    )


@dsl.pipeline
def chosen_artifact(x: float = 2.0, yes: bool = True) -> Dataset:
    """OneOf of artifacts as the output of a pipeline; conditions on numbers and truth values, one in another."""
    with dsl.If(x > 1.5):
        with dsl.If(yes == True):  # noqa: E712 - so it is written in KFP
            say(text="deep")
        one = make(text="more")
    with dsl.Else():
        other = make(text="less")
    return OneOf(one.outputs["data"], other.outputs["data"])


@dsl.pipeline
def uses_chosen_artifact() -> str:
    return read(data=chosen_artifact(x=1.0, yes=False).output).output


@dsl.pipeline
def branches_in_loops() -> str:
    """OneOf inside a loop, fanned in; numbers and truth values in texts."""
    with dsl.ParallelFor(["a", "it's", "c"]) as word:
        with dsl.If(word == "it's"):
            one = say(text=f"{word} {add(a=1).output} {1.5}")
        with dsl.Else():
            two = say(text=word)
        chosen = say(text=OneOf(one.output, two.output))
    return joined(words=Collected(chosen.output)).output


# --- ends and failures ----------------------------------------------------------------------------------------------


@dsl.component
def note_status(folder: str, note: str, status: PipelineTaskFinalStatus):
    import json
    import pathlib

    facts = [status.state, status.pipeline_task_name, status.pipeline_job_resource_name, status.error_message]
    pathlib.Path(folder, note).write_text(json.dumps(facts))


@dsl.pipeline
def exits(folder: str, fail: bool):
    """An exit task learns how that ended which it waits for."""
    with dsl.ExitHandler(note_status(folder=folder, note="exit"), name="guarded"):
        with dsl.If(fail == True):  # noqa: E712
            fails(message="on purpose")
        with dsl.Else():
            say(text="fine")


@dsl.component
def say_default(text: str = "default") -> str:
    return text


@dsl.pipeline
def goes_on() -> str:
    """Tasks that ignore that others failed, and get the default for what these did not make."""
    failed = fails(message="never mind")
    return say_default(text=failed.output).ignore_upstream_failure().output


@dsl.pipeline
def fails_inside() -> str:
    return fails(message="inside").output


@dsl.pipeline
def goes_on_after_pipelines():
    failed = fails_inside()
    say(text="after").after(failed).ignore_upstream_failure()
    say(text="not").after(failed)


@dsl.component
def third_time(folder: str) -> int:
    import pathlib

    tries = sum(1 for _ in pathlib.Path(folder).iterdir())
    pathlib.Path(folder, f"try-{tries}").touch()
    if tries < 2:
        raise RuntimeError(f"try {tries}")
    return tries


@dsl.pipeline
def retried(folder: str) -> int:
    task = third_time(folder=folder)
    task.set_retry(num_retries=3, backoff_duration="0s", backoff_factor=1.0)
    return task.output


# --- artifacts ------------------------------------------------------------------------------------------------------


@dsl.pipeline
def imports(uri: str) -> NamedTuple("Read", [("fixed", str), ("generic", str)]):
    """A local file becomes an artifact, with metadata that is known at once or later."""
    length = add(a=1, b=2)
    data = dsl.importer(
        artifact_uri=uri, artifact_class=Dataset, reimport=True, metadata={"length": length.output, "from": uri}
    )
    Read = NamedTuple("Read", [("fixed", str), ("generic", str)])
    return Read(fixed=read(data=data.output).output, generic=read_any(data=data.output).output)


@dsl.component
def by_path(data: InputPath("Dataset"), text: str, copy: OutputPath("Dataset"), size: OutputPath(int)):
    with open(data) as source, open(copy, "w") as target, open(size, "w") as number:
        target.write(source.read() + text)
        number.write("7")


@dsl.pipeline
def paths() -> NamedTuple("Made", [("copied", str), ("size", int)]):
    done = by_path(data=make(text="by").outputs["data"], text=" path")
    Made = NamedTuple("Made", [("copied", str), ("size", int)])
    return Made(copied=read_any(data=done.outputs["copy"]).output, size=done.outputs["size"])


@dsl.component
def returns_artifacts(data: Dataset) -> NamedTuple("Out", [("model", Model), ("same", Dataset), ("score", float)]):
    import pathlib
    from typing import NamedTuple

    model = Model(uri=dsl.get_uri(suffix="model"), metadata={"framework": "none"})
    pathlib.Path(model.path).write_text("weights of " + pathlib.Path(data.path).read_text())
    Out = NamedTuple("Out", [("model", Model), ("same", Dataset), ("score", float)])
    return Out(model=model, same=data, score=0.5)


@dsl.component
def returns_one(model: Model) -> Dataset:
    import pathlib

    data = Dataset(uri=dsl.get_uri("one"), metadata={"length": len(model.metadata["framework"])})
    pathlib.Path(data.path).write_text(pathlib.Path(model.path).read_text())
    return data


@dsl.pipeline
def returned_artifacts() -> NamedTuple("Read", [("text", str), ("same", str), ("score", float)]):
    """Artifacts that a function makes itself and returns."""
    made = returns_artifacts(data=make(text="data").output)
    one = returns_one(model=made.outputs["model"])
    Read = NamedTuple("Read", [("text", str), ("same", str), ("score", float)])
    return Read(
        text=read(data=one.output).output, same=read(data=made.outputs["same"]).output, score=made.outputs["score"]
    )


@dsl.component
def reports(
    notes: Output[Markdown],
    page: Output[HTML],
    numbers: Output[Metrics],
    curve: Output[ClassificationMetrics],
    slices: Output[SlicedClassificationMetrics],
):
    import pathlib

    pathlib.Path(notes.path).write_text("# Notes")
    pathlib.Path(page.path).write_text("<h1>Page</h1>")
    numbers.log_metric("accuracy", 0.75)
    curve.log_roc_curve([0.0, 0.5], [0.0, 1.0], [0.9, 0.1])
    curve.log_confusion_matrix(["no", "yes"], [[3, 1], [0, 4]])
    slices.load_confusion_matrix("young", ["no", "yes"], [[1, 0], [0, 1]])


@dsl.component
def reads_reports(numbers: Input[Metrics], curve: Input[ClassificationMetrics], notes: Input[Markdown]) -> str:
    rows = [[int(cell) for cell in row["row"]] for row in curve.metadata["confusionMatrix"]["rows"]]
    with open(notes.path) as file:
        return f"{numbers.metadata['accuracy']} {rows} {file.read()}"


@dsl.pipeline
def reported() -> str:
    made = reports()
    given = {name: made.outputs[name] for name in ("numbers", "curve", "notes")}
    return reads_reports(**given).output


@dsl.component
def makes_folder(tree: Output[Dataset]):
    import os

    os.makedirs(os.path.join(tree.path, "deep"))
    with open(os.path.join(tree.path, "deep", "file"), "w") as file:
        file.write("in a folder")


@dsl.component
def reads_folder(tree: Input[Dataset]) -> str:
    with open(tree.path + "/deep/file") as file:
        return file.read()


@dsl.pipeline
def folders() -> str:
    return reads_folder(tree=makes_folder().outputs["tree"]).output


# --- values ---------------------------------------------------------------------------------------------------------


@dsl.component
def many_types(i: int, f: float, b: bool, s: str, l: list, d: dict) -> NamedTuple(
    "Out", [("i", int), ("f", float), ("b", bool), ("s", str), ("l", list), ("d", dict)]
):
    from collections import namedtuple

    assert [type(x) for x in (i, f, b, s, l, d)] == [int, float, bool, str, list, dict]
    return namedtuple("Out", ["i", "f", "b", "s", "l", "d"])(i + 1, f, not b, s, [*l, None], {**d, "more": [1, {}]})


@dsl.pipeline
def types(
    i: int = 1, f: float = 2, b: bool = False, s: str = 'a "b" {c} %d é\n', l: list = [1.5, "x"], d: dict = {"k": {}}
) -> NamedTuple("Out", [("i", int), ("f", float), ("b", bool), ("s", str), ("l", list), ("d", dict)]):
    """Every type in and out, through two tasks, and a text made of a constant and an output."""
    one = many_types(i=i, f=f, b=b, s=s, l=l, d=d)
    two = many_types(**{name: one.outputs[name] for name in "ifbsld"})
    Out = NamedTuple("Out", [("i", int), ("f", float), ("b", bool), ("s", str), ("l", list), ("d", dict)])
    return Out(**{name: two.outputs[name] for name in "ifbsld"})


@dsl.component
def optional(a: str | None = None, b: int | None = 5, data: Input[Dataset] | None = None) -> str:
    return f"{a} {b} {data}"


@dsl.pipeline
def inner(a: str | None = None, b: int = 3, words: list[str] = ["w"]) -> str:
    with dsl.ParallelFor(words) as word:
        say(text=f"{word} of {b}")
    return optional(a=a, b=b).output


@dsl.pipeline
def pipelines(a: str | None = None) -> NamedTuple("Said", [("first", str), ("second", str), ("third", str)]):
    """A pipeline in a pipeline, with defaults, optional parameters and outputs of tasks."""
    Said = NamedTuple("Said", [("first", str), ("second", str), ("third", str)])
    return Said(
        first=inner().output,
        second=inner(a=a, b=4).output,
        third=inner(a=say(text="x").output, words=["u", "v"]).output,
    )


@dsl.component
def where(job: str, job_id: str, task: str, name: str) -> str:
    assert (job[:13], len(job_id)) == ("placeholders-", 36)
    return f"{task} {name}"


@dsl.pipeline
def placeholders(name: str = "you") -> str:
    return where(
        job=dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER,
        job_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        task=dsl.PIPELINE_TASK_NAME_PLACEHOLDER,
        name=f"for {name}{say(text='!').output}",
    ).output


# --- containers -----------------------------------------------------------------------------------------------------


@dsl.container_component
def shell(text: str, data: Input[Dataset], made: Output[Model], said: OutputPath(str), more: str | None = None):
    script = 'mkdir -p "${2%/*}" "${3%/*}"; cat "$1" > "$2"; said="$3"; shift 3; printf "%s," "$@" > "$said"'
    return ContainerSpec(
        image="alpine",
        command=["sh", "-ec", script, "shell"],
        args=[
            data.path,
            made.path,
            said,
            ConcatPlaceholder(["--text=", text]),
            IfPresentPlaceholder(input_name="more", then=["--more", more], else_=["--no-more"]),
            ConcatPlaceholder(["length:", data.metadata["length"]]),
        ],
    )


@dsl.container_component
def greets(name: str):
    return ContainerSpec(image="alpine", command=["sh", "-c", 'test "$GREETING $0" = "hello you"'], args=[name])


@dsl.pipeline
def containers(more: str = "m") -> NamedTuple("Said", [("without", str), ("with_it", str), ("copied", str)]):
    """Commands: paths, IfPresent, Concat, metadata, the environment."""
    data = make(text="abc").outputs["data"]
    without = shell(text="a b", data=data)
    with_it = shell(text="'", data=data, more=more)
    greets(name="you").set_env_variable("GREETING", "hello")
    Said = NamedTuple("Said", [("without", str), ("with_it", str), ("copied", str)])
    return Said(
        without=without.outputs["said"],
        with_it=with_it.outputs["said"],
        copied=read_any(data=with_it.outputs["made"]).output,
    )
