"""What KFP's compiler refuses: arguments, annotations, containers."""
from typing import List, NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, ContainerSpec, Dataset, Input, Model, Output


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
