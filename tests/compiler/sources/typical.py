"""What users write of conditions, loops, texts and settings."""
import typing
from typing import Any, Dict, List, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import Artifact, ContainerSpec, Dataset, Input, Model, Output, OutputPath, PipelineTaskFinalStatus


@dsl.component
def a_str(x: str = "") -> str:
    return x


@dsl.component
def an_int(x: int = 0) -> int:
    return x


@dsl.component
def a_float(x: float = 0.5) -> float:
    return x


@dsl.component
def a_bool(x: bool = True) -> bool:
    return x


@dsl.component
def a_list(x: list = [1, {"a": None or 2}]) -> list:
    return x


@dsl.component
def a_dict(x: dict = {"a": [1, 2.5, "x", True, {}]}) -> dict:
    return x


@dsl.component
def status(s: PipelineTaskFinalStatus, t: str = "x"):
    pass


@dsl.component
def both_outputs(out: Output[Dataset], txt: OutputPath(str)) -> NamedTuple("O", [("out", str), ("txt", int)]):
    pass


@dsl.component
def int_default_for_float(a: float = 1, b: int = 2.0):
    pass


@dsl.component
def bool_for_int(a: int = True, b: bool = 0):
    pass


@dsl.component
def kwonly(a: str, *, b: int = 1, c: str) -> str:
    return a


@dsl.component
def optional_artifacts(a: Optional[Input[Dataset]] = None, b: Input[Model] = None, c: Optional[Input[List[Artifact]]] = None):
    pass


@dsl.component
def bare(a: Dataset, b: List[Model], c: Optional[Dataset] = None) -> Model:
    pass


@dsl.component
def all_kinds(
    d1: Dict, d2: typing.Dict, d3: dict, d4: Dict[str, Any], d5: Dict[str, List[Dict[str, int]]],
    l1: List, l2: typing.List, l3: list, l4: List[Any], l5: List[List[int]],
    o1: Optional[str], o2: Optional[List[str]], o3: Optional[dict] = None, o4: Optional[Dict[str, int]] = {"a": 1},
) -> Dict[str, Any]:
    return {}


@dsl.component
def empty_defaults(s: str = "", i: int = 0, f: float = 0.0, b: bool = False, d: dict = {}, l: list = []):
    pass


@dsl.component
def big(i: int = 2**53 + 1, f: float = 1e300, n: int = -5, g: float = -0.0):
    pass


@dsl.component
def unicode_default(s: str = "grüße ✓ \n\t\"quoted\" 'single' {{$.x}} {braces} %s"):
    print("✓", s)


@dsl.pipeline
def constants():
    a_str(x="{{$.inputs}}")
    a_dict(x={"a": {"b": [1, 2, {"c": "d"}]}, "e": 1.5, "f": True})
    a_list(x=[[], {}, "", 0, False])
    an_int(x=10**12)
    a_float(x=0.1)
    a_bool(x=False)


@dsl.pipeline
def channels_in_structures(n: int, s: str = "q", flag: bool = False, items: list = [], conf: dict = {}):
    one = a_str(x=s)
    two = an_int(x=n)
    a_dict(x={"a": one.output, "n": [two.output, n, {"k": s}], f"key-{s}": "v", "c": conf, "f": flag})
    a_list(x=[one.output, f"{one.output}/{two.output}", items])
    a_str(x=f"{s}{s}{n}")
    a_str(x="{} and {}".format(one.output, two.output))
    a_str(x="%s!" % one.output)
    a_str(x=str(n))
    a_str(x=s)


@dsl.pipeline
def conds(n: int, f: float, s: str, b: bool):
    with dsl.If(n == 1):
        a_str(x="1")
    with dsl.If(n != 1.5):
        a_str(x="2")
    with dsl.If(f > 1):
        a_str(x="3")
    with dsl.If(f <= n):
        a_str(x="4")
    with dsl.If(s == "it"):
        a_str(x="5")
    with dsl.If(b == True):
        a_str(x="6")
    with dsl.If(b != False):
        a_str(x="7")
    with dsl.If(1 == n):
        a_str(x="8")
    with dsl.If("x" != s):
        a_str(x="9")
    with dsl.If(3 < n):
        a_str(x="10")
    with dsl.If(s == 5):
        a_str(x="11")
    with dsl.If(s == n):
        a_str(x="12")
    with dsl.If(s >= "a", name="named if"):
        a_str(x="13")
    with dsl.If(n == f):
        a_str(x="14")
    with dsl.If(b == s):
        a_str(x="15")


@dsl.pipeline
def ladder(n: int) -> str:
    with dsl.If(n == 1, name="first"):
        t1 = a_str(x="1")
    with dsl.Elif(n == 2, "second"):
        t2 = a_str(x="2")
    with dsl.Elif(n > 3):
        t3 = a_str(x="3")
    with dsl.Else("last"):
        t4 = a_str(x="4")
    one = dsl.OneOf(t1.output, t2.output, t3.output, t4.output)
    a_str(x=one)
    with dsl.If(n == 4):
        a_str(x=one)
    with dsl.ParallelFor([1, 2]) as i:
        a_str(x=one)
    return one


@dsl.pipeline
def exits(s: str, n: int):
    done = a_str(x=s).set_display_name("bye")
    st = status(t=s)
    with dsl.ExitHandler(exit_task=done, name="first handler"):
        a = a_str(x="in")
        with dsl.If(a.output == "in"):
            a_str(x=a.output)
        with dsl.ParallelFor([1, 2], parallelism=1) as i:
            an_int(x=i)
    with dsl.ExitHandler(st) as handler:
        an_int(x=n)
    an_int(x=1).after(handler)
    last = an_int(x=2)
    last.after(a_str(x="before"))
