"""Pipelines used as components: renaming, outputs, deep nesting, control flow around and inside."""
from typing import List, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output


@dsl.component
def add(a: int, b: int = 1) -> int:
    return a + b


@dsl.component
def train(d: Input[Dataset], m: Output[Model]):
    pass


@dsl.component
def data(out: Output[Dataset]):
    pass


@dsl.component
def show(text: str = ""):
    print(text)


@dsl.pipeline
def inner(x: int = 1, y: int = 2) -> int:
    """Adds.

    Args:
        x: The first.
        y: The second.

    Returns:
        Output: Their sum.
    """
    t = add(a=x, b=y)
    return add(a=t.output).output


@dsl.pipeline
def once(n: int) -> int:
    add(a=n)
    return inner(x=n).output


@dsl.pipeline
def often():
    a = inner()
    b = inner(x=a.output)
    add(a=b.output)
    inner(x=1, y=b.output).after(a)


@dsl.pipeline
def deeper(n: int = 1) -> int:
    a = once(n=n)
    b = inner(x=a.output)
    return add(a=b.output).output


@dsl.pipeline
def deepest():
    deeper()
    deeper(n=3)
    once(n=4)


@dsl.pipeline
def with_flow(x: int, rows: List[int]) -> List[int]:
    with dsl.If(x == 1):
        show(text="1")
    with dsl.ParallelFor(rows) as row:
        t = add(a=row)
    return dsl.Collected(t.output)


@dsl.pipeline
def flow_around_flow(x: int):
    first = with_flow(x=x, rows=[1, 2])
    with dsl.ParallelFor(first.output) as row:
        add(a=row)
        inner(x=row)
    exit_task = show(text="exit")
    with dsl.ExitHandler(exit_task):
        inner(x=x)


@dsl.pipeline
def artifacts(d: Input[Dataset]) -> NamedTuple("Out", [("model", Model), ("n", int)]):
    t = train(d=d)
    from collections import namedtuple

    return namedtuple("Out", ["model", "n"])(t.outputs["m"], add(a=1).output)


@dsl.component
def use(m: Input[Model], n: int):
    pass


@dsl.pipeline
def passes_artifacts() -> Model:
    t = artifacts(d=data().outputs["out"])
    use(m=t.outputs["model"], n=t.outputs["n"])
    return t.outputs["model"]


@dsl.pipeline
def inside_condition(x: int):
    with dsl.If(x == 1):
        t = inner(x=x)
        add(a=t.output)
    with dsl.ParallelFor([1, 2]) as n:
        u = once(n=n)
        with dsl.If(u.output > 3):
            inner(x=u.output, y=n)


@dsl.pipeline
def optional_inputs(a: Optional[str] = None, b: Optional[int] = 3, c: str = "c"):
    show(text=c)


@dsl.pipeline
def gives_optional(a: Optional[str] = None):
    optional_inputs()
    optional_inputs(a=a)
    optional_inputs(b=4, c="d")


@dsl.pipeline(name="renamed-pipeline", display_name="Shown", pipeline_root="s3://x", description="Own")
def named_otherwise(text: str = ""):
    show(text=text)


@dsl.pipeline
def uses_renamed():
    named_otherwise()
    named_otherwise(text="x").set_display_name("Second")
