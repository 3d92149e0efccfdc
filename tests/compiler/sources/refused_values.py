"""What KFP's compiler refuses: values, settings and places of the wrong kind."""
from typing import Dict, List, NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Output, PipelineTaskFinalStatus


@dsl.component
def number(n: int = 1) -> int:
    return n


@dsl.component
def text(t: str = "") -> str:
    return t


@dsl.component
def ratio(f: float = 0.5) -> float:
    return f


@dsl.component
def table(d: dict) -> dict:
    return d


@dsl.component
def listing(l: list) -> list:
    return l


@dsl.component
def data(out: Output[Dataset]):
    pass


@dsl.component
def report(status: PipelineTaskFinalStatus, t: str = ""):
    pass


@dsl.pipeline
def inner(n: int = 1) -> int:
    return number(n=n).output


def refuse_set():
    @dsl.pipeline
    def p():
        listing(l={1, 2})


def refuse_bytes():
    @dsl.pipeline
    def p():
        text(t=b"x")


def refuse_task_as_argument():
    @dsl.pipeline
    def p():
        number(n=number())


def refuse_component_as_argument():
    @dsl.pipeline
    def p():
        number(n=number)


def refuse_class_as_argument():
    @dsl.pipeline
    def p():
        text(t=str)


def refuse_outputs_as_argument():
    @dsl.pipeline
    def p():
        number(n=number().outputs)


def refuse_float_for_int():
    @dsl.pipeline
    def p():
        number(n=1.5)


def refuse_int_for_float():
    @dsl.pipeline
    def p():
        ratio(f=1)


def refuse_bool_for_text():
    @dsl.pipeline
    def p():
        text(t=True)


def refuse_list_for_dict():
    @dsl.pipeline
    def p():
        table(d=[1])


def refuse_dict_for_list():
    @dsl.pipeline
    def p():
        listing(l={"a": 1})


def refuse_int_output_for_text():
    @dsl.pipeline
    def p():
        text(t=number().output)


def refuse_int_input_for_text():
    @dsl.pipeline
    def p(n: int):
        text(t=n)


def refuse_typed_loop_item():
    @dsl.pipeline
    def p(ns: List[int]):
        with dsl.ParallelFor(ns) as n:
            text(t=n)


def refuse_typed_field():
    @dsl.pipeline
    def p(rows: List[Dict[str, int]]):
        with dsl.ParallelFor(rows) as row:
            text(t=row.a)


def refuse_static_item():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1, 2]) as n:
            text(t=n)


def refuse_collected_for_text():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1, 2]) as n:
            t = text()
        text(t=dsl.Collected(t.output))


def refuse_unhashable_key():
    @dsl.pipeline
    def p():
        table(d={1: 2})


def refuse_object_in_dict():
    @dsl.pipeline
    def p():
        table(d={"a": object()})


def refuse_none_in_list():
    @dsl.pipeline
    def p():
        listing(l=[None])


def refuse_tuple_in_list():
    @dsl.pipeline
    def p():
        listing(l=[(1, 2)])


def refuse_cpu_number():
    @dsl.pipeline
    def p():
        number().set_cpu_limit(2)


def refuse_memory_number():
    @dsl.pipeline
    def p():
        number().set_memory_limit(2)


def refuse_cpu_none():
    @dsl.pipeline
    def p():
        number().set_cpu_limit(None)


def refuse_cpu_negative():
    @dsl.pipeline
    def p():
        number().set_cpu_limit("-1")


def refuse_memory_text():
    @dsl.pipeline
    def p():
        number().set_memory_limit("1 Gi")


def refuse_accelerator_negative():
    @dsl.pipeline
    def p():
        number().set_accelerator_limit(-1)


def refuse_env_number():
    @dsl.pipeline
    def p():
        number().set_env_variable("A", 1)


def refuse_env_channel():
    @dsl.pipeline
    def p(x: str):
        number().set_env_variable("A", x)


def refuse_retry_duration():
    @dsl.pipeline
    def p():
        number().set_retry(1, backoff_duration="soon")


def refuse_memory_on_importer():
    @dsl.pipeline
    def p():
        dsl.importer(artifact_uri="gs://x", artifact_class=Dataset).set_memory_limit("1G")


def refuse_accelerator_on_pipeline():
    @dsl.pipeline
    def p():
        inner().set_accelerator_type("a")


def refuse_image_on_pipeline():
    @dsl.pipeline
    def p():
        inner().set_container_image("a")


def refuse_after_nothing():
    @dsl.pipeline
    def p():
        number().after(None)


def refuse_after_list():
    @dsl.pipeline
    def p():
        number().after([number()])


def refuse_after_channel():
    @dsl.pipeline
    def p():
        number().after(number().output)


def refuse_after_itself():
    @dsl.pipeline
    def p():
        t = number()
        t.after(t)


