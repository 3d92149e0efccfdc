"""What a container component's function gets for its inputs and outputs: texts that are replaced when the task starts.

Made by the DSL for the function of a `@container_component`, by users (`IfPresentPlaceholder`, `ConcatPlaceholder`),
and written into command lines by `wherry.compiler.executors`.
"""

from __future__ import annotations

from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Placeholder:
    """A text in a command line, known by the input or output that it stands for."""

    input_name: str = ""
    output_name: str = ""

    def text(self) -> str:
        """The placeholder as the document holds it."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.text()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment] # pyright: ignore[reportAssignmentType] - compared by what it holds


class InputValuePlaceholder(Placeholder):
    """The value of an input parameter.

    `_ir_type` is KFP's name of its parameter type, which public packages of components look at (a text is put between
    quotes, another value is not); empty where nobody asks.
    """

    def __init__(self, input_name: str, ir_type: str = "") -> None:
        self.input_name = input_name
        self._ir_type = ir_type

    def __getattr__(self, attribute: str) -> Any:
        raise AttributeError(
            at(
                f"The input {vars(self).get('input_name')!r} is a value, which has no {attribute!r}: "
                "only artifacts have a uri, a path and metadata."
            )
        )

    def text(self) -> str:
        return f"{{{{$.inputs.parameters['{self.input_name}']}}}}"


class OutputParameterPlaceholder(Placeholder):
    """The path of the file to write an output parameter to."""

    def __init__(self, output_name: str) -> None:
        self.output_name = output_name

    def text(self) -> str:
        return f"{{{{$.outputs.parameters['{self.output_name}'].output_file}}}}"


class ArtifactPlaceholder(Placeholder):
    """One attribute (`uri`, `path` or `metadata`) of an input or output artifact; metadata has keys."""

    def __init__(self, direction: str, name: str, attribute: str) -> None:
        self.input_name = name if direction == "inputs" else ""
        self.output_name = name if direction == "outputs" else ""
        self._prefix = f"{{{{$.{direction}.artifacts['{name}'].{attribute}"
        self._attribute = attribute

    def text(self) -> str:
        return self._prefix + "}}"

    def __getitem__(self, key: str) -> str:
        if self._attribute != "metadata":
            raise TypeError(at(f"Only the metadata of an artifact has keys. Found {key!r} on its {self._attribute}."))
        return f"{self._prefix}['{key}']}}}}"


class ArtifactListPlaceholder(Placeholder):
    """A whole list of artifacts; a container's command can take nothing less."""

    def __init__(self, direction: str, name: str) -> None:
        self.input_name = name if direction == "inputs" else ""
        self.output_name = name if direction == "outputs" else ""
        self._text = f"{{{{$.{direction}.artifacts['{name}']}}}}"

    def text(self) -> str:
        return self._text

    def __getattr__(self, attribute: str) -> Any:
        raise AttributeError(
            at(
                "Cannot access an attribute on a list of artifacts in a Custom Container Component. Found reference to "
                f"attribute {attribute!r} on {self.input_name or self.output_name!r}. "
                "Please pass the whole list of artifacts only."
            )
        )

    def __getitem__(self, index: int) -> Any:
        raise KeyError(
            at(
                f"Cannot access individual artifacts in a list of artifacts. Found access to element {index} on "
                f"{self.input_name or self.output_name!r}. Please pass the whole list of artifacts only."
            )
        )


class ArtifactArgument:
    """An artifact as a container component's function sees it: its `uri`, `path` and `metadata` are placeholders."""

    def __init__(self, direction: str, name: str) -> None:
        self._direction = direction
        self._name = name

    @property
    def uri(self) -> ArtifactPlaceholder:
        """Where the artifact is, as a URI."""
        return ArtifactPlaceholder(self._direction, self._name, "uri")

    @property
    def path(self) -> ArtifactPlaceholder:
        """Where the artifact is, as a local path."""
        return ArtifactPlaceholder(self._direction, self._name, "path")

    @property
    def metadata(self) -> ArtifactPlaceholder:
        """The artifact's metadata as JSON; subscripted, one of its values."""
        return ArtifactPlaceholder(self._direction, self._name, "metadata")

    def __getattr__(self, attribute: str) -> Any:
        raise AttributeError(at(f'Cannot access artifact attribute "{attribute}".'))

    def __str__(self) -> str:
        raise ValueError(self.misuse())

    @staticmethod
    def misuse() -> str:
        """What to tell a user who puts the artifact itself into a command line."""
        return at(
            "Cannot access artifact by itself in the container definition. "
            "Please use .uri or .path instead to access the artifact."
        )


class StructuredPlaceholder(Placeholder):
    """A placeholder that is a structure: one element of a command line, never a part of a text."""

    def struct(self) -> dict[str, Any]:
        """The structure as the document holds it (as JSON text)."""
        raise NotImplementedError

    def __str__(self) -> str:
        raise ValueError(at(f"Cannot use {type(self).__name__} in an f-string."))


class ConcatPlaceholder(StructuredPlaceholder):
    """The items as one text; items may be texts and placeholders."""

    def __init__(self, items: list[Any]) -> None:
        for item in items:
            if isinstance(item, IfPresentPlaceholder):
                item.require_single_elements()
        self.items = items

    def struct(self) -> dict[str, Any]:
        return {"Concat": [element(item) for item in self.items]}


class IfPresentPlaceholder(StructuredPlaceholder):
    """`then` when the optional input `input_name` has a value, else `else_`; each one element or a list of elements."""

    def __init__(self, input_name: str, then: Any, else_: Any = None) -> None:
        self.input_name = input_name
        self.then = then
        self.else_ = else_

    def branches(self) -> list[Any]:
        """All elements of both branches."""
        found: list[Any] = []
        for branch in (self.then, self.else_):
            if branch is not None:
                found.extend(branch if isinstance(branch, list) else [branch])  # pyright: ignore[reportUnknownArgumentType]
        return found

    def require_single_elements(self) -> None:
        """Raise ValueError if a branch, however deep, is a list: one text cannot be made of it."""
        if isinstance(self.then, list) or isinstance(self.else_, list):
            raise ValueError(
                at(
                    "Cannot use IfPresentPlaceholder within ConcatPlaceholder when `then` and `else_` arguments to "
                    "IfPresentPlaceholder are lists. Please use a single element for `then` and `else_` only."
                )
            )
        for branch in (self.then, self.else_):
            nested = branch.items if isinstance(branch, ConcatPlaceholder) else [branch]
            for item in nested:
                if isinstance(item, IfPresentPlaceholder):
                    item.require_single_elements()

    def struct(self) -> dict[str, Any]:
        inner: dict[str, Any] = {"InputName": self.input_name, "Then": _elements(self.then)}
        if self.else_:
            inner["Else"] = _elements(self.else_)
        return {"IfPresent": inner}


def element(value: Any) -> Any:
    """One element of a command line, as it stands inside a structure."""
    if isinstance(value, StructuredPlaceholder):
        return value.struct()
    return value.text() if isinstance(value, Placeholder) else value


def _elements(value: Any) -> Any:
    return [element(one) for one in value] if isinstance(value, list) else element(value)  # pyright: ignore[reportUnknownVariableType]
