"""Flows at the edges of KFP's semantics; `test_semantics_runs.py` runs each and knows what it gives."""

# ruff: noqa: SIM117

from wherry import dsl
from wherry.dsl import Collected, Dataset, Input, OneOf, Output


@dsl.component
def show(value: dict, words: list, count: int, ratio: float, flag: bool, text: str) -> str:
    import json

    return json.dumps([value, words, count, ratio, flag, text])


@dsl.component
def say(text: str) -> str:
    return text


@dsl.component
def number(n: int) -> int:
    return n


@dsl.component
def joined(words: list[str]) -> str:
    return " ".join(words)


@dsl.component
def nested(words: list[list[str]]) -> str:
    return "/".join(" ".join(each) for each in words)


@dsl.component
def make(text: str, data: Output[Dataset]):
    with open(data.path, "w") as file:
        file.write(text)


@dsl.component
def read(data: Input[Dataset]) -> str:
    with open(data.path) as file:
        return file.read()


@dsl.component
def attempts(folder: str, wanted: int) -> int:
    import pathlib

    done = sum(1 for _ in pathlib.Path(folder).iterdir())
    pathlib.Path(folder, str(done)).touch()
    if done + 1 < wanted:
        raise RuntimeError(f"attempt {done + 1}")
    return done + 1


@dsl.component
def fails(message: str) -> str:
    raise ValueError(message)


@dsl.pipeline
def constants() -> str:
    """Constants of every type; placeholders and outputs inside of them."""
    made = say(text="made")
    return show(
        value={"deep": [1, {"job": dsl.PIPELINE_TASK_NAME_PLACEHOLDER}]},
        words=[1, 2.5, "x"],
        count=3,
        ratio=2.0,
        flag=True,
        text=f"{made.output} by {dsl.PIPELINE_TASK_NAME_PLACEHOLDER}",
    ).output


@dsl.pipeline
def says(text: str) -> str:
    with dsl.If(text == "made here"):
        yes = say(text=f"yes: {text}")
    with dsl.Else():
        no = say(text=f"no: {text}")
    return OneOf(yes.output, no.output)


@dsl.pipeline
def f_strings() -> str:
    """An f-string for a pipeline, whose condition is on what it comes to."""
    return says(text=f"{say(text='made').output} here").output


@dsl.pipeline
def levels() -> str:
    """What two loops collect, for a function that wants two levels and for one that wants one."""
    with dsl.ParallelFor(["a", "b"]) as first:
        with dsl.ParallelFor(["x", "y"]) as second:
            with dsl.If(second != "x"):
                pass_on = say(text=f"{first}{second}")
            both = say(text=f"{first}{second}")
    one = joined(words=Collected(both.output))
    two = nested(words=Collected(both.output))
    return say(text=f"{one.output}, {two.output}, {nested(words=Collected(pass_on.output)).output}").output


@dsl.pipeline
def choices(n: int = 7) -> str:
    """A number and a text are compared, branches within branches, an artifact of whichever was taken."""
    made = number(n=n)
    with dsl.If(made.output == "7"):
        with dsl.If(made.output > 5):
            data = make(text="seven")
            read(data=data.outputs["data"])
        one = make(text="it is seven")
    with dsl.Else():
        other = make(text="it is not")
    return read(data=OneOf(one.outputs["data"], other.outputs["data"])).output


@dsl.pipeline
def stubborn(folder: str, wanted: int) -> int:
    first = say(text="first")
    return attempts(folder=folder, wanted=wanted).after(first).output


@dsl.pipeline
def retried_pipeline(folder: str) -> int:
    """A pipeline in a pipeline has a retry policy; what succeeded in it is not done again."""
    return stubborn(folder=folder, wanted=3).set_retry(num_retries=2, backoff_duration="0s").output


@dsl.pipeline
def cleans_up(folder: str) -> str:
    return say(text=f"{attempts(folder=folder, wanted=1).output} cleaned").output


@dsl.pipeline
def pipeline_as_exit_task(folder: str):
    """A pipeline is the exit task."""
    with dsl.ExitHandler(cleans_up(folder=folder)):
        fails(message="on purpose")


@dsl.component
def default(text: str = "default", more: str = "more") -> str:
    return f"{text} {more}"


@dsl.pipeline
def chain_of_defaults() -> str:
    """Each ignores that the one before it failed or was skipped, and has the default for what that did not make."""
    failed = fails(message="never mind")
    skipped = say(text=failed.output)
    first = default(text=failed.output).ignore_upstream_failure()
    second = default(text=skipped.output, more=first.output).ignore_upstream_failure()
    return second.output
