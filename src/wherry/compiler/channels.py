"""Channels: values that exist only when the pipeline runs, and the conditions made of them.

Made by the DSL while a pipeline function runs, read by every step of the compiler.  Invariant: a channel is told from
another by its `pattern`, never by `==`, which builds a condition.  The fields are called `channel_*` and `loop_*`
because the attributes of a loop's item are the user's.
"""

from __future__ import annotations

import warnings

from wherry.compiler import types
from wherry.compiler.places import at, caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

INJECTED_PREFIX = "pipelinechannel--"
LOOP_ITEM = "loop-item"
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- \t\n")


class ConditionOperation:
    """`left <operator> right`, to be decided when the pipeline runs; `negate` for the branches that come after."""

    __slots__ = ("left_operand", "negate", "operator", "place", "right_operand")

    def __init__(self, operator: str, left_operand: Any, right_operand: Any, negate: bool = False) -> None:
        self.operator = operator
        self.left_operand = left_operand
        self.right_operand = right_operand
        self.negate = negate
        self.place = caller()

    def __bool__(self) -> bool:
        warnings.warn(
            "A comparison with a value that is known only when the pipeline runs counts as true in if, and, or, not "
            "and in: write it as dsl.If(...), and one dsl.If within another for several.",
            stacklevel=2,
        )
        return True

    def negated(self) -> ConditionOperation:
        """The same comparison, negated."""
        return ConditionOperation(self.operator, self.left_operand, self.right_operand, negate=True)

    def channels(self) -> Iterator[PipelineChannel]:
        """The operands that are channels."""
        for operand in (self.left_operand, self.right_operand):
            if isinstance(operand, PipelineChannel):
                yield operand


class PipelineChannel:
    """A future value: the output `channel_name` of the task (or group) `channel_task`, or an input of the pipeline."""

    __slots__ = ("channel_name", "channel_task", "channel_type")

    def __init__(self, name: str, channel_type: str, task_name: str | None = None) -> None:
        if not name or not name[0].isascii() or not name[0].isalpha() or not _NAME_CHARACTERS.issuperset(name):
            raise ValueError(
                at(
                    'Only letters, numbers, spaces, "_", and "-" are allowed in the name. Must begin with a letter. '
                    f"Got name: {name}"
                )
            )
        self.channel_name = name
        self.channel_type = channel_type
        self.channel_task = task_name or None

    def __str__(self) -> str:
        """The text that stands for the channel inside a longer text, until the compiler puts an input in its place."""
        text = pattern(self)
        _interpolated[text] = self
        return text

    def __repr__(self) -> str:
        return str(self)

    def __hash__(self) -> int:
        return hash(pattern(self))

    def __eq__(self, other: object) -> ConditionOperation:  # type: ignore[override]
        return ConditionOperation("==", self, other)

    def __ne__(self, other: object) -> ConditionOperation:  # type: ignore[override]
        return ConditionOperation("!=", self, other)

    def __lt__(self, other: object) -> ConditionOperation:
        return ConditionOperation("<", self, other)

    def __le__(self, other: object) -> ConditionOperation:
        return ConditionOperation("<=", self, other)

    def __gt__(self, other: object) -> ConditionOperation:
        return ConditionOperation(">", self, other)

    def __ge__(self, other: object) -> ConditionOperation:
        return ConditionOperation(">=", self, other)


class PipelineParameterChannel(PipelineChannel):
    """A parameter.  Items of loops are subclasses, so that comparisons with them read from their side, as in KFP."""

    __slots__ = ()

    def __init__(self, name: str, channel_type: str, task_name: str | None = None) -> None:
        if not types.is_parameter(channel_type):
            raise TypeError(at(f"{channel_type} is not a parameter type."))
        PipelineChannel.__init__(self, name, channel_type, task_name)


class PipelineArtifactChannel(PipelineChannel):
    """An artifact, or a list of artifacts."""

    __slots__ = ("is_artifact_list",)

    def __init__(self, name: str, channel_type: str, task_name: str | None, is_artifact_list: bool) -> None:
        if types.is_parameter(channel_type):
            raise TypeError(at(f"{channel_type} is not an artifact type."))
        PipelineChannel.__init__(self, name, channel_type, task_name)
        self.is_artifact_list = is_artifact_list


class LoopArtifactArgument(PipelineArtifactChannel):
    """One artifact of the list that a loop runs over (`loop_items`).

    `loop_number` tells it from the items of loops around it over the same list; `loop_is_numbered`: in the document
    too.
    """

    __slots__ = ("loop_is_numbered", "loop_items", "loop_number")

    def __init__(self, items: PipelineArtifactChannel, number: int) -> None:
        if not items.is_artifact_list:
            raise ValueError(
                at(
                    "Cannot iterate over a single artifact using `dsl.ParallelFor`. "
                    "Expected a list of artifacts as argument to `items`."
                )
            )
        super().__init__(_item_name(items.channel_name, number), items.channel_type, items.channel_task, False)
        self.loop_items = items
        self.loop_number = number
        self.loop_is_numbered = False


