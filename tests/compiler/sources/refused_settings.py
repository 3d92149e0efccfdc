"""What KFP's compiler refuses: settings of tasks and pipelines, files."""
from typing import NamedTuple

from kfp import compiler, dsl
from kfp.dsl import Dataset, Model, Output


@dsl.component
def number(n: int = 1) -> int:
    return n


@dsl.component
def text(t: str = "") -> str:
    return t


@dsl.component
def two(n: int = 1) -> NamedTuple("Two", [("a", str), ("b", float)]):
    return ("x", 1.0)


@dsl.component
def nothing():
    pass


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
