"""What KFP's compiler refuses."""
import warnings
from typing import Dict, List, NamedTuple, Optional

from kfp import compiler, dsl
from kfp.dsl import Artifact, ContainerSpec, Dataset, Input, Metrics, Model, Output, OutputPath, PipelineTaskFinalStatus


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
def mapping() -> dict:
    return {}


@dsl.component
def two(n: int = 1) -> NamedTuple("Two", [("a", str), ("b", float)]):
    return ("x", 1.0)


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
def join(ds: Input[List[Dataset]]):
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


def refuse_unknown_argument():
    @dsl.pipeline
    def p():
        number(x=1)


def refuse_missing_argument():
    @dsl.pipeline
    def p():
        needs(a=1)


def refuse_missing_arguments():
    @dsl.pipeline
    def p():
        needs()


def refuse_positional():
    @dsl.pipeline
    def p():
        number(1)


def refuse_wrong_constant():
    @dsl.pipeline
    def p():
        number(n="x")


def refuse_bool_for_int():
    @dsl.pipeline
    def p():
        number(n=True)


def refuse_int_for_text():
    @dsl.pipeline
    def p():
        text(t=1)


def refuse_none():
    @dsl.pipeline
    def p():
        number(n=None)


def refuse_tuple():
    @dsl.pipeline
    def p():
        add(ns=(1, 2))


def refuse_wrong_channel():
    @dsl.pipeline
    def p():
        text(t=number().output)


def refuse_wrong_input():
    @dsl.pipeline
    def p(x: float):
        number(n=x)


def refuse_artifact_for_parameter():
    @dsl.pipeline
    def p():
        text(t=data().output)


def refuse_parameter_for_artifact():
    @dsl.pipeline
    def p():
        use(d=text().output)


def refuse_constant_for_artifact():
    @dsl.pipeline
    def p():
        use(d=Dataset(uri="x"))


def refuse_wrong_artifact():
    @dsl.pipeline
    def p():
        use(d=model().output)


def refuse_artifact_for_list():
    @dsl.pipeline
    def p():
        join(ds=data().output)


def refuse_list_for_artifact():
    @dsl.pipeline
    def p():
        with dsl.ParallelFor([1]):
            t = data()
        use(d=dsl.Collected(t.output))


def refuse_output_of_many():
    @dsl.pipeline
    def p():
        text(t=two().output)


def refuse_output_of_none():
    @dsl.pipeline
    def p():
        text(t=nothing().output)


def refuse_unknown_output():
    @dsl.pipeline
    def p():
        text(t=two().outputs["zzz"])


def refuse_empty_pipeline():
    @dsl.pipeline
    def p():
        pass


def refuse_bad_name():
    @dsl.pipeline(name="x" * 200)
    def p():
        nothing()


def refuse_nested_definition():
    @dsl.pipeline
    def p():
        nothing()

        @dsl.pipeline
        def q():
            nothing()


def refuse_missing_annotation():
    @dsl.component
    def c(a):
        pass


def refuse_output_name():
    @dsl.component
    def c(Output: str):
        pass


def refuse_tuple_annotation():
    @dsl.component
    def c(a: tuple):
        pass


def refuse_unknown_annotation():
    class Something:
        pass

    @dsl.component
    def c(a: Something):
        pass


def refuse_artifact_default():
    @dsl.component
    def c(a: Input[Dataset] = "x"):
        pass


def refuse_list_output():
    @dsl.component
    def c(a: Output[List[Dataset]]):
        pass


def refuse_returned_list():
    @dsl.component
    def c() -> List[Dataset]:
        pass


def refuse_bad_schema_title():
    class Bad(Artifact):
        schema_title = "nonamespace"
        schema_version = "0.0.1"

    @dsl.component
    def c() -> Bad:
        pass


def refuse_bad_namespace():
    class Bad(Artifact):
        schema_title = "mine.Bad"
        schema_version = "0.0.1"

    @dsl.component(target_image="x")
    def c(a: Output[Bad]):
        pass


def refuse_bad_schema_version():
    class Bad(Artifact):
        schema_title = "system.Bad"
        schema_version = "1"

    @dsl.component(target_image="x")
    def c(a: Output[Bad]):
        pass


def refuse_bare_artifact_in_container():
    @dsl.container_component
    def c(a: Dataset):
        return ContainerSpec(image="x")


def refuse_return_annotation_in_container():
    @dsl.container_component
    def c(a: str) -> str:
        return ContainerSpec(image="x")


def refuse_artifact_itself():
    @dsl.container_component
    def c(a: Input[Dataset]):
        return ContainerSpec(image="x", command=[a])


def refuse_artifact_attribute():
    @dsl.container_component
    def c(a: Input[Dataset]):
        return ContainerSpec(image="x", command=[a.name])


def refuse_list_element():
    @dsl.container_component
    def c(a: Input[List[Dataset]]):
        return ContainerSpec(image="x", command=[a[0]])