class LoopParameterArgument(PipelineParameterChannel):
    """One item of what a loop runs over; its attributes are the fields of the item, when that is a dict.

    `loop_items`: the list itself or the channel of the list.  `loop_number` tells it from the items of loops around it
    over the same list; `loop_is_numbered`: in the document too.
    """

    __slots__ = ("loop_fields", "loop_is_numbered", "loop_items", "loop_number")

    loop_items: list[Any] | PipelineChannel
    loop_fields: dict[str, LoopArgumentVariable]

    def __init__(self, items: list[Any] | PipelineChannel, name: str, channel_type: str, task_name: str | None) -> None:
        super().__init__(name, channel_type, task_name)
        self.loop_items = items
        self.loop_fields = {}
        self.loop_number = 1
        self.loop_is_numbered = False

    @classmethod
    def of_channel(cls, channel: PipelineChannel, number: int) -> LoopParameterArgument:
        """The item of a loop over a list that a task makes or the pipeline is given.

        Raises ValueError when the channel is known not to be a list.
        """
        if not isinstance(channel, LoopArgumentVariable) and types.parameter_type(channel.channel_type) != "LIST":
            raise ValueError(
                at(
                    "Cannot iterate over a single parameter using `dsl.ParallelFor`. "
                    "Expected a list of parameters as argument to `items`."
                )
            )
        item_type = types.item_type(channel.channel_type) or "String"
        argument = cls(channel, _item_name(channel.channel_name, number), item_type, channel.channel_task)
        argument.loop_number = number
        return argument

    @classmethod
    def of_values(cls, items: Any, group_id: str) -> LoopParameterArgument:
        """The item of a loop over values that are known now.  The type is that of the first.

        Raises TypeError for what is no list, ValueError for an empty one.
        """
        if not isinstance(items, (list, tuple)):
            raise TypeError(at(f"Expected list, tuple, or PipelineParameterChannel, got {items}."))
        values: list[Any] = list(items)  # pyright: ignore[reportUnknownArgumentType] - users' values
        if not values:
            raise ValueError(at("Got an empty item list for loop argument."))
        first: Any = values[0]
        item_type = type(first).__name__
        fields: Any = {}
        if isinstance(first, dict) and first:
            fields = first  # pyright: ignore[reportUnknownVariableType] - users' values
            key, value = next(iter(fields.items()))
            item_type = f"Dict[{type(key).__name__}, {type(value).__name__}]"
        argument = cls(values, f"{LOOP_ITEM}-param-{group_id}", item_type, None)
        for field in fields:
            argument.loop_fields[field] = LoopArgumentVariable(argument, field)
        return argument

    def __getattr__(self, field: str) -> LoopArgumentVariable:
        if field.startswith(("__", "loop_")):
            raise AttributeError(field)
        known = self.loop_fields.get(field)
        if known is None:
            known = self.loop_fields[field] = LoopArgumentVariable(self, field)
        return known


class LoopArgumentVariable(PipelineParameterChannel):
    """The field `subvar_name` of a loop's item (`loop_argument`)."""

    __slots__ = ("loop_argument", "subvar_name")

    def __init__(self, loop_argument: LoopParameterArgument, subvar_name: str) -> None:
        if not isinstance(subvar_name, str) or not subvar_name.isascii() or not subvar_name.isidentifier():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                at(f"Tried to create subvariable named {subvar_name}, but that is not a legal Python variable name.")
            )
        channel_type = types.field_type(loop_argument.channel_type) or "String"
        if not types.is_parameter(channel_type):
            raise TypeError(at(f"{channel_type} is not a parameter type."))
        super().__init__(f"{loop_argument.channel_name}-subvar-{subvar_name}", channel_type, loop_argument.channel_task)
        self.subvar_name = subvar_name
        self.loop_argument = loop_argument


class Collected(PipelineChannel):
    """The outputs of a task in a loop, one of each iteration, as a list for a task outside of that loop."""

    __slots__ = ("is_artifact_channel", "is_artifact_list", "output")

    def __init__(self, output: PipelineChannel) -> None:
        if isinstance(output, (OneOfParameter, OneOfArtifact)):
            raise ValueError(at("dsl.OneOf cannot be used inside of dsl.Collected."))
        self.is_artifact_channel = isinstance(output, PipelineArtifactChannel)
        self.is_artifact_list = self.is_artifact_channel
        channel_type = output.channel_type if self.is_artifact_channel else "LIST"
        super().__init__(output.channel_name, channel_type, output.channel_task)
        self.output = output

    def __str__(self) -> str:
        return pattern(self)


