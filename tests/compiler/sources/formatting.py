"""Channels inside of texts, lists and dicts; placeholders."""
from kfp import dsl


@dsl.component
def say(text: str) -> str:
    return text


@dsl.component
def number() -> int:
    return 1


@dsl.component
def take(d: dict = {}, l: list = []):
    pass


@dsl.pipeline
def texts(name: str = "you", n: int = 2):
    t = say(text=f"hello {name}")
    say(text=f"{t.output} and {name} and {name}")
    say(text="x = {}, {}".format(n, t.output))
    say(text="%s" % name)
    say(text=f"{number().output}")
    say(text=name + "" if False else f"{name}!")


@dsl.pipeline
def structures(name: str = "you", n: int = 2, d: dict = {}, flag: bool = True):
    t = say(text="x")
    take(d={"a": name, "b": [t.output, {"c": f"<{n}>"}], "d": 1})
    take(l=[t.output, name, "plain", 3, [d], flag])
    take(d={"nested": {"deep": {"deeper": [t.output]}}})


@dsl.pipeline
def in_groups(name: str, x: int):
    t = say(text="x")
    with dsl.If(x == 1):
        say(text=f"{name} {t.output}")
        with dsl.ParallelFor([1, 2]) as item:
            say(text=f"{name} {t.output}")
    with dsl.ParallelFor(["a", "b"]) as item:
        say(text=f"item {item}")
        say(text=item)
        u = say(text="u")
        say(text=f"{u.output}-{item}-{name}")


@dsl.pipeline
def placeholders():
    for one in [
        dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
        dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER,
        dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        dsl.PIPELINE_TASK_NAME_PLACEHOLDER,
        dsl.PIPELINE_TASK_ID_PLACEHOLDER,
        dsl.PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER,
        dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        dsl.PIPELINE_ROOT_PLACEHOLDER,
        dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER,
        dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER,
    ]:
        say(text=one)
        say(text=f"<{one}>")
