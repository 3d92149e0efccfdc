"""What KFP's compiler refuses: conditions, loops, exit handlers, and what reaches across them."""
from typing import List, NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output, PipelineTaskFinalStatus


@dsl.component
def number(n: int = 1) -> int:
    return n


@dsl.component
def text(t: str = "") -> str:
    return t


@dsl.component
def listing() -> list:
    return []


@dsl.component
def nothing():
    pass


@dsl.component
def needs(a: int, b: str):
    pass


@dsl.component
def data(out: Output[Dataset]):
    pass


@dsl.component
def model(out: Output[Model]):
    pass


@dsl.component
def use(d: Input[Dataset]):
    pass


@dsl.component
def add(ns: List[int]) -> int:
    return 0


@dsl.component
def report(status: PipelineTaskFinalStatus):
    pass


@dsl.component
def report_text(status: PipelineTaskFinalStatus, t: str = ""):
    pass


def refuse_elif_first():
    @dsl.pipeline
    def p(x: int):
        with dsl.Elif(x == 1):
            nothing()


def refuse_else_first():
    @dsl.pipeline
    def p(x: int):
        with dsl.Else():
            nothing()


def refuse_second_else():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            nothing()
        with dsl.Else():
            nothing()
        with dsl.Else():
            nothing()


def refuse_elif_after_else():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            nothing()
        with dsl.Else():
            nothing()
        with dsl.Elif(x == 2):
            nothing()


def refuse_constant_condition():
    @dsl.pipeline
    def p():
        with dsl.If(1 == 1):
            nothing()


def refuse_constant_elif():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            nothing()
        with dsl.Elif("a" == "b"):
            nothing()


def refuse_condition_on_list():
    @dsl.pipeline
    def p():
        with dsl.If(listing().output == "x"):
            nothing()


def refuse_condition_on_dict():
    @dsl.pipeline
    def p(d: dict):
        with dsl.If(d == "x"):
            nothing()


def refuse_channel_as_condition():
    @dsl.pipeline
    def p(flag: bool):
        with dsl.If(flag):
            nothing()


def refuse_output_from_condition():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            t = number()
        number(n=t.output)


def refuse_after_condition():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            t = number()
        number().after(t)


def refuse_output_from_else():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            number()
        with dsl.Else():
            t = number()
        number(n=t.output)


def refuse_output_from_loop():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1]) as n:
            t = number(n=n)
        number(n=t.output)


def refuse_output_from_other_loop():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1]) as n:
            t = number(n=n)
        with dsl.ParallelFor([1]) as n:
            number(n=t.output)


def refuse_output_from_exit_handler():
    @dsl.pipeline
    def p():
        e = nothing()
        with dsl.ExitHandler(e):
            t = number()
        number(n=t.output)


def refuse_collected_without_loop():
    @dsl.pipeline
    def p():
        t = number()
        add(ns=dsl.Collected(t.output))


def refuse_collected_in_its_loop():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1]) as n:
            t = number(n=n)
            add(ns=dsl.Collected(t.output))


def refuse_collected_from_condition():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            with dsl.ParallelFor([1]) as n:
                t = number(n=n)
        add(ns=dsl.Collected(t.output))


def refuse_collected_from_exit_handler():
    @dsl.pipeline
    def p():
        e = nothing()
        with dsl.ExitHandler(e):
            with dsl.ParallelFor([1]) as n:
                t = number(n=n)
        add(ns=dsl.Collected(t.output))


def refuse_loop_over_collected():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1]) as n:
            t = number(n=n)
        with dsl.ParallelFor(dsl.Collected(t.output)) as m:
            number(n=m)


def refuse_loop_over_nothing():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([]) as n:
            nothing()


def refuse_loop_over_text():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor("abc") as n:
            nothing()


def refuse_loop_over_number():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor(3) as n:
            nothing()


def refuse_loop_over_one_parameter():
    @dsl.pipeline
    def p(x: str):
        with dsl.ParallelFor(x) as n:
            nothing()


def refuse_loop_over_one_artifact():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor(data().output) as n:
            nothing()


def refuse_negative_parallelism():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1], parallelism=-1) as n:
            nothing()


def refuse_bad_field():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([{"a b": 1}]) as n:
            nothing()


def refuse_loop_item_type():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1, 2]) as n:
            text(t=n)


def refuse_exit_handler_in_condition():
    @dsl.pipeline
    def p(x: int):
        e = nothing()
        with dsl.If(x == 1):
            with dsl.ExitHandler(e):
                number()


def refuse_exit_handler_in_loop():
    @dsl.pipeline
    def p():
        e = nothing()
        with dsl.ParallelFor([1]):
            with dsl.ExitHandler(e):
                number()


def refuse_exit_handler_in_exit_handler():
    @dsl.pipeline
    def p():
        e = nothing()
        f = nothing()
        with dsl.ExitHandler(e):
            with dsl.ExitHandler(f):
                number()