class OneOfParameter(PipelineParameterChannel):
    """The parameter of whichever branch ran.  `channels`: one of each branch; `channel_task`: the branches' group."""

    __slots__ = ("channels",)

    channels: list[PipelineChannel]

    def __str__(self) -> str:
        raise NotImplementedError(at("dsl.OneOf does not support string interpolation."))


class OneOfArtifact(PipelineArtifactChannel):
    """The artifact of whichever branch ran.  `channels`: one of each branch; `channel_task`: the branches' group."""

    __slots__ = ("channels",)

    channels: list[PipelineChannel]

    def __str__(self) -> str:
        raise NotImplementedError(at("dsl.OneOf does not support string interpolation."))


def channel_of(
    name: str, channel_type: str, task_name: str | None = None, is_artifact_list: bool = False
) -> PipelineParameterChannel | PipelineArtifactChannel:
    """A channel of the kind that the type asks for."""
    if types.is_parameter(channel_type):
        return PipelineParameterChannel(name, channel_type, task_name)
    return PipelineArtifactChannel(name, channel_type, task_name, is_artifact_list)


def _item_name(items: str, number: int) -> str:
    name = f"{items}-{LOOP_ITEM}"
    return name if number == 1 else f"{name}-{number}"


def full_name(channel: PipelineChannel) -> str:
    """The name of the channel in the whole pipeline."""
    if isinstance(channel, LoopArgumentVariable):
        return f"{full_name(channel.loop_argument)}-subvar-{channel.subvar_name}"
    if isinstance(channel, (LoopParameterArgument, LoopArtifactArgument)) and not isinstance(channel.loop_items, list):
        return _item_name(full_name(channel.loop_items), channel.loop_number if channel.loop_is_numbered else 1)
    if channel.channel_task:
        return f"{channel.channel_task}-{channel.channel_name}"
    return channel.channel_name


def injected_name(channel: PipelineChannel) -> str:
    """The name of the input that a group gets for a channel from outside."""
    return INJECTED_PREFIX + full_name(channel)


def pattern(channel: PipelineChannel) -> str:
    """The text that stands for the channel in a longer text, and what tells it from other channels."""
    return "{{channel:task=%s;name=%s;type=%s;}}" % (  # noqa: UP031 - braces
        channel.channel_task or "",
        channel.channel_name,
        channel.channel_type,
    )


# The channels that have been put into texts, by their patterns: what a text holds is the very channel, with its kind.
_interpolated: dict[str, PipelineChannel] = {}


def forget_interpolated() -> None:
    """Called when the outermost pipeline function has been compiled: no text can hold its channels any more."""
    _interpolated.clear()


def channels_in_text(text: str) -> Iterator[PipelineChannel]:
    """The channels that a text holds, each once."""
    start = text.find("{{channel:task=")
    seen: set[str] = set()
    while start >= 0:
        end = text.find(";}}", start)
        if end < 0:
            return
        found = text[start : end + 3]
        if found not in seen:
            seen.add(found)
            channel = _interpolated.get(found) or _parse(found)
            if channel is not None:
                yield channel
        start = text.find("{{channel:task=", end)


def _parse(text: str) -> PipelineChannel | None:
    fields: dict[str, str] = {}
    for part in text[len("{{channel:") : -len(";}}")].split(";"):
        key, _, value = part.partition("=")
        fields[key] = value
    name, channel_type = fields.get("name", ""), fields.get("type", "")
    if not name or not types.is_parameter(channel_type):
        return None
    return PipelineParameterChannel(name, channel_type, fields.get("task"))


def channels_in(value: Any) -> list[PipelineChannel]:
    """The channels in an argument: itself, in texts, in lists and dicts (keys too), each once."""
    found: dict[str, PipelineChannel] = {}
    _collect(value, found)
    return list(found.values())


def _collect(value: Any, found: dict[str, PipelineChannel]) -> None:
    if isinstance(value, PipelineChannel):
        found.setdefault(pattern(value), value)
    elif isinstance(value, str):
        if "{{channel:" in value:
            for channel in channels_in_text(value):
                found.setdefault(pattern(channel), channel)
    elif isinstance(value, (list, tuple)):
        for one in value:  # pyright: ignore[reportUnknownVariableType]
            _collect(one, found)
    elif isinstance(value, dict):
        for key, one in value.items():  # pyright: ignore[reportUnknownVariableType]
            _collect(key, found)
            _collect(one, found)


def replace_patterns(value: Any, replacements: Sequence[tuple[str, str]]) -> Any:
    """The value with every channel in it, or its text, replaced by a placeholder."""
    if isinstance(value, dict):
        return {key: replace_patterns(one, replacements) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [replace_patterns(one, replacements) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, PipelineChannel):
        value = str(value)
    if isinstance(value, str):
        for old, new in replacements:
            value = value.replace(old, new)
    return value
