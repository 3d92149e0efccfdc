"""Inner pipelines, loops, branches and exit handlers inside of each other."""
from typing import Any, Dict, List, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import Artifact, ContainerSpec, Dataset, Input, Model, Output, PipelineTaskFinalStatus


@dsl.component
def number(n: int = 1) -> int:
    return n


@dsl.component
def text(t: str = "") -> str:
    return t


@dsl.component
def listing(l: list) -> list:
    return l


def make_reused_in_loop_and_out():
    @dsl.pipeline
    def p(ls: List[str]):
        t = text(t="a")
        with dsl.ParallelFor(ls) as i:
            u = text(t=i)
            v = text(t=u.output).after(t)
            with dsl.ParallelFor(ls, parallelism=3) as j:
                w = text(t=f"{j}-{u.output}-{t.output}")
                with dsl.If(w.output == t.output):
                    text(t=w.output)
        text(t="z").after(v)
    return p


def make_loop_over_collected_like():
    @dsl.component
    def lists(n: int) -> List[int]: return [n]
    @dsl.pipeline
    def p() -> list:
        with dsl.ParallelFor([1, 2]) as i:
            l = lists(n=i)
            with dsl.ParallelFor(l.output) as j:
                m = number(n=j)
        k = listing(l=dsl.Collected(m.output))
        with dsl.ParallelFor(k.output) as x:
            text(t=x)
        return dsl.Collected(m.output)
    return p


def make_final_status_both():
    @dsl.component
    def st(s: PipelineTaskFinalStatus, u: str = "d"): pass
    @dsl.pipeline
    def p(x: str):
        t = text(t=x)
        st(u=x).after(t).ignore_upstream_failure()
        with dsl.ExitHandler(st(u="z")):
            a = text()
            st(u="y").after(a).ignore_upstream_failure()
    return p


def make_optional_pipeline_inputs():
    @dsl.component
    def c(a: Optional[str] = None, b: Optional[int] = None, d: Optional[list] = None, e: bool = False): pass
    @dsl.pipeline
    def inner(a: Optional[str] = None, b: Optional[int] = 5, d: Optional[list] = None, e: bool = True):
        c(a=a, b=b, d=d, e=e); c(a=a); c()
    @dsl.pipeline
    def p(a: Optional[str] = None, l: List[str] = ["q"]):
        inner(a=a); inner(); inner(a="x", b=1, d=[1])
        with dsl.If(a == "x"):
            inner(a=a)
        with dsl.ParallelFor(l) as i: inner(a=i)
    return p


def make_pipeline_as_exit_task():
    @dsl.pipeline
    def fin(x: str = "a", n: int = 2):
        text(t=x); number(n=n)
    @dsl.pipeline
    def p(y: str):
        with dsl.ExitHandler(fin(x=y)):
            text(t=y)
    return p


def make_artifacts_between_pipelines():
    @dsl.component
    def mk(o: Output[Dataset]) : pass
    @dsl.component
    def us(d: Input[Dataset], l: Input[List[Dataset]]) -> Model: pass
    @dsl.pipeline
    def produce(n: int = 1) -> NamedTuple("O", [("d", Dataset), ("many", List[Dataset])]):
        with dsl.ParallelFor([1, 2]) as i:
            m = mk()
        o = NamedTuple("O", [("d", Dataset), ("many", List[Dataset])])
        return o(d=mk().outputs["o"], many=dsl.Collected(m.outputs["o"]))
    @dsl.pipeline
    def consume(d: Dataset, many: List[Dataset]) -> Model:
        with dsl.ParallelFor(many) as one:
            us(d=one, l=many)
        return us(d=d, l=many).output
    @dsl.pipeline
    def p() -> Model:
        a = produce()
        with dsl.If(text().output == "x"):
            consume(d=a.outputs["d"], many=a.outputs["many"])
        return consume(d=a.outputs["d"], many=a.outputs["many"]).output
    return p


def make_nested_branches():
    @dsl.pipeline
    def p(x: int, y: int) -> str:
        with dsl.If(x == 1):
            with dsl.If(y == 1):
                a = text(t="1")
            with dsl.Else():
                b = text(t="2")
            text(t=dsl.OneOf(a.output, b.output))
            z = text(t="3")
        with dsl.Elif(x == 2):
            with dsl.If(y == 1):
                text(t="4")
            with dsl.Elif(y == 2):
                text(t="5")
            q = text(t="6")
        with dsl.Else():
            r = text(t="7")
        with dsl.If(y == 3):
            text(t="8")
        with dsl.If(y == 4):
            text(t="9")
        with dsl.Else():
            text(t="10")
        return dsl.OneOf(z.output, q.output, r.output)
    return p


def make_conditions_on_items():
    @dsl.pipeline
    def p(rows: List[Dict[str, int]], n: int, ls: List[int]):
        with dsl.ParallelFor(rows) as row:
            with dsl.If(row.a == n):
                text(t="a")
            with dsl.Else():
                number(n=row.b)
        with dsl.ParallelFor(ls) as i:
            with dsl.If(i > n):
                number(n=i)
                with dsl.If(i == 3):
                    number(n=n)
            with dsl.ParallelFor(ls) as j:
                with dsl.If(j == 1):
                    number(n=j)
    return p
