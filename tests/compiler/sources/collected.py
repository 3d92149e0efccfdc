"""Collected: parameters, artifacts, nested, with conditions, returned, in pipelines."""
from typing import List, NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output


@dsl.component
def double(n: int) -> int:
    return 2 * n


@dsl.component
def add(ns: List[int]) -> int:
    return sum(ns)


@dsl.component
def add_lists(ns: List[List[int]]) -> int:
    return 0


@dsl.component
def dataset(n: int, out: Output[Dataset]):
    pass


@dsl.component
def join(ds: Input[List[Dataset]]) -> str:
    return ""


@dsl.component
def two(n: int) -> NamedTuple("Two", [("a", str), ("b", float)]):
    return ("x", 1.0)


@dsl.component
def take(texts: List[str] = [], floats: list = []):
    pass


@dsl.pipeline
def parameters() -> int:
    with dsl.ParallelFor([1, 2, 3]) as n:
        t = double(n=n)
    return add(ns=dsl.Collected(t.output)).output


@dsl.pipeline
def several():
    with dsl.ParallelFor([1, 2, 3], name="fan out") as n:
        t = two(n=n)
        d = double(n=n)
    take(texts=dsl.Collected(t.outputs["a"]), floats=dsl.Collected(t.outputs["b"]))
    add(ns=dsl.Collected(d.output))
    add(ns=dsl.Collected(d.output))


@dsl.pipeline
def artifacts():
    with dsl.ParallelFor([1, 2, 3], parallelism=1) as n:
        t = dataset(n=n)
    join(ds=dsl.Collected(t.outputs["out"]))


@dsl.pipeline
def nested() -> int:
    with dsl.ParallelFor([1, 2]) as a:
        with dsl.ParallelFor([3, 4]) as b:
            t = double(n=b)
            u = double(n=a)
    add_lists(ns=dsl.Collected(u.output))
    return add_lists(ns=dsl.Collected(t.output)).output


@dsl.pipeline
def inner_first() -> int:
    with dsl.ParallelFor([1, 2]) as a:
        with dsl.ParallelFor([3, 4]) as b:
            t = double(n=b)
        s = add(ns=dsl.Collected(t.output))
    return add(ns=dsl.Collected(s.output)).output


@dsl.pipeline
def with_condition_inside():
    with dsl.ParallelFor([1, 2, 3]) as n:
        with dsl.If(n == 2):
            t = double(n=n)
            d = dataset(n=n)
    add(ns=dsl.Collected(t.output))
    join(ds=dsl.Collected(d.outputs["out"]))


@dsl.pipeline
def consumed_in_condition(x: int):
    with dsl.ParallelFor([1, 2, 3]) as n:
        t = double(n=n)
    with dsl.If(x == 1):
        add(ns=dsl.Collected(t.output))


@dsl.pipeline
def consumed_in_other_loop():
    with dsl.ParallelFor([1, 2, 3]) as n:
        t = double(n=n)
    with dsl.ParallelFor([4, 5]) as m:
        add(ns=dsl.Collected(t.output))
        double(n=m)


@dsl.pipeline
def inside_one_condition(x: int):
    with dsl.If(x == 1):
        with dsl.ParallelFor([1, 2, 3]) as n:
            t = double(n=n)
        add(ns=dsl.Collected(t.output))


@dsl.pipeline
def returned() -> List[int]:
    with dsl.ParallelFor([1, 2, 3]) as n:
        t = double(n=n)
    return dsl.Collected(t.output)


@dsl.pipeline
def returned_nested() -> List[int]:
    with dsl.ParallelFor([1, 2]) as a:
        with dsl.ParallelFor([3, 4]) as b:
            t = double(n=b)
    return dsl.Collected(t.output)


@dsl.pipeline
def returned_artifacts(items: List[int]) -> NamedTuple("Out", [("ds", List[Dataset]), ("ns", List[int])]):
    with dsl.ParallelFor(items) as n:
        t = dataset(n=n)
        u = double(n=n)
    from collections import namedtuple

    return namedtuple("Out", ["ds", "ns"])(dsl.Collected(t.outputs["out"]), dsl.Collected(u.output))


@dsl.pipeline
def uses_pipelines():
    made = returned_artifacts(items=[1, 2])
    join(ds=made.outputs["ds"])
    add(ns=made.outputs["ns"])
    with dsl.ParallelFor(made.outputs["ns"]) as n:
        double(n=n)


@dsl.pipeline
def one_number(n: int) -> int:
    return double(n=n).output


@dsl.pipeline
def collects_from_pipelines():
    with dsl.ParallelFor([1, 2]) as n:
        t = one_number(n=n)
    add(ns=dsl.Collected(t.output))
