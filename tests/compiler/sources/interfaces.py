"""Interfaces of pipelines: defaults, artifacts, several outputs, descriptions; pipelines in pipelines in pipelines."""
from typing import List, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import *


@dsl.component
def use(s: str = "", i: int = 0, f: float = 0.1, b: bool = True, l: list = [], d: dict = {}): pass


@dsl.component
def ds(o: Output[Dataset]): pass


def make_defaults():
    @dsl.pipeline
    def p(s: str = "a", i: int = 3, f: float = 2, b: bool = False, l: list = [1, {"a": "b"}], d: dict = {"x": [1.5]}, o: Optional[str] = None, ls: List[str] = ["q"], e: str = "", n: Optional[List[int]] = None):
        use(s=s, i=i, f=f, b=b, l=l, d=d)
        use(s=o, l=ls); use(s=e, l=n)
    return p


def make_artifact_inputs():
    @dsl.component
    def c(d: Input[Dataset], l: Input[List[Model]], o: Optional[Input[Artifact]] = None): pass
    @dsl.pipeline
    def p(d: Dataset, l: List[Model], o: Optional[Artifact] = None, x: Input[Dataset] = None):
        c(d=d, l=l); c(d=d, l=l, o=o); c(d=x, l=l)
    return p


def make_outputs():
    @dsl.component
    def many() -> NamedTuple("O", a=str, b=int, c=List[str]): ...
    @dsl.pipeline
    def p() -> NamedTuple("X", [("a", str), ("b", int), ("c", List[str])]):
        return many().outputs
    return p


def make_outputs_class():
    class Out(NamedTuple):
        a: str
        b: Dataset
    @dsl.component
    def c() -> str: ...
    @dsl.pipeline
    def p() -> Out:
        return Out(a=c().output, b=ds().outputs["o"])
    return p


def make_docs():
    @dsl.pipeline(name="d", description="over")
    def p(a: str, b: Dataset) -> str:
        """Doc.

        Args:
            a: The a.
            b: The b
              goes on.

        Returns:
            Output: what.
        """
        @dsl.component
        def c(a: str, b: Input[Dataset]) -> str: ...
        return c(a=a, b=b).output
    return p


def make_reuse_names():
    @dsl.component
    def c(a: str) -> str: return a
    @dsl.pipeline
    def inner(a: str) -> str:
        with dsl.ParallelFor(["x"]) as i:
            c(a=i)
        with dsl.If(a == "z"):
            c(a=a)
        return c(a=c(a=a).output).output
    @dsl.pipeline
    def outer(a: str) -> str:
        inner(a=a); c(a=a)
        with dsl.ParallelFor(["x"]) as i:
            inner(a=i)
        x = inner(a="q")
        c(a=x.output); inner(a=x.output)
        return x.output
    @dsl.pipeline
    def top(a: str):
        outer(a=a); inner(a=a); outer(a=c(a=a).output)
    return top


def make_many_sub_levels():
    @dsl.component
    def c(n: int = 1) -> int: return n
    @dsl.pipeline
    def a(n: int = 1) -> int: return c(n=n).output
    @dsl.pipeline
    def b(n: int = 2) -> int: return a(n=a(n=n).output).output
    @dsl.pipeline
    def d(n: int = 3) -> List[int]:
        with dsl.ParallelFor([1, 2, 3], parallelism=2) as i:
            x = b(n=i)
        b(n=n); a(n=n)
        return dsl.Collected(x.output)
    @dsl.pipeline
    def e():
        with dsl.ParallelFor(d(n=4).output) as j:
            b(n=j)
    return e
