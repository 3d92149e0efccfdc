"""Names of components, tasks and groups that are odd, long, or meet each other."""
from typing import Any, Dict, List, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import Artifact, ContainerSpec, Dataset, Input, Model, Output, PipelineTaskFinalStatus


@dsl.component
def number(n: int = 1) -> int:
    return n


@dsl.component
def text(t: str = "") -> str:
    return t


def make_named_everything():
    @dsl.pipeline(name="My Pipeline: v1.0!")
    def p(Some_Input: int = 1, camelCase: str = "x", x_: str = ""):
        number(n=Some_Input).set_display_name("Shown!")
    return p


def make_sub_names():
    @dsl.component
    def Train_Model__v2(a: str): pass
    @dsl.pipeline
    def p():
        Train_Model__v2(a="x"); Train_Model__v2(a="y")
    return p


def make_long_name():
    @dsl.component
    def a_very_long_function_name_that_goes_on_and_on_and_on_until_it_is_longer_than_sixty_three_characters_in_all(a: str): pass
    @dsl.pipeline
    def p():
        a_very_long_function_name_that_goes_on_and_on_and_on_until_it_is_longer_than_sixty_three_characters_in_all(a="x")
    return p


def make_same_name_comps():
    def mk(n):
        @dsl.component(base_image=f"i:{n}")
        def c(a: str) -> str: return a
        return c
    a, b = mk(1), mk(2)
    @dsl.pipeline
    def p():
        x = a(a="1"); y = b(a=x.output); a(a=y.output)
    return p


def make_number_names():
    @dsl.component
    def step_2(a: str = ""): pass
    @dsl.component
    def step(a: str = ""): pass
    @dsl.pipeline
    def p():
        step(); step_2(); step(); step_2(); step()
    return p


def make_taskname_like_group():
    @dsl.component
    def condition_1(a: str = "") -> str: return a
    @dsl.component
    def for_loop_2(a: str = "") -> str: return a
    @dsl.pipeline
    def p(x: int):
        for_loop_2(); condition_1()
        with dsl.If(x == 1):
            condition_1()
            with dsl.ParallelFor([1, 2]) as i:
                for_loop_2()
    return p


def make_component_called_comp():
    @dsl.component
    def comp(a: str = ""): pass
    @dsl.component
    def exec(a: str = ""): pass
    @dsl.component
    def root(a: str = ""): pass
    @dsl.pipeline
    def p():
        comp(); exec(); root()
    return p


def make_same_output_name_as_input():
    @dsl.component
    def c(a: str, b: dsl.Output[dsl.Dataset]) -> NamedTuple("O", [("a", str), ("b", int)]): pass
    @dsl.pipeline
    def p():
        x = c(a="1")
        text(t=x.outputs["a"]); number(n=x.outputs["b_2"])
    return p
