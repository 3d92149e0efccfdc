"""What KFP's compiler refuses: definitions of components, defaults, files."""
from typing import Any, List, Literal, Tuple, Union

from kfp import compiler, dsl
from kfp.dsl import ContainerSpec, Dataset, Input, Output


@dsl.component
def number(n: int = 1) -> int:
    return n


@dsl.pipeline
def inner(n: int = 1) -> int:
    return number(n=n).output


def refuse_args():
    @dsl.component
    def c(*args):
        pass


def refuse_kwargs():
    @dsl.component
    def c(**kwargs):
        pass


def refuse_union():
    @dsl.component
    def c(a: Union[str, int]):
        pass


def refuse_any():
    @dsl.component
    def c(a: Any):
        pass


def refuse_set_annotation():
    @dsl.component
    def c(a: set):
        pass


def refuse_bytes_annotation():
    @dsl.component
    def c(a: bytes):
        pass


def refuse_own_class():
    class Own:
        pass

    @dsl.component
    def c(a: Own):
        pass


def refuse_tuple_return():
    @dsl.component
    def c() -> Tuple[str, int]:
        pass


def refuse_plain_tuple_return():
    @dsl.component
    def c() -> tuple:
        pass


def refuse_unannotated_named_tuple():
    import collections

    @dsl.component
    def c() -> collections.namedtuple("O", ["a"]):
        pass


def refuse_set_return():
    @dsl.component
    def c() -> set:
        pass


def refuse_default_list_for_text():
    @dsl.component
    def c(a: str = ["x"]):
        pass

    compiler.Compiler().compile(c, "/tmp/refused.yaml")


def refuse_default_text_for_bool():
    @dsl.component
    def c(a: bool = "yes"):
        pass

    compiler.Compiler().compile(c, "/tmp/refused.yaml")


def refuse_default_int_for_text():
    @dsl.component
    def c(a: str = 1):
        pass

    compiler.Compiler().compile(c, "/tmp/refused.yaml")


def refuse_default_object():
    @dsl.component
    def c(a: dict = object()):
        pass

    compiler.Compiler().compile(c, "/tmp/refused.yaml")


def refuse_default_tuple():
    @dsl.component
    def c(a: list = (1, 2)):
        pass

    compiler.Compiler().compile(c, "/tmp/refused.yaml")


def refuse_mixed_literal():
    @dsl.component
    def c(mode: Literal["a", 1]):
        pass


def refuse_container_component_args():
    @dsl.container_component
    def c(a: Input[Dataset]):
        return ContainerSpec(image="i", args=[a.name])


def refuse_concat_of_number():
    @dsl.container_component
    def c(a: str):
        return ContainerSpec(image="i", args=[dsl.ConcatPlaceholder([1, a])])


def refuse_artifact_by_itself_in_concat():
    @dsl.container_component
    def c(a: Input[Dataset]):
        return ContainerSpec(image="i", args=[dsl.ConcatPlaceholder(["x", a])])


def refuse_list_in_args():
    @dsl.container_component
    def c(a: str):
        return ContainerSpec(image="i", args=[["a", "b"]])


def refuse_none_in_args():
    @dsl.container_component
    def c(a: str):
        return ContainerSpec(image="i", args=[None])


def refuse_workspace_negative():
    dsl.WorkspaceConfig(size="-1Gi")


def refuse_workspace_unit():
    dsl.WorkspaceConfig(size="10GB")


def refuse_deadline_text():
    dsl.PipelineConfig(active_deadline_seconds="60")


def refuse_ttl_float():
    dsl.PipelineConfig(ttl_seconds_after_finished=1.5)


def refuse_compile_nothing():
    compiler.Compiler().compile(None, "/tmp/refused.yaml")


def refuse_parameter_type():
    compiler.Compiler().compile(inner, "/tmp/refused.yaml", pipeline_parameters={"n": "x"})


def refuse_file_ending():
    compiler.Compiler().compile(inner, "/tmp/refused.tar.gz")


def refuse_marked_return():
    @dsl.component
    def c() -> Output[Dataset]:
        pass


def refuse_marked_list_return():
    @dsl.component
    def c() -> dsl.Output[List[Dataset]]:
        pass


def refuse_path_of_a_value():
    @dsl.container_component
    def c(a: str):
        return ContainerSpec(image="i", args=[a.path])


def refuse_metadata_of_a_value():
    @dsl.container_component
    def c(a: int):
        return ContainerSpec(image="i", args=[a.metadata["k"]])
