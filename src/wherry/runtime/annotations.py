"""The annotations of a component's parameters, and the questions one asks of them.

Used by `wherry.dsl` at compile time, by `wherry.runtime.executor` inside a task and by the `kfp` shim.  Answers follow
`kfp.dsl.types` (kfp 2.17).  Invariant: does not import `typing` (it costs more than the rest of `wherry.dsl`), yet
understands its objects; `Input[T]` has the shape of `typing.Annotated[T, InputAnnotation]`.  Classes are recognised by
what they have, not by identity, so that functions annotated with the released `kfp.dsl` classes work too.
"""

from __future__ import annotations

import sys

from wherry.runtime import artifact_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any, TypeVar

    T = TypeVar("T")

DEFAULT_SCHEMA_VERSION = "0.0.1"

# Names of parameter types, lower-cased, and the IR's `parameterType` of each.
PARAMETER_TYPES: dict[str, str] = {
    "integer": "NUMBER_INTEGER",
    "int": "NUMBER_INTEGER",
    "double": "NUMBER_DOUBLE",
    "float": "NUMBER_DOUBLE",
    "string": "STRING",
    "str": "STRING",
    "text": "STRING",
    "bool": "BOOLEAN",
    "boolean": "BOOLEAN",
    "dict": "STRUCT",
    "list": "LIST",
    "jsonobject": "STRUCT",
    "jsonarray": "LIST",
}
# Parameters that the system fills in; their IR types differ from the struct they look like.
SYSTEM_PARAMETER_TYPES: dict[str, str] = {
    "PipelineTaskFinalStatus": "TASK_FINAL_STATUS",
    "TaskConfig": "TASK_CONFIG",
}
# Artifact classes by lower-cased name: `InputPath('Dataset')` is the older way to write `InputPath(Dataset)`.
ARTIFACT_CLASSES: dict[str, type[artifact_types.Artifact]] = {
    cls.__name__.lower(): cls for cls in artifact_types.SYSTEM_CLASSES
}


class InputAnnotation:
    """Marks an artifact parameter as an input."""


class OutputAnnotation:
    """Marks an artifact parameter as an output."""


class EmbeddedAnnotation:
    """Marks a parameter that is filled from the component's embedded files."""


class MarkedAlias:
    """`Input[T]`, `Output[T]` or `EmbeddedInput[T]`: the shape of `typing.Annotated[T, marker]`, without `typing`."""

    __slots__ = ("__args__", "__metadata__", "__origin__")

    def __init__(self, origin: Any, marker: type) -> None:
        self.__origin__ = origin
        self.__args__ = (origin,)
        self.__metadata__ = (marker,)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MarkedAlias)
            and self.__origin__ == other.__origin__
            and self.__metadata__ == other.__metadata__
        )

    def __hash__(self) -> int:
        return hash((self.__origin__, self.__metadata__))

    def __or__(self, other: Any) -> Any:
        import typing

        return typing.Union[self, other]

    def __ror__(self, other: Any) -> Any:
        import typing

        return typing.Union[other, self]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make an instance of the class inside; also what lets `typing.Optional[Input[T]]` accept this object."""
        return self.__origin__(*args, **kwargs)

    def __repr__(self) -> str:
        inner = getattr(self.__origin__, "__name__", None) or repr(self.__origin__)
        return f"{self.__metadata__[0].__name__.replace('Annotation', '')}[{inner}]"


class _Marker:
    """What `Input` itself is: subscripting it gives the alias."""

    __slots__ = ("_marker", "_name")

    def __init__(self, name: str, marker: type) -> None:
        self._name = name
        self._marker = marker

    def __getitem__(self, item: Any) -> MarkedAlias:
        return MarkedAlias(item, self._marker)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self._name} is an annotation; write {self._name}[Artifact]")

    def __repr__(self) -> str:
        return f"dsl.{self._name}"


if TYPE_CHECKING:
    Input = Annotated[T, InputAnnotation]
    Output = Annotated[T, OutputAnnotation]
    EmbeddedInput = Annotated[T, EmbeddedAnnotation]
else:
    Input = _Marker("Input", InputAnnotation)
    Output = _Marker("Output", OutputAnnotation)
    EmbeddedInput = _Marker("EmbeddedInput", EmbeddedAnnotation)


class _Path:
    def __init__(self, type: Any = None) -> None:
        self.type: Any = path_type(type)

    def __eq__(self, other: object) -> bool:
        return other.__class__ is self.__class__ and self.type == getattr(other, "type", None)

    def __hash__(self) -> int:
        return hash((self.__class__, self.type))

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.type!r})"


class InputPath(_Path):
    """Annotates a parameter that is the path of an input artifact.  `type`: an artifact class or its name."""


class OutputPath(_Path):
    """Annotates a parameter that is a path to write an output to.  `type`: an artifact class or its name, or a
    parameter type; the text in the file is then parsed by that type."""


def path_type(type_: Any) -> Any:
    """What `InputPath(type_).type` is: `<schema title>@<version>` for artifacts, a parameter type as it was given."""
    if is_artifact_class(type_):
        return f"{type_.schema_title}@{type_.schema_version or DEFAULT_SCHEMA_VERSION}"
    if isinstance(type_, str) and type_.lower() in ARTIFACT_CLASSES:
        return f"{ARTIFACT_CLASSES[type_.lower()].schema_title}@{DEFAULT_SCHEMA_VERSION}"
    if parameter_type(type_):
        return type_
    return f"{artifact_types.Artifact.schema_title}@{DEFAULT_SCHEMA_VERSION}"


def short_type_name(type_name: str) -> str:
    """`typing.List[int]` and `List[int]` are `List`; a text that does not start with a name is itself."""
    name = type_name[len("typing.") :] if type_name.startswith("typing.") else type_name
    end = 0
    while end < len(name) and (name[end].isalnum() or name[end] == "_"):
        end += 1
    return name[:end] or type_name


def parameter_type(annotation: Any) -> str | None:
    """The IR's parameter type of an annotation (a class, a typing object or a name), or None if it is not one."""
    chosen = choices(annotation)
    if chosen:
        name = type(chosen[0]).__name__
    elif isinstance(annotation, type):
        name = annotation.__name__
        # `list[int]` answers isinstance(x, type) on Python 3.9 and 3.10; its text has the name first in any case.
        if not hasattr(annotation, "__origin__") and annotation.__module__ not in ("builtins", "typing"):
            return SYSTEM_PARAMETER_TYPES.get(name) or PARAMETER_TYPES.get(name.lower())
    elif isinstance(annotation, dict):
        name = str(next(iter(annotation), ""))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    else:
        name = short_type_name(str(annotation))
    return SYSTEM_PARAMETER_TYPES.get(name) or PARAMETER_TYPES.get(name.lower())


