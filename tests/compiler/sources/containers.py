"""Container components with all their placeholders."""
from typing import List, Optional

from kfp import dsl
from kfp.dsl import ConcatPlaceholder, ContainerSpec, Dataset, IfPresentPlaceholder, Input, Metrics, Model, Output, OutputPath


@dsl.container_component
def plain():
    return ContainerSpec(image="alpine")


@dsl.container_component
def command_only():
    return dsl.ContainerSpec(image="alpine", command=["echo", "hello"])


@dsl.container_component
def with_args(text: str, n: int, f: float, b: bool, l: list, d: dict):
    return ContainerSpec(image="alpine", command=["sh", "-c", "echo $0"], args=[text, n, "--f", f, b, l, d])


@dsl.container_component
def in_texts(text: str, other: str, out: OutputPath(str)):
    return ContainerSpec(image="alpine", command=["sh", "-c", f"echo {text} {other} > {out}"], args=[f"--x={text}"])


@dsl.container_component
def artifacts(d: Input[Dataset], m: Output[Model], e: Output[Dataset]):
    return ContainerSpec(
        image="img",
        command=["run", d.path, d.uri, m.path, m.uri, d.metadata, d.metadata["key"], m.metadata, m.metadata["k"]],
        args=["--in", d.path, f"--out={e.path}"],
    )


@dsl.container_component
def lists(ds: Input[List[Dataset]]):
    return ContainerSpec(image="img", command=["run"], args=[ds])


@dsl.container_component
def optional(text: Optional[str] = None, other: str = "x", out: Output[Metrics] = None):
    return ContainerSpec(
        image="img",
        command=["run", IfPresentPlaceholder(input_name="text", then=["--text", text], else_=["--none"])],
        args=[
            IfPresentPlaceholder("other", other),
            IfPresentPlaceholder(input_name="text", then=ConcatPlaceholder(["a=", text]), else_="b"),
        ],
    )


@dsl.container_component
def concat(a: str, b: int, m: Output[Model], out: OutputPath(str), c: Optional[str] = None):
    return ContainerSpec(
        image="img",
        command=["run", ConcatPlaceholder(["--a=", a, "-", b]), ConcatPlaceholder([a, ConcatPlaceholder(["x", m.path])])],
        args=[ConcatPlaceholder(["pre-", IfPresentPlaceholder("c", then=c, else_="none")]), out],
    )


@dsl.container_component
def described(text: str, out: OutputPath(int)) -> ContainerSpec:
    """Counts letters.

    Args:
        text: What to count.
        out: How many.
    """
    return ContainerSpec(image="img", args=[text, out])


@dsl.container_component
def dynamic_image(tag: str):
    return ContainerSpec(image=f"registry/img:{tag}", command=["x"])


@dsl.container_component
def executor_input(n: int):
    return ContainerSpec(image="img", command=["x"], args=[dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER, n])


@dsl.component
def dataset(out: Output[Dataset]):
    pass


@dsl.pipeline
def uses_them(text: str = "t"):
    d = dataset()
    plain()
    with_args(text=text, n=1, f=1.5, b=True, l=[1], d={"a": "b"})
    t = in_texts(text=text, other="x")
    a = artifacts(d=d.outputs["out"])
    artifacts(d=a.outputs["e"])
    optional()
    optional(text=t.outputs["out"])
    concat(a=text, b=2)
    described(text=text).set_cpu_limit("1").set_env_variable("A", "b")
    dynamic_image(tag="latest")
    with dsl.ParallelFor([1, 2]):
        e = dataset()
    lists(ds=dsl.Collected(e.outputs["out"]))
