"""Arguments and settings of every kind, as users write them."""
import enum
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
def table(d: dict) -> dict:
    return d


class S(str): pass


class I(int): pass


class E(str, enum.Enum):
    A = "a"


def make_str_subclass():
    @dsl.pipeline
    def p():
        text(t=S("x"))
    return p


def make_int_subclass():
    @dsl.pipeline
    def p():
        number(n=I(3))
    return p


def make_enum_value():
    @dsl.pipeline
    def p():
        text(t=E.A)
    return p


def make_dict_subclass():
    import collections
    @dsl.pipeline
    def p():
        table(d=collections.OrderedDict(a=1))
    return p


def make_tuple_in_dict():
    @dsl.pipeline
    def p():
        table(d={"a": (1, 2)})
    return p


def make_retry_float():
    @dsl.pipeline
    def p():
        number().set_retry(2, backoff_factor=3, backoff_max_duration="1 day")
        number().set_retry(2, backoff_duration="1h", backoff_max_duration="30 minutes")
        number().set_retry(2, backoff_duration="1weeks")
    return p


def make_importer_kinds():
    @dsl.pipeline
    def p(uri: str, name: str):
        a = dsl.importer(artifact_uri=uri, artifact_class=Dataset, reimport=True, metadata={"k": name, "n": 1, "f": 1.5, "b": True, "l": [name, "x"], "d": {"y": f"pre-{name}"}, "none": None})
        b = dsl.importer(artifact_uri="gs://a/b", artifact_class=Model, reimport=False)
        t = text(t="gs://x")
        c = dsl.importer(artifact_uri=t.output, artifact_class=Artifact, metadata={})
        with dsl.If(name == "a"):
            dsl.importer(artifact_uri=t.output, artifact_class=Artifact, metadata={"m": t.output})
            @dsl.component
            def use(d: Input[Dataset], m: Input[Model], x: Input[Artifact]): pass
            use(d=a.output, m=b.outputs["artifact"], x=c.output)
    return p


def make_google_types():
    class VertexModel(dsl.Artifact):
        schema_title = "google.VertexModel"
        schema_version = "0.0.1"
        TYPE_NAME = "google.VertexModel"
    @dsl.container_component
    def c(m: Input[VertexModel], o: Output[VertexModel]):
        return ContainerSpec(image="i", args=[m.uri, o.metadata["a"], m.metadata, o.path])
    @dsl.pipeline
    def p(m: Input[VertexModel]) -> VertexModel:
        i = dsl.importer(artifact_uri="x", artifact_class=VertexModel)
        c(m=i.output)
        return c(m=m).outputs["o"]
    return p


def make_cpu_kinds():
    @dsl.pipeline
    def p(c: str, m: str, a: str, k: int, s: str):
        t = text(t="4")
        number().set_cpu_limit(t.output).set_memory_limit(m).set_accelerator_type(a).set_accelerator_limit(k)
        number().set_cpu_request(c).set_memory_request(t.output)
        number().set_accelerator_type(t.output).set_accelerator_limit("4")
        number().set_container_image(f"reg/{s}:latest")
        number().set_container_image("plain:1").set_env_variable("X", "y")
        with dsl.ParallelFor(["1", "2"]) as i:
            number().set_cpu_limit(i)
            number().set_container_image(f"reg:{i}")
    return p


def make_workspace():
    @dsl.pipeline(pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="5Gi", kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={"storageClassName": "fast", "accessModes": ["ReadWriteMany"]})), ttl_seconds_after_finished=10, active_deadline_seconds=0))
    def p():
        text(t=dsl.WORKSPACE_PATH_PLACEHOLDER)
        text(t=f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/x")
    return p


def make_input_of_parameter():
    @dsl.component
    def c(a: Input[str]):
        pass
    return c


def make_output_of_parameter():
    @dsl.component
    def c(a: Output[int]):
        pass
    return c


def make_retry_text():
    @dsl.pipeline
    def p():
        number().set_retry("3")
    return p