def choices(annotation: Any) -> list[Any] | None:
    """All values that a `Literal[...]` or an enumeration of texts or numbers allows; None for other annotations."""
    if is_enumeration(annotation):
        return [member.value for member in annotation.__members__.values()]
    if type(annotation).__name__ == "_LiteralGenericAlias":
        return list(annotation.__args__)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    return None


def is_enumeration(annotation: Any) -> bool:
    """Whether this is a class of `enum` with members."""
    return isinstance(annotation, type) and bool(getattr(annotation, "__members__", None))


def is_parameter(annotation: Any) -> bool:
    """Whether values of this annotation are parameters (not artifacts)."""
    return parameter_type(annotation) is not None


def _marker_name(annotation: Any) -> str:
    metadata = getattr(annotation, "__metadata__", None)
    return getattr(metadata[0], "__name__", "") if metadata else ""


def is_input(annotation: Any) -> bool:
    """Whether this is `Input[T]`."""
    return _marker_name(annotation) == "InputAnnotation"


def is_output(annotation: Any) -> bool:
    """Whether this is `Output[T]`."""
    return _marker_name(annotation) == "OutputAnnotation"


def is_embedded_input(annotation: Any) -> bool:
    """Whether this is `EmbeddedInput[T]`."""
    return _marker_name(annotation) == "EmbeddedAnnotation"


def is_marked_artifact(annotation: Any) -> bool:
    """Whether this is `Input[T]` or `Output[T]`."""
    return _marker_name(annotation) in ("InputAnnotation", "OutputAnnotation")


def is_input_path(annotation: Any) -> bool:
    """Whether this is an `InputPath(...)`."""
    return type(annotation).__name__ == "InputPath"


def is_output_path(annotation: Any) -> bool:
    """Whether this is an `OutputPath(...)`."""
    return type(annotation).__name__ == "OutputPath"


def is_artifact_class(value: Any) -> bool:
    """Whether `value` is an artifact class (or an instance of one): it has a schema title and a schema version."""
    return hasattr(value, "schema_title") and hasattr(value, "schema_version")


def is_list_of_artifacts(annotation: Any) -> bool:
    """Whether this is `List[T]` or `list[T]` with an artifact class inside."""
    if getattr(annotation, "__origin__", None) is not list:
        return False
    args = getattr(annotation, "__args__", ())
    return len(args) == 1 and isinstance(args[0], type) and is_artifact_class(args[0])


def is_named_tuple(annotation: Any) -> bool:
    """Whether this is a NamedTuple class with annotated fields."""
    if not (isinstance(annotation, type) and issubclass(annotation, tuple)):
        return False
    names = dir(annotation)  # pyright: ignore[reportUnknownArgumentType] - any tuple class
    return "_fields" in names and "__annotations__" in names


def strip_marker(annotation: Any) -> Any:
    """`T` of `Input[T]`, `Output[T]` and `EmbeddedInput[T]`."""
    return annotation.__args__[0]


def io_artifact_class(annotation: Any) -> Any:
    """The artifact class of `Input[T]`, `Output[T]` or `Input[List[T]]`; None when it is neither."""
    if not is_marked_artifact(annotation):
        return None
    inner = strip_marker(annotation)
    return inner.__args__[0] if getattr(inner, "__origin__", None) is list else inner


def strip_optional(annotation: Any) -> Any:
    """`T` of `Optional[T]`, `T | None` and `None | T`; anything else is itself."""
    args = getattr(annotation, "__args__", None)
    if args and len(args) == 2 and type(None) in args and _is_union(annotation):
        return args[0] if args[1] is type(None) else args[1]
    return annotation


def is_optional(annotation: Any) -> bool:
    """Whether the annotation admits None: `Optional[T]`, `T | None`."""
    return strip_optional(annotation) is not annotation


def _is_union(annotation: Any) -> bool:
    if sys.version_info >= (3, 10) and type(annotation) is _UNION_TYPE:
        return True
    typing = sys.modules.get("typing")  # not loaded: then nobody can have made one of its objects
    return typing is not None and getattr(annotation, "__origin__", None) is typing.Union


if sys.version_info >= (3, 10):
    _UNION_TYPE = type(int | None)
