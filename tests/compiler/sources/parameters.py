"""Parameters of every type, their defaults, and how they are passed."""
import typing
from typing import Dict, List, NamedTuple, Optional

from kfp import dsl


@dsl.component
def no_io():
    print("nothing")


@dsl.component
def every_type(s: str, i: int, f: float, b: bool, d: dict, l: list, td: Dict[str, int], tl: List[str]) -> str:
    return s


@dsl.component
def every_default(
    s: str = "text",
    i: int = 3,
    f: float = 2.5,
    b: bool = True,
    d: dict = {"a": 1, "b": [1, "x", None or 2.5], "c": {"d": False}},
    l: list = [1, "two", 3.0, {"four": 4}],
    f_from_int: float = 2,
    empty: str = "",
    zero: int = 0,
    no: bool = False,
) -> int:
    return i


@dsl.component
def optionals(
    a: Optional[str] = None,
    b: Optional[int] = 4,
    c: typing.Optional[Dict[str, str]] = None,
    d: Optional[List[int]] = None,
    e: Optional[float] = 1.5,
) -> bool:
    return True


@dsl.component
def builtin_generics(a: list[str], b: dict[str, int], c: list[dict[str, float]], d: dict[str, list[int]]) -> list[int]:
    return []


@dsl.component
def typing_generics(a: typing.List[typing.Dict[str, float]], b: typing.Dict[str, typing.List[int]], c: List, d: Dict) -> Dict[str, int]:
    return {}


@dsl.component
def returns_list() -> list:
    return []


@dsl.component
def returns_dict() -> dict:
    return {}


@dsl.component
def returns_float() -> float:
    return 1.0


@dsl.component
def named(a: str) -> NamedTuple("Outputs", [("text", str), ("number", int), ("listing", List[str]), ("mapping", dict)]):
    from collections import namedtuple

    return namedtuple("Outputs", ["text", "number", "listing", "mapping"])(a, 1, [], {})


class Results(NamedTuple):
    accuracy: float
    label: str


@dsl.component
def named_by_class() -> Results:
    return (0.5, "x")


@dsl.component
def paths(text: dsl.OutputPath(str), number: dsl.OutputPath(int), flag: dsl.OutputPath("Boolean"), listing: dsl.OutputPath(list)):
    open(text, "w").write("x")


@dsl.pipeline
def passes_constants():
    every_type(
        s="a", i=1, f=1.0, b=False, d={"k": [1, 2.5, "x", True, {"n": {}}]}, l=[], td={}, tl=["a", "ü", 'quo"te', "new\nline"]
    )
    every_default()
    every_default(s="", i=0, f=-1.5, b=False, d={}, l=[[], [1]])
    optionals(a="x", c={"a": "b"})
    optionals()
    no_io()


@dsl.pipeline(name="all-inputs", description="An own description.")
def passes_inputs(
    s: str,
    i: int,
    f: float = 1.0,
    b: bool = True,
    d: dict = {"a": 1},
    l: list = [1],
    td: Dict[str, int] = {},
    tl: List[str] = ["a"],
    o: Optional[str] = None,
) -> str:
    t = every_type(s=s, i=i, f=f, b=b, d=d, l=l, td=td, tl=tl)
    optionals(a=o, d=tl and [1])
    return t.output


@dsl.pipeline
def passes_outputs() -> NamedTuple("Out", [("a", str), ("b", int), ("c", float)]):
    n = named(a="x")
    c = named_by_class()
    p = paths()
    every_type(
        s=n.outputs["text"],
        i=p.outputs["number"],
        f=c.outputs["accuracy"],
        b=p.outputs["flag"],
        d=n.outputs["mapping"],
        l=p.outputs["listing"],
        td=returns_dict().output,
        tl=n.outputs["listing"],
    )
    builtin_generics(a=returns_list().output, b=returns_dict().output, c=[{"x": 1.5}], d={"a": [1]})
    from collections import namedtuple

    return namedtuple("Out", ["a", "b", "c"])(n.outputs["text"], n.outputs["number"], returns_float().output)


@dsl.pipeline(name="with-root", pipeline_root="gs://bucket/root", display_name="Shown", description="Two\nlines.")
def with_settings(x: int = 1):
    """The docstring is not used when there is a description."""
    every_default(i=x)


@dsl.pipeline
def many_of_the_same():
    tasks = [every_default(i=n) for n in range(12)]
    for before, after in zip(tasks, tasks[1:]):
        after.after(before)
