"""ParallelFor over values, inputs, outputs, artifacts; nested; fields."""
from typing import Dict, List

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component
def listing() -> list:
    return [1]


@dsl.component
def typed_listing() -> List[str]:
    return ["a"]


@dsl.component
def dicts() -> List[Dict[str, int]]:
    return [{"a": 1}]


@dsl.component
def show(text: str = "", n: int = 0, f: float = 0.0, d: dict = {}, b: bool = False):
    print(text)


@dsl.component
def double(n: int) -> int:
    return 2 * n


@dsl.component
def dataset(out: Output[Dataset], n: int = 0):
    pass


@dsl.component
def use(d: Input[Dataset]):
    pass


@dsl.pipeline
def over_values():
    with dsl.ParallelFor([1, 2, 3]) as n:
        show(n=n)
    with dsl.ParallelFor(["a", "b"], name="texts") as s:
        show(text=s)
    with dsl.ParallelFor([1.5]) as f:
        show(f=f)
    with dsl.ParallelFor([True, False]) as b:
        show(b=b)
    with dsl.ParallelFor(({"b": 1, "a": 2},)) as d:
        show(d=d)
    with dsl.ParallelFor([1, 2], parallelism=2) as n:
        double(n=n)
    with dsl.ParallelFor(items=[1], parallelism=0):
        show(text="no item")


@dsl.pipeline
def over_fields_of_values():
    with dsl.ParallelFor([{"a": 1, "b": 2}, {"a": 10, "b": 20}]) as item:
        show(n=item.a)
        show(n=item.b)
        show(d=item)
    with dsl.ParallelFor([{"t": "x"}], parallelism=1) as item:
        show(text=item.t)


@dsl.pipeline
def over_input(names: List[str], numbers: List[int], anything: list, rows: List[Dict[str, int]]):
    with dsl.ParallelFor(names) as name:
        show(text=name)
    with dsl.ParallelFor(numbers, parallelism=3) as n:
        show(n=n)
        show(n=n, text="again")
    with dsl.ParallelFor(anything) as one:
        show(text=one)
    with dsl.ParallelFor(rows) as row:
        show(n=row.a)
        show(n=row.b)


@dsl.pipeline
def over_output():
    with dsl.ParallelFor(listing().output) as one:
        show(text=one)
    with dsl.ParallelFor(typed_listing().output) as text:
        show(text=text)
    rows = dicts()
    with dsl.ParallelFor(rows.output) as row:
        show(n=row.a)
    with dsl.ParallelFor(rows.output, name="again") as row:
        show(n=row.x)


@dsl.pipeline
def nested_values():
    with dsl.ParallelFor([1, 2]) as a:
        with dsl.ParallelFor(["x", "y"]) as b:
            show(n=a, text=b)
        show(n=a)


@dsl.pipeline
def nested_input(rows: list, names: List[str]):
    with dsl.ParallelFor(rows) as row:
        with dsl.ParallelFor(row.inner) as inner:
            show(text=inner.q)
        show(text=row.p)


@dsl.pipeline
def nested_outputs():
    with dsl.ParallelFor([1, 2]) as n:
        inner = typed_listing()
        with dsl.ParallelFor(inner.output) as text:
            show(text=text, n=n)


@dsl.pipeline
def outer_output_in_inner_loop():
    outside = double(n=1)
    with dsl.ParallelFor([1, 2]) as n:
        here = double(n=n)
        with dsl.ParallelFor([3, 4]) as m:
            show(n=outside.output)
            show(n=here.output)
            show(n=m)


@dsl.pipeline
def with_conditions(x: int):
    with dsl.ParallelFor([1, 2, 3]) as n:
        with dsl.If(n == 2):
            show(n=n)
        with dsl.If(x == 2):
            show(n=n)
        d = double(n=n)
        with dsl.If(d.output > 2):
            show(n=d.output)
    with dsl.If(x == 1):
        with dsl.ParallelFor([1, 2]) as n:
            show(n=n)


@dsl.pipeline
def condition_on_field():
    with dsl.ParallelFor([{"a": 1}, {"a": 2}]) as item:
        with dsl.If(item.a == 1):
            show()


@dsl.pipeline
def condition_on_field_of_input(rows: List[Dict[str, int]]):
    with dsl.ParallelFor(rows) as row:
        with dsl.If(row.a == 1):
            show(n=row.b)


@dsl.pipeline
def artifact_list(ds: Input[List[Dataset]]):
    with dsl.ParallelFor(ds) as d:
        use(d=d)


@dsl.pipeline
def collects() -> List[Dataset]:
    with dsl.ParallelFor([1, 2]) as n:
        t = dataset(n=n)
    return dsl.Collected(t.outputs["out"])


@dsl.pipeline
def loops_over_artifacts():
    made = collects()
    with dsl.ParallelFor(made.output) as d:
        use(d=d)
    with dsl.ParallelFor(made.output, name="with condition", parallelism=4) as d:
        with dsl.ParallelFor([1, 2]) as n:
            use(d=d)
            show(n=n)


@dsl.pipeline
def after_loop():
    with dsl.ParallelFor([1, 2]) as n:
        t = double(n=n)
        u = double(n=n)
    show().after(t)
    show().after(t, u)
    with dsl.If(double(n=4).output == 8):
        show().after(t)


@dsl.pipeline
def loop_waits_for_producer():
    first = show()
    rows = listing().after(first)
    with dsl.ParallelFor(rows.output) as item:
        show(text=item).after(first)
    with dsl.ParallelFor([1, 2]) as n:
        show(n=n).after(first)


@dsl.pipeline
def names_inside_names(a: str, data: List[str]):
    with dsl.ParallelFor(data) as item:
        show(text=a)
        show(text=item)


@dsl.pipeline
def nested_over_the_same_list(data: List[str], tables: List[Dict[str, int]]):
    with dsl.ParallelFor(data, parallelism=2) as item:
        show(text=item)
        with dsl.ParallelFor(data) as inner:
            show(text=inner)
    with dsl.ParallelFor(tables) as row:
        show(n=row.a)
        with dsl.ParallelFor(tables) as other:
            show(n=other.a)
    rows = listing()
    with dsl.ParallelFor(rows.output) as one, dsl.ParallelFor(rows.output) as two, dsl.ParallelFor(rows.output) as three:
        show(text=f"<{three}>")


@dsl.pipeline
def fields_in_structures_in_conditions(x: int):
    with dsl.ParallelFor([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]) as item:
        with dsl.If(x == 1):
            show(d={"k": item.a, "l": [item.b]})
        with dsl.If(x == 2):
            show(d=item)
            show(n=item.a)
            show(d={"b": item.b})
