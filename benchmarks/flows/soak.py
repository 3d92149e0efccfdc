"""A pipeline of 100 tasks and more for the soak: chains, loops, nested loops, conditions, retries, commands.

Run by `benchmarks.soak`, which kills what runs it.  Every task may be killed, so every task has a retry policy.  Each
start of a task's code adds a line to the ledger, a file outside wherry's reach: the evidence of what really ran.
"""

from typing import List  # noqa: UP035 - as KFP's users write it

from wherry import dsl
from wherry.dsl import Artifact, Output

RETRIES = 20
CHAIN, WIDE, OUTER, INNER, FLAKY, COMMANDS = 20, 30, 3, 5, 10, 6
LONG_S = 0.7  # outlives a server


@dsl.component
def work(value: int, pause_s: float, flaky: bool, ledger: str, mark: Output[Artifact]) -> int:
    """Adds one; a flaky one fails when it is the first of its task to run."""
    import json
    import os
    import time

    root = os.path.dirname(mark.uri)  # of this attempt: <the task's folder>/<attempt>-<incarnation>
    own = f"{ledger}.d/{os.getpid()}"
    with open(own, "w"):
        now = os.stat(own).st_mtime_ns  # the clock that the commit record is dated by
    line = json.dumps({"root": root, "pid": os.getpid(), "at_ns": now}) + "\n"
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)
    if flaky:
        try:
            os.mkdir(os.path.join(ledger + ".d", os.path.dirname(root).replace("/", "_")))
        except FileExistsError:
            pass
        else:
            raise RuntimeError("the first attempt of a flaky task fails")
    time.sleep(pause_s)
    with open(mark.path, "w") as out:
        out.write(str(value))
    return value + 1


@dsl.component
def total(numbers: List[int]) -> int:  # noqa: UP006
    """The sum of a fan-in."""
    return sum(numbers)


@dsl.component
def plus(a: int, b: int) -> int:
    """The sum of two."""
    return a + b


@dsl.container_component
def command(value: int, ledger: str, mark: Output[Artifact], result: dsl.OutputPath(int)):
    """Adds one, as a command of its own."""
    script = (
        'now="$1.d/$$"; : > "$now"; '
        'printf \'{"root": "%s", "pid": %d, "at_ns": %s}\\n\' "$(dirname "$2")" $$ "$(date -r "$now" +%s%N)" >> "$1"; '
        'mkdir -p "$(dirname "$3")"; printf %d $(( $0 + 1 )) > "$3"; printf x > "$4"'
    )
    return dsl.ContainerSpec(
        image="python:3.11", command=["sh", "-c", script], args=[value, ledger, mark.uri, result, mark.path]
    )


def again(task):
    """`task`, which may now be killed."""
    return task.set_retry(num_retries=RETRIES, backoff_duration="0s")


def plain(ledger: str, value, pause_s: float = 0.0, flaky: bool = False):
    """A task that leaves a line in the ledger."""
    return again(work(value=value, pause_s=pause_s, flaky=flaky, ledger=ledger))


@dsl.pipeline
def soak(seed: int, ledger: str) -> int:
    """Everything that a run can do at once, and one number that only a whole run can give."""
    last = plain(ledger, seed)
    for number in range(CHAIN - 1):
        last = plain(ledger, last.outputs["Output"], pause_s=0.01 * (number % 3))
    with dsl.If(last.outputs["Output"] > 0):
        then = plain(ledger, last.outputs["Output"])
        for _ in range(2):
            then = plain(ledger, then.outputs["Output"])
    with dsl.Else():
        never = plain(ledger, last.outputs["Output"])
    branch = dsl.OneOf(then.outputs["Output"], never.outputs["Output"])
    with dsl.ParallelFor(items=list(range(WIDE))) as item:
        looped = plain(ledger, item, pause_s=0.05)
    wide = again(total(numbers=dsl.Collected(looped.outputs["Output"])))
    with dsl.ParallelFor(items=list(range(OUTER))), dsl.ParallelFor(items=list(range(INNER)), parallelism=2) as inner:
        second = plain(ledger, plain(ledger, inner, flaky=True).outputs["Output"])
    nested = again(total(numbers=dsl.Collected(second.outputs["Output"])))
    sums = [branch, wide.output, nested.output]
    for number in range(FLAKY):
        sums.append(plain(ledger, number, pause_s=LONG_S * (number % 2), flaky=True).outputs["Output"])
    for number in range(COMMANDS):
        sums.append(again(command(value=number, ledger=ledger)).outputs["result"])
    answer = sums[0]
    for term in sums[1:]:
        answer = again(plus(a=answer, b=term)).output
    return answer


def expected(seed: int) -> int:
    """What a whole run gives."""
    branch = seed + CHAIN + 3
    wide = sum(range(WIDE)) + WIDE
    nested = OUTER * (sum(range(INNER)) + 2 * INNER)
    return branch + wide + nested + sum(range(FLAKY)) + FLAKY + sum(range(COMMANDS)) + COMMANDS