def refuse_dependent_exit_task():
    @dsl.pipeline
    def p():
        t = text()
        e = text(t=t.output)
        with dsl.ExitHandler(e):
            number()


def refuse_exit_task_after():
    @dsl.pipeline
    def p():
        t = text()
        e = nothing().after(t)
        with dsl.ExitHandler(e):
            number()


def refuse_use_of_exit_task():
    @dsl.pipeline
    def p():
        e = text()
        with dsl.ExitHandler(e):
            number()
        text(t=e.output)


def refuse_importer_as_exit_task():
    @dsl.pipeline
    def p():
        e = dsl.importer("x", Dataset)
        with dsl.ExitHandler(e):
            number()


def refuse_final_status_in_task():
    @dsl.pipeline
    def p():
        report()


def refuse_final_status_given():
    @dsl.pipeline
    def p():
        report(status="x")


def refuse_final_status_of_none():
    @dsl.pipeline
    def p():
        report().ignore_upstream_failure()


def refuse_final_status_of_two():
    @dsl.pipeline
    def p():
        a, b = text(), text()
        report().after(a, b).ignore_upstream_failure()


def refuse_final_status_across_groups():
    @dsl.pipeline
    def p(x: int):
        a = text()
        with dsl.If(x == 1):
            report_text(t=a.output).ignore_upstream_failure()


def refuse_ignoring_without_default():
    @dsl.pipeline
    def p():
        t = number()
        needs(a=t.output, b="x").ignore_upstream_failure()


def refuse_after_group():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1]) as n:
            number()
        loop = dsl.ParallelFor([1])
        with loop:
            number()
        number().after(loop)


def refuse_after_name():
    @dsl.pipeline
    def p():
        number()
        number().after("number")


def refuse_missing_output():
    @dsl.pipeline
    def p() -> int:
        number()


def refuse_undeclared_output():
    @dsl.pipeline
    def p():
        return number().output


def refuse_wrong_output_type():
    @dsl.pipeline
    def p() -> str:
        return number().output


def refuse_wrong_output_artifact():
    @dsl.pipeline
    def p() -> Model:
        return data().output


def refuse_parameter_as_output_artifact():
    @dsl.pipeline
    def p() -> Model:
        return number().output


def refuse_wrong_named_output():
    @dsl.pipeline
    def p() -> NamedTuple("Out", [("a", int), ("b", str)]):
        from collections import namedtuple

        return namedtuple("Out", ["a", "b"])(number().output, number().output)


def refuse_constant_output():
    @dsl.pipeline
    def p() -> int:
        number()
        return 3


def refuse_input_as_output():
    @dsl.pipeline
    def p(x: int) -> int:
        number()
        return x


def refuse_output_of_condition():
    @dsl.pipeline
    def p(x: int) -> int:
        with dsl.If(x == 1):
            t = number()
        return t.output


def refuse_output_of_loop():
    @dsl.pipeline
    def p() -> int:
        with dsl.ParallelFor([1]):
            t = number()
        return t.output


def refuse_one_of_in_condition_as_output():
    @dsl.pipeline
    def p(x: int) -> int:
        with dsl.If(x == 0):
            with dsl.If(x == 1):
                a = number()
            with dsl.Else():
                b = number()
            one = dsl.OneOf(a.output, b.output)
        return one


def refuse_one_of_without_else():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = number()
        with dsl.Elif(x == 2):
            b = number()
        number(n=dsl.OneOf(a.output, b.output))


def refuse_one_of_mixed_types():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = number()
        with dsl.Else():
            b = text()
        number(n=dsl.OneOf(a.output, b.output))


def refuse_one_of_mixed_kinds():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = number()
        with dsl.Else():
            b = data()
        number(n=dsl.OneOf(a.output, b.output))


def refuse_one_of_mixed_artifacts():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = model()
        with dsl.Else():
            b = data()
        use(d=dsl.OneOf(a.output, b.output))


def refuse_one_of_one_of():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = number()
        with dsl.Else():
            b = number()
        one = dsl.OneOf(a.output, b.output)
        dsl.OneOf(a.output, one)


def refuse_one_of_in_text():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = text()
        with dsl.Else():
            b = text()
        text(t=f"{dsl.OneOf(a.output, b.output)}")


def refuse_one_of_collected():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = number()
        with dsl.Else():
            b = number()
        dsl.OneOf(a.output, dsl.Collected(b.output))


def refuse_collected_one_of():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = number()
        with dsl.Else():
            b = number()
        add(ns=dsl.Collected(dsl.OneOf(a.output, b.output)))


def refuse_one_of_constant():
    @dsl.pipeline
    def p(x: int):
        dsl.OneOf(1, 2)


def refuse_branch_output_without_one_of():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            a = number()
        with dsl.Else():
            b = number()
        number(n=a.output)