def refuse_after_loop_group():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1]) as group:
            number()
        number().after(group)


def refuse_after_exit_task():
    @dsl.pipeline
    def p():
        done = number()
        with dsl.ExitHandler(done):
            number()
        number().after(done)


def refuse_missing_return_annotation():
    @dsl.pipeline
    def p():
        return number().output


def refuse_returned_tuple():
    @dsl.pipeline
    def p() -> NamedTuple("O", [("a", int)]):
        return (number().output,)


def refuse_returned_text():
    @dsl.pipeline
    def p() -> str:
        number()
        return "x"


def refuse_returned_task():
    @dsl.pipeline
    def p() -> int:
        return number()


def refuse_more_outputs():
    @dsl.pipeline
    def p() -> NamedTuple("O", [("a", int), ("b", int)]):
        out = NamedTuple("O", [("a", int)])
        return out(number().output)


def refuse_other_names():
    @dsl.pipeline
    def p() -> NamedTuple("O", [("a", int)]):
        out = NamedTuple("O", [("b", int)])
        return out(number().output)


def refuse_list_returned_as_artifact():
    @dsl.pipeline
    def p() -> Dataset:
        with dsl.ParallelFor([1]) as n:
            t = data()
        return dsl.Collected(t.outputs["out"])


def refuse_artifact_returned_as_list():
    @dsl.pipeline
    def p() -> List[Dataset]:
        return data().outputs["out"]


def refuse_name_with_underscore():
    @dsl.pipeline(name="_")
    def p():
        number()


def refuse_empty_name():
    @dsl.pipeline(name="...")
    def p():
        number()


def refuse_long_name():
    @dsl.pipeline(name="x" * 129)
    def p():
        number()


def refuse_pipeline_without_annotation():
    @dsl.pipeline
    def p(a):
        text(t=a)


def refuse_pipeline_status():
    @dsl.pipeline
    def p():
        report(status="x")


def refuse_status_elsewhere():
    @dsl.pipeline
    def p():
        report(t="x")


def refuse_empty_loop_tuple():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor(()) as n:
            number()


def refuse_loop_over_generator():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor(range(3)) as n:
            number(n=n)


def refuse_loop_over_task():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor(listing(l=[1])) as n:
            number()


def refuse_loop_over_dict_input():
    @dsl.pipeline
    def p(d: dict):
        with dsl.ParallelFor(d) as n:
            number()


def refuse_loop_field_that_starts_with_digit():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([{"1a": 1}]) as n:
            number()


def refuse_condition_with_text():
    @dsl.pipeline
    def p(s: str):
        with dsl.If("s == 'a'"):
            number()


def refuse_condition_bool_and_channel_int():
    @dsl.pipeline
    def p(n: int):
        with dsl.If(n == True):
            number()


def refuse_and_of_conditions():
    @dsl.pipeline
    def p(n: int, m: int):
        with dsl.If(n == 1 and 1 == 1):
            number()


def refuse_else_after_loop():
    @dsl.pipeline
    def p(n: int):
        with dsl.If(n == 1):
            number()
        with dsl.ParallelFor([1]) as i:
            number()
        with dsl.Else():
            number()


def refuse_elif_after_loop():
    @dsl.pipeline
    def p(n: int):
        with dsl.If(n == 1):
            number()
        with dsl.ParallelFor([1]) as i:
            number()
        with dsl.Elif(n == 2):
            number()


def refuse_else_with_condition():
    @dsl.pipeline
    def p(n: int):
        with dsl.If(n == 1):
            number()
        with dsl.Else(n == 2):
            number()


def refuse_exit_handler_with_group():
    @dsl.pipeline
    def p():
        with dsl.ExitHandler("done"):
            number()


def refuse_exit_task_with_input_of_task():
    @dsl.pipeline
    def p():
        t = number()
        done = text(t=f"{t.output}")
        with dsl.ExitHandler(done):
            number()


def refuse_one_of_nothing():
    @dsl.pipeline
    def p(x: int):
        dsl.OneOf()


def refuse_one_of_inner_one_of():
    @dsl.pipeline
    def p(x: int):
        with dsl.If(x == 1):
            with dsl.If(x == 2):
                a = number()
            with dsl.Else():
                b = number()
            one = dsl.OneOf(a.output, b.output)
        with dsl.Else():
            c = number()
        number(n=dsl.OneOf(one, c.output))


def refuse_importer_class():
    @dsl.pipeline
    def p():
        dsl.importer(artifact_uri="gs://x", artifact_class="Dataset")


def refuse_importer_channel_type():
    @dsl.pipeline
    def p(n: int):
        dsl.importer(artifact_uri=n, artifact_class=Dataset)


def refuse_metadata_object():
    @dsl.pipeline
    def p():
        dsl.importer(artifact_uri="gs://x", artifact_class=Dataset, metadata={"a": object()})