def refuse_list_attribute():
    @dsl.container_component
    def c(a: Input[List[Dataset]]):
        return ContainerSpec(image="x", command=[a.path])


def refuse_number_in_command():
    @dsl.container_component
    def c():
        return ContainerSpec(image="x", command=["a", 1])


def refuse_unknown_in_if_present():
    @dsl.container_component
    def c(a: str):
        return ContainerSpec(image="x", command=[dsl.IfPresentPlaceholder("zzz", "a")])


def refuse_structure_in_text():
    @dsl.container_component
    def c(a: str):
        return ContainerSpec(image="x", command=[f"{dsl.ConcatPlaceholder([a])}"])


def refuse_if_present_in_text():
    @dsl.container_component
    def c(a: str):
        return ContainerSpec(image="x", command=[f"{dsl.IfPresentPlaceholder('a', 'x')}"])


def refuse_lists_in_concat():
    @dsl.container_component
    def c(a: str):
        return ContainerSpec(image="x", command=[dsl.ConcatPlaceholder([dsl.IfPresentPlaceholder("a", ["x"])])])


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


def refuse_cpu():
    @dsl.pipeline
    def p():
        nothing().set_cpu_limit("two")


def refuse_cpu_unit():
    @dsl.pipeline
    def p():
        nothing().set_cpu_request("1k")


def refuse_memory():
    @dsl.pipeline
    def p():
        nothing().set_memory_limit("1.5Gi")


def refuse_memory_unit():
    @dsl.pipeline
    def p():
        nothing().set_memory_request("1GB")


def refuse_accelerators():
    @dsl.pipeline
    def p():
        nothing().set_accelerator_limit(-1)


def refuse_accelerators_text():
    @dsl.pipeline
    def p():
        nothing().set_accelerator_limit("one")


def refuse_duration():
    @dsl.pipeline
    def p():
        nothing().set_retry(1, backoff_duration="soon")


def refuse_duration_unit():
    @dsl.pipeline
    def p():
        nothing().set_retry(1, backoff_duration="1 year")


def refuse_debug_pause():
    @dsl.pipeline
    def p():
        nothing().set_debug_pause(after=False)


def refuse_debug_pause_on_error():
    @dsl.pipeline
    def p():
        nothing().set_debug_pause(before=True, after=False, on_error=True)


def refuse_cpu_on_pipeline():
    @dsl.pipeline
    def q():
        nothing()

    @dsl.pipeline
    def p():
        q().set_cpu_limit("1")


def refuse_env_on_importer():
    @dsl.pipeline
    def p():
        dsl.importer("x", Dataset).set_env_variable("a", "b")


def refuse_importer_uri():
    @dsl.pipeline
    def p():
        dsl.importer(number().output, Dataset)


def refuse_config_type():
    dsl.PipelineConfig(ttl_seconds_after_finished="60")


def refuse_config_bool():
    dsl.PipelineConfig(active_deadline_seconds=True)


def refuse_config_negative():
    dsl.PipelineConfig(ttl_seconds_after_success=-1)


def refuse_config_large():
    dsl.PipelineConfig(ttl_seconds_after_failure=2**31)


def refuse_workspace_size():
    dsl.WorkspaceConfig(size="10 GB")


def refuse_workspace_empty():
    dsl.WorkspaceConfig(size="")


def refuse_workspace_missing():
    @dsl.pipeline
    def p():
        text(t=dsl.WORKSPACE_PATH_PLACEHOLDER)


def refuse_passthrough_of_resources():
    @dsl.component(task_config_passthroughs=[dsl.TaskConfigField.ENV])
    def c(t: dsl.TaskConfig):
        pass

    @dsl.pipeline
    def p():
        c().set_cpu_limit("1")


def refuse_default_of_wrong_type():
    @dsl.component
    def c(n: int = "x"):
        pass

    @dsl.pipeline
    def p():
        c()


def refuse_default_text_number():
    @dsl.component
    def c(t: str = 3):
        pass

    @dsl.pipeline
    def p():
        c()


def refuse_embedded_path():
    @dsl.component(embedded_artifact_path="/nowhere/at/all")
    def c():
        pass


def refuse_group_outside_of_pipeline():
    with dsl.ParallelFor([1]):
        pass


def refuse_compiling_a_function():
    compiler.Compiler().compile(lambda: None, "x.yaml")


def refuse_file_name():
    @dsl.pipeline
    def p():
        nothing()

    compiler.Compiler().compile(p, "/tmp/x.txt")


def refuse_unknown_parameter():
    @dsl.pipeline
    def p():
        nothing()

    compiler.Compiler().compile(p, "/tmp/x.yaml", pipeline_parameters={"zzz": 1})


def refuse_output_in_pipeline():
    @dsl.pipeline
    def p(out: Output[Model]):
        nothing()


def refuse_component_outside_of_pipeline():
    nothing()


def refuse_workspace_download():
    @dsl.pipeline
    def p():
        dsl.importer("x", Dataset, download_to_workspace=True)

    compiler.Compiler().compile(p, "/tmp/x.yaml")
