"""OneOf: parameters and artifacts, consumed, returned, nested."""
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output


@dsl.component
def flip() -> str:
    return "heads"


@dsl.component
def say(text: str) -> str:
    return text


@dsl.component
def count(n: int) -> int:
    return n


@dsl.component
def dataset(text: str, out: Output[Dataset]):
    pass


@dsl.component
def use(d: Input[Dataset]):
    pass


@dsl.pipeline
def returned() -> str:
    f = flip()
    with dsl.If(f.output == "heads"):
        a = say(text="h")
    with dsl.Else():
        b = say(text="t")
    return dsl.OneOf(a.output, b.output)


@dsl.pipeline
def consumed():
    f = flip()
    with dsl.If(f.output == "heads"):
        a = say(text="h")
    with dsl.Elif(f.output == "edge"):
        c = say(text="e")
    with dsl.Else():
        b = say(text="t")
    one = dsl.OneOf(a.output, c.output, b.output)
    say(text=one)
    say(text=one)


@dsl.pipeline
def consumed_and_returned() -> str:
    f = flip()
    with dsl.If(f.output == "heads"):
        a = say(text="h")
    with dsl.Else():
        b = say(text="t")
    one = dsl.OneOf(a.output, b.output)
    say(text=one)
    return one


@dsl.pipeline
def two_of_them() -> NamedTuple("Out", [("text", str), ("number", int), ("data", Dataset)]):
    f = flip()
    with dsl.If(f.output == "heads"):
        a = say(text="h")
        x = count(n=1)
        d = dataset(text="1")
    with dsl.Else():
        b = say(text="t")
        y = count(n=2)
        e = dataset(text="2")
    from collections import namedtuple

    return namedtuple("Out", ["text", "number", "data"])(
        dsl.OneOf(a.output, b.output), dsl.OneOf(x.output, y.output), dsl.OneOf(d.outputs["out"], e.outputs["out"])
    )


@dsl.pipeline
def artifacts() -> Artifact:
    f = flip()
    with dsl.If(f.output == "heads"):
        a = dataset(text="h")
    with dsl.Else():
        b = dataset(text="t")
    one = dsl.OneOf(a.outputs["out"], b.outputs["out"])
    use(d=one)
    return one


@dsl.pipeline
def from_deeper() -> str:
    f = flip()
    with dsl.If(f.output == "heads"):
        a = say(text="h")
    with dsl.Else():
        with dsl.If(f.output == "edge"):
            b = say(text="e")
        with dsl.Else():
            c = say(text="t")
        inner = dsl.OneOf(b.output, c.output)
        d = say(text=inner)
    return dsl.OneOf(a.output, d.output)


@dsl.pipeline
def inside_loop():
    with dsl.ParallelFor([1, 2]) as n:
        with dsl.If(n == 1):
            a = count(n=n)
        with dsl.Else():
            b = count(n=3)
        count(n=dsl.OneOf(a.output, b.output))


@dsl.pipeline
def consumed_inside_condition(x: int):
    f = flip()
    with dsl.If(f.output == "heads"):
        a = say(text="h")
    with dsl.Else():
        b = say(text="t")
    one = dsl.OneOf(a.output, b.output)
    with dsl.If(x == 1):
        say(text=one)


@dsl.pipeline
def inner() -> str:
    f = flip()
    with dsl.If(f.output == "heads"):
        a = say(text="h")
    with dsl.Else():
        b = say(text="t")
    return dsl.OneOf(a.output, b.output)


@dsl.pipeline
def of_pipelines() -> str:
    f = flip()
    with dsl.If(f.output == "heads"):
        a = inner()
    with dsl.Else():
        b = inner()
    return dsl.OneOf(a.output, b.output)
