"""Control flow in a pipeline function: `If`, `Elif`, `Else`, `OneOf`, `ParallelFor`, `ExitHandler`.

Used by users as context managers; each opens a group in the trace of the pipeline function that is running.
"""

from __future__ import annotations

from wherry.compiler.channels import (
    INJECTED_PREFIX,
    Collected,
    ConditionOperation,
    LoopArtifactArgument,
    LoopParameterArgument,
    OneOfArtifact,
    OneOfParameter,
    PipelineArtifactChannel,
    PipelineChannel,
    PipelineParameterChannel,
    pattern,
)
from wherry.compiler.errors import InvalidControlFlowException
from wherry.compiler.graph import ConditionBranches, ConditionGroup, ExitHandlerGroup, Group, LoopGroup, Task, Trace
from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class _Block:
    """A group that is open while its `with` block runs."""

    def __enter__(self) -> Any:
        trace = Trace.required()
        assert isinstance(self, Group)
        self.name = f"{self.kind}-{trace.next_group_id()}"
        trace.enter(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        Trace.required().leave()


class _Condition(ConditionGroup, _Block):
    """`negated`: the conditions under which the branches after this one run."""

    def __init__(
        self, conditions: list[ConditionOperation], negated: list[ConditionOperation], name: str | None
    ) -> None:
        super().__init__(conditions, name)
        self.negated = negated


class If(_Condition):
    """Runs its tasks only if the condition, a comparison with an output or an input of the pipeline, holds."""

    keyword = "If"

    def __init__(self, condition: Any, name: str | None = None) -> None:
        _check_condition(condition)
        super().__init__([condition], [condition.negated()], name)


class Condition(If):
    """The older name of `If`."""

    keyword = "Condition"

    def __enter__(self) -> Self:
        import warnings  # noqa: PLC0415 - only here

        super().__enter__()
        warnings.warn("dsl.Condition is deprecated. Please use dsl.If instead.", DeprecationWarning, stacklevel=2)
        return self


class Elif(_Condition):
    """Follows an `If` or `Elif`: runs its tasks only if none of those did and the condition holds."""

    keyword = "Elif"

    def __init__(self, condition: Any, name: str | None = None) -> None:
        before = Trace.required().last_group()
        if not isinstance(before, (If, Elif)):
            raise InvalidControlFlowException(at("dsl.Elif can only be used following an upstream dsl.If or dsl.Elif."))
        _check_condition(condition)
        super().__init__([*before.negated, condition], [*before.negated, condition.negated()], name)

    def __enter__(self) -> Self:
        _open_branches(Trace.required())
        return super().__enter__()


class Else(_Condition):
    """Follows an `If` or `Elif`: runs its tasks only if none of those did."""

    keyword = "Else"

    def __init__(self, name: str | None = None) -> None:
        before = Trace.required().last_group()
        if isinstance(before, ConditionBranches):
            raise InvalidControlFlowException(
                at(
                    "Cannot use dsl.Else following another dsl.Else. "
                    "dsl.Else can only be used following an upstream dsl.If or dsl.Elif."
                )
            )
        if not isinstance(before, (If, Elif)):
            raise InvalidControlFlowException(at("dsl.Else can only be used following an upstream dsl.If or dsl.Elif."))
        super().__init__(before.negated, before.negated, name)

    def __enter__(self) -> Self:
        _open_branches(Trace.required())
        return super().__enter__()

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        Trace.required().leave()  # the branches end with their Else


class ParallelFor(LoopGroup, _Block):
    """Runs its tasks once for each item, at most `parallelism` (0: any number) iterations at a time.

    items: a list known now, or the output of a task or an input of the pipeline that is a list.  The block gets the
    item; its attributes are the item's fields, when that is a dict.
    """

    def __init__(self, items: Any, name: str | None = None, parallelism: int | None = None) -> None:
        limit = parallelism or 0
        if limit < 0:
            raise ValueError(at(f"ParallelFor parallelism must be >= 0. Got: {limit}."))
        if isinstance(items, PipelineArtifactChannel):
            item: Any = LoopArtifactArgument(items, _item_number(items))
        elif isinstance(items, PipelineParameterChannel):
            item = LoopParameterArgument.of_channel(items, _item_number(items))
        else:
            item = LoopParameterArgument.of_values(items, Trace.required().next_group_id())
        super().__init__(item, limit, name)

    def __enter__(self) -> Any:
        super().__enter__()
        return self.item


class ExitHandler(ExitHandlerGroup, _Block):
    """Runs `exit_task` after its tasks, however they end.  Only at the top level of a pipeline."""

    def __init__(self, exit_task: Task, name: str | None = None) -> None:
        if not isinstance(exit_task, Task):  # pyright: ignore[reportUnnecessaryIsInstance] - users' values
            raise AttributeError(at(f"exit_task is a task of the pipeline. Got: {exit_task!r}."))
        if exit_task.after_names or any(_is_made_by_task(value) for value in exit_task.inputs.values()):
            raise ValueError(at("exit_task cannot depend on any other tasks."))
        super().__init__(exit_task, name)
        Trace.required().stand_aside(exit_task)


class OneOf:
    """The output of whichever branch of an If/Elif/Else runs: one channel of each branch, all of the same type."""

    def __new__(cls, *channels: Any) -> Any:
        if not channels:
            raise IndexError(at("dsl.OneOf takes one output of each branch. Got none."))
        first = channels[0]
        if any(isinstance(channel, Collected) for channel in channels):
            raise ValueError(at("dsl.Collected cannot be used inside of dsl.OneOf."))
        if not isinstance(first, (PipelineParameterChannel, PipelineArtifactChannel)):
            raise ValueError(at(f"Got unknown input to dsl.OneOf with type {type(first)}."))
        if any(isinstance(channel, (OneOfParameter, OneOfArtifact)) for channel in channels):
            raise ValueError(at("dsl.OneOf cannot be used inside of another dsl.OneOf."))
        branches = _branches_of(first)
        branches.one_of_count += 1
        name = f"{INJECTED_PREFIX}{branches.name}-oneof-{branches.one_of_count}"
        if isinstance(first, PipelineArtifactChannel):
            one_of: Any = OneOfArtifact(name, first.channel_type, branches.name, first.is_artifact_list)
        else:
            one_of = OneOfParameter(name, first.channel_type, branches.name)
        _check_branches(channels, branches)
        one_of.channels = list(channels)
        return one_of


def _item_number(items: PipelineChannel) -> int:
    """1, and one more for each loop around this one that runs over the same list."""
    around = [group.item.loop_items for group in Trace.required().open if isinstance(group, LoopGroup)]
    same = [other for other in around if isinstance(other, PipelineChannel) and pattern(other) == pattern(items)]
    return len(same) + 1


def _check_condition(condition: Any) -> None:
    if isinstance(condition, bool):
        raise ValueError(
            at(
                f"Got constant boolean {condition} as a condition. This is likely because the provided condition "
                "evaluated immediately. At least one of the operands must be an output from an upstream task or a "
                "pipeline parameter."
            )
        )
    if not isinstance(condition, ConditionOperation):
        raise AttributeError(at(f"A condition is a comparison, such as `task.output == 'a'`. Got: {condition!r}."))


def _open_branches(trace: Trace) -> None:
    """Put the If before an Elif or Else into a group of branches, which stays open for those that follow.

    The group and the If swap numbers, so that numbers go from the outside in.
    """
    first = trace.last_group()
    if first is None or isinstance(first, Elif):
        return
    branches = ConditionBranches()
    first_id = first.name.rpartition("-")[2]
    first.name = f"{first.kind}-{trace.next_group_id()}"
    branches.name = f"{branches.kind}-{first_id}"
    trace.open[-1].groups.pop()
    trace.enter(branches)
    trace.enter(first)
    trace.leave()


def _is_made_by_task(value: Any) -> bool:
    return (
        isinstance(value, PipelineChannel)
        and not isinstance(value, PipelineArtifactChannel)
        and bool(value.channel_task)
    )


def _branches_of(channel: PipelineChannel) -> ConditionBranches:
    task = Trace.required().tasks.get(channel.channel_task or "")
    branch = task.parent if task is not None else None
    branches = branch.parent if branch is not None else None
    if not isinstance(branches, ConditionBranches):
        raise AttributeError(at("dsl.OneOf takes outputs of tasks in the branches of dsl.If, dsl.Elif and dsl.Else."))
    return branches


def _is_inside(channel: PipelineChannel, branches: ConditionBranches) -> bool:
    task = Trace.required().tasks.get(channel.channel_task or "")
    group = task.parent if task is not None else None
    while group is not None and group is not branches:
        group = group.parent
    return group is branches


def _check_branches(channels: tuple[Any, ...], branches: ConditionBranches) -> None:
    first = channels[0]
    kind = PipelineParameterChannel if isinstance(first, PipelineParameterChannel) else PipelineArtifactChannel
    if any(not isinstance(channel, kind) for channel in channels):
        raise TypeError(
            at(
                "Task outputs passed to dsl.OneOf must be the same type. "
                "Found a mix of parameters and artifacts passed to dsl.OneOf."
            )
        )
    if not isinstance(branches.groups[-1], Else):
        raise ValueError(
            at(
                "dsl.OneOf must include an output from a task in a dsl.Else group to ensure at least one output is "
                "available at runtime."
            )
        )
    for index, channel in enumerate(channels):
        if not _is_inside(channel, branches):
            raise ValueError(
                at(
                    "dsl.OneOf takes outputs of one dsl.If with its dsl.Elif and dsl.Else. "
                    f"Got the output of {channel.channel_task}."
                )
            )
        same_kind = getattr(channel, "is_artifact_list", None) == getattr(first, "is_artifact_list", None)
        if channel.channel_type != first.channel_type or not same_kind:
            raise TypeError(
                at(
                    "Task outputs passed to dsl.OneOf must be the same type. Got two channels with different types: "
                    f"{first.channel_type} at index 0 and {channel.channel_type} at index {index}."
                )
            )
