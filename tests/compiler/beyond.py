"""Flows that kfp's compiler fails on, or makes wrong documents of.  Used by `test_beyond_kfp`."""

from __future__ import annotations

import enum
from typing import Literal

from wherry import dsl
from wherry.dsl import Dataset, Input, Output


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dsl.component
def show(text: str = "", n: int = 0):
    print(text)


@dsl.component
def number(n: int = 1) -> int:
    return n


@dsl.component
def listing() -> list[str]:
    return []


@dsl.component
def total(ns: list[int]) -> int:
    return sum(ns)


@dsl.component
def data(out: Output[Dataset], n: int = 0):
    pass


@dsl.component
def join(ds: Input[list[Dataset]]):
    pass


@dsl.component
def choices(color: Color, mode: Literal["fast", "slow"] = "fast", level: Level = Level.LOW, bits: Literal[8, 16] = 8):
    pass


@dsl.component
def newer_unions(a: str | None, b: int | None = None, d: Input[Dataset] | None = None) -> str:
    return a or ""


@dsl.pipeline
def field_in_inner_loop():
    with dsl.ParallelFor([{"a": 1}, {"a": 2}]) as item, dsl.ParallelFor([3, 4]) as n:
        show(n=item.a)
        show(n=n)


@dsl.pipeline
def field_in_condition(x: int):
    with dsl.ParallelFor([{"a": 1}, {"a": 2}]) as item, dsl.If(x == 1):
        show(n=item.a)


@dsl.pipeline
def loop_over_values_in_condition(x: int):
    with dsl.If(x == 1), dsl.ParallelFor([{"a": 1}, {"a": 2}]) as item:
        show(n=item.a)


@dsl.pipeline
def fields_with_taken_names():
    with dsl.ParallelFor([{"name": "a", "value": "b", "task_name": "c"}]) as item:
        show(text=item.name)
        show(text=item.value)
        show(text=item.task_name)


@dsl.pipeline
def field_in_text():
    with dsl.ParallelFor([{"a": "x"}]) as item:
        show(text=f"<{item.a}>")


@dsl.pipeline
def list_in_text(names: list[str]):
    show(text=f"<{names}>")


@dsl.pipeline
def unused_loop_item(x: int):
    made = listing()
    with dsl.If(x == 1), dsl.ParallelFor(made.output):
        show()


@dsl.pipeline
def same_list_twice(names: list[str]):
    with dsl.ParallelFor(names) as outer, dsl.ParallelFor(names) as inner:
        show(text=outer)
        show(text=inner)


@dsl.pipeline
def collected_twice() -> list[int]:
    with dsl.ParallelFor([1, 2]) as n:
        t = number(n=n)
    collected = dsl.Collected(t.output)
    total(ns=collected)
    total(ns=collected)
    return collected


@dsl.pipeline
def collected_artifacts_in_condition(x: int):
    with dsl.ParallelFor([1, 2]) as n:
        t = data(n=n)
    with dsl.If(x == 1):
        join(ds=dsl.Collected(t.outputs["out"]))


@dsl.pipeline
def condition_on_one_of(x: int):
    with dsl.If(x == 1):
        a = number(n=1)
    with dsl.Else():
        b = number(n=2)
    with dsl.If(dsl.OneOf(a.output, b.output) == 1):
        show()


@dsl.pipeline
def resources_in_group(x: int):
    cpu = newer_unions(a="1")
    with dsl.If(x == 1):
        show().set_cpu_limit(cpu.output)


@dsl.pipeline
def inner_with_condition(x: int):
    with dsl.ParallelFor([1]), dsl.If(x == 1):
        show()


@dsl.pipeline
def group_names_meet(x: int):
    inner_with_condition(x=x)
    with dsl.ParallelFor([1, 2]), dsl.If(x == 2):
        number(n=x)


@dsl.pipeline
def optional_artifact_left_out():
    newer_unions(a="x", b=1)


@dsl.pipeline
def ignores_failure_with_defaults():
    t = number()
    show().after(t).ignore_upstream_failure()


@dsl.pipeline
def annotated_as_text(a: str, n: int = 3) -> str:
    return newer_unions(a=a).output


@dsl.pipeline
def condition_on_any_text(text: str):
    with dsl.If(text == "it's \"a\" \\n\r\n{}' || true"):
        show()
