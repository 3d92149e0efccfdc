"""Exit handlers, final status, tasks that ignore failures before them."""
from kfp import dsl
from kfp.dsl import PipelineTaskFinalStatus


@dsl.component
def fail(text: str = "") -> str:
    raise ValueError


@dsl.component
def show(text: str = "default"):
    print(text)


@dsl.component
def report(status: PipelineTaskFinalStatus, user: str = "x"):
    print(status.state)


@dsl.component
def listing() -> list:
    return []


@dsl.pipeline
def simple(message: str = "bye"):
    exit_task = show(text="exit")
    with dsl.ExitHandler(exit_task):
        show(text=message)
        fail(text=message)


@dsl.pipeline
def with_input(message: str, other: int = 1):
    exit_task = show(text=message)
    with dsl.ExitHandler(exit_task, name="my handler"):
        t = fail(text="x")
        show(text=t.output)


@dsl.pipeline
def with_status(user: str):
    exit_task = report(user=user)
    with dsl.ExitHandler(exit_task):
        fail()


@dsl.pipeline
def several():
    first = show(text="first")
    with dsl.ExitHandler(first):
        show(text="1")
    second = report()
    with dsl.ExitHandler(second):
        show(text="2")
    third = show(text="third")
    with dsl.ExitHandler(third, name="three"):
        show(text="3")
    show(text="outside")


@dsl.pipeline
def control_flow_inside(x: int, rows: list):
    exit_task = show(text="exit")
    with dsl.ExitHandler(exit_task):
        with dsl.If(x == 1):
            show(text="1")
        with dsl.Else():
            show(text="2")
        with dsl.ParallelFor(rows) as row:
            show(text=row)
        made = listing()
        with dsl.ParallelFor(made.output) as row:
            show(text=row.field)


@dsl.pipeline
def outer_values(x: int):
    before = fail()
    exit_task = show(text="exit")
    with dsl.ExitHandler(exit_task):
        show(text=before.output)
        with dsl.If(x == 2):
            show(text=before.output)


@dsl.pipeline
def after_handler():
    exit_task = show(text="exit")
    with dsl.ExitHandler(exit_task) as handler:
        show(text="in")
    show(text="later").after(handler)


@dsl.pipeline
def sub(text: str = "sub"):
    show(text=text)


@dsl.pipeline
def pipeline_as_exit_task():
    exit_task = sub()
    with dsl.ExitHandler(exit_task):
        show(text="in")


@dsl.pipeline
def pipeline_as_exit_task_with_input(text: str):
    exit_task = sub(text=text)
    with dsl.ExitHandler(exit_task):
        sub(text=text)


@dsl.pipeline
def ignores_failure(text: str = "m"):
    t = fail(text=text)
    show(text=t.output).ignore_upstream_failure()


@dsl.pipeline
def ignores_failure_after():
    t = fail()
    show(text="x").after(t).ignore_upstream_failure()
    u = show(text="free").ignore_upstream_failure()


@dsl.component
def report_optional(status: PipelineTaskFinalStatus, text: str = ""):
    print(status)


@dsl.pipeline
def ignores_failure_with_status():
    t = fail()
    report_optional(text=t.output).ignore_upstream_failure()


@dsl.pipeline
def ignores_failure_of_group(x: int):
    with dsl.ParallelFor([1, 2]) as n:
        t = fail()
    show(text="x").after(t).ignore_upstream_failure()
    with dsl.If(x == 1):
        u = fail()
        report_optional(text=u.output).ignore_upstream_failure()
