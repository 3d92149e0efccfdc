"""Artifacts: all classes, both directions, lists, paths, returned ones."""
from typing import List, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Input,
    InputPath,
    Markdown,
    Metrics,
    Model,
    Output,
    OutputPath,
    SlicedClassificationMetrics,
)


@dsl.component
def produce(
    a: Output[Artifact],
    d: Output[Dataset],
    m: Output[Model],
    x: Output[Metrics],
    c: Output[ClassificationMetrics],
    s: Output[SlicedClassificationMetrics],
    h: Output[HTML],
    k: Output[Markdown],
):
    pass


@dsl.component
def consume(
    a: Input[Artifact],
    d: Input[Dataset],
    m: Input[Model],
    x: Input[Metrics],
    c: Input[ClassificationMetrics],
    s: Input[SlicedClassificationMetrics],
    h: Input[HTML],
    k: Input[Markdown],
) -> str:
    return ""


@dsl.component
def by_path(source: InputPath("Dataset"), any_source: InputPath(), model: InputPath(Model), out: OutputPath("Dataset"), own: OutputPath("MyType")):
    pass


@dsl.component
def optional_artifact(d: Optional[Input[Dataset]] = None, e: Input[Model] = None):
    pass


@dsl.component
def pythonic(d: Dataset) -> Model:
    return Model(uri=dsl.get_uri())


@dsl.component
def pythonic_many(d: Dataset, e: List[Dataset]) -> NamedTuple("Many", [("model", Model), ("metrics", Metrics), ("note", str)]):
    pass


@dsl.component
def takes_list(ds: Input[List[Dataset]], arts: Input[List[Artifact]]) -> int:
    return 0


@dsl.component
def one_dataset(text: str, out: Output[Dataset]):
    pass


@dsl.component
def any_artifact(a: Input[Artifact]):
    pass


@dsl.pipeline
def all_classes() -> Model:
    p = produce()
    consume(**{name: p.outputs[name] for name in "admxcshk"})
    any_artifact(a=p.outputs["m"])
    return p.outputs["m"]


@dsl.pipeline
def generic_goes_anywhere():
    p = produce()
    t = pythonic(d=p.outputs["a"])
    pythonic(d=p.outputs["d"]).after(t)
    by_path(source=p.outputs["d"], any_source=p.outputs["h"], model=p.outputs["m"])
    optional_artifact()
    optional_artifact(d=p.outputs["d"], e=p.outputs["m"])


@dsl.pipeline
def takes_artifacts(d: Input[Dataset], m: Model, more: Input[List[Dataset]]) -> NamedTuple("Out", [("model", Model), ("same", Dataset)]):
    t = pythonic(d=d)
    pythonic_many(d=d, e=more)
    one = one_dataset(text="x")
    takes_list(ds=more, arts=more)
    from collections import namedtuple

    return namedtuple("Out", ["model", "same"])(t.output, one.outputs["out"])


@dsl.pipeline
def uses_artifact_pipeline():
    one = one_dataset(text="x")
    model = pythonic(d=one.outputs["out"])
    with dsl.ParallelFor(["a", "b"]) as item:
        inner = one_dataset(text=item)
    used = takes_artifacts(d=one.outputs["out"], m=model.output, more=dsl.Collected(inner.outputs["out"]))
    any_artifact(a=used.outputs["same"])


@dsl.pipeline
def optional_pipeline_artifact(d: Optional[Input[Dataset]] = None):
    optional_artifact(d=d)
