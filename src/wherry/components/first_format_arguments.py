"""The command line of a component of KFP's first format: `{inputValue: x}` and its like as placeholders.

Called by `wherry.components.first_format`.  Invariant: a placeholder leads to an input or output that is declared, and
of the kind (parameter, artifact) that the placeholder is for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from wherry.compiler import placeholders, types
from wherry.compiler.interface import InputSpec, OutputSpec
from wherry.compiler.places import at
from wherry.runtime.placeholders import PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER


def sanitized(name: str) -> str:
    """The name of an input or output in KFP 2: lower case, digits and `_`."""
    return re.sub("[^_0-9a-z]+", "_", name.lower()).strip("_")


class Arguments:
    """Reads command lines against the inputs and outputs of a component.

    `input_names`, `output_names`: as the file has them; `inputs`, `outputs`: by their sanitized names.
    """

    def __init__(
        self,
        input_names: Collection[str],
        output_names: Collection[str],
        inputs: Mapping[str, InputSpec],
        outputs: Mapping[str, OutputSpec],
    ) -> None:
        self._input_names = input_names
        self._output_names = output_names
        self._inputs = inputs
        self._outputs = outputs

    def read_all(self, arguments: list[Any], where: str) -> list[Any]:
        """The elements of a command line.  Raises TypeError and ValueError, with the place."""
        return [self._read(argument, f"{where}[{index}]") for index, argument in enumerate(arguments)]

    def _read(self, argument: Any, where: str) -> Any:
        if isinstance(argument, str):
            return argument
        if not isinstance(argument, dict) or len(cast("dict[Any, Any]", argument)) != 1:
            raise TypeError(at(f"{where}: must be a text or a mapping with one placeholder, not {argument!r}"))
        ((kind, value),) = cast("dict[Any, Any]", argument).items()
        if kind == "executorInput":
            return PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER
        read = _READERS.get(kind)
        if read is None:
            known = ", ".join((*_READERS, "executorInput"))
            raise TypeError(at(f"{where}: Unexpected argument {argument!r}; known placeholders are {known}."))
        return read(self, value, f"{where}.{kind}")

    def _input_value(self, value: Any, where: str) -> Any:
        name = self._input(value, where)
        if not types.is_parameter(self._inputs[name].type):
            raise _wrong_kind("Input", name, self._inputs[name].type, "InputValuePlaceholder")
        return placeholders.InputValuePlaceholder(name)

    def _input_path(self, value: Any, where: str) -> Any:
        return self._input_artifact(value, where, "path", "InputPathPlaceholder")

    def _input_uri(self, value: Any, where: str) -> Any:
        return self._input_artifact(value, where, "uri", "InputUriPlaceholder")

    def _input_artifact(self, value: Any, where: str, attribute: str, what: str) -> Any:
        name = self._input(value, where)
        if types.is_parameter(self._inputs[name].type):
            raise _wrong_kind("Input", name, self._inputs[name].type, what)
        return placeholders.ArtifactPlaceholder("inputs", name, attribute)

    def _output_path(self, value: Any, where: str) -> Any:
        name = self._output(value, where)
        if types.is_parameter(self._outputs[name].type):
            return placeholders.OutputParameterPlaceholder(name)
        return placeholders.ArtifactPlaceholder("outputs", name, "path")

    def _output_uri(self, value: Any, where: str) -> Any:
        name = self._output(value, where)
        if types.is_parameter(self._outputs[name].type):
            raise _wrong_kind("Output", name, self._outputs[name].type, "OutputUriPlaceholder")
        return placeholders.ArtifactPlaceholder("outputs", name, "uri")

    def _concat(self, value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise TypeError(at(f"{where}: must be a list, not {value!r}"))
        return placeholders.ConcatPlaceholder(self.read_all(cast("list[Any]", value), where))

    def _if(self, value: Any, where: str) -> Any:
        branches = cast("dict[Any, Any]", value) if isinstance(value, dict) else {}
        unknown = branches.keys() - {"cond", "then", "else"}
        if unknown or not {"cond", "then"} <= branches.keys():
            raise TypeError(at(f"{where}: must have cond, then and, if wanted, else. Got: {value!r}"))
        condition: Any = branches["cond"]
        if not isinstance(condition, dict) or condition.keys() != {"isPresent"}:
            raise TypeError(at(f"{where}.cond: KFP 2 knows {{isPresent: <input>}} only. Got: {condition!r}"))
        name = self._input(cast("dict[str, Any]", condition)["isPresent"], f"{where}.cond.isPresent")
        then, otherwise = (self._branch(branches.get(key), f"{where}.{key}") for key in ("then", "else"))
        return placeholders.IfPresentPlaceholder(name, then, otherwise)

    def _branch(self, value: Any, where: str) -> Any:
        if value is None:
            return None
        return self.read_all(cast("list[Any]", value), where) if isinstance(value, list) else self._read(value, where)

    def _input(self, name: Any, where: str) -> str:
        if name not in self._input_names:
            raise TypeError(at(f'{where}: Argument "{name}" references non-existing input.'))
        return sanitized(name)

    def _output(self, name: Any, where: str) -> str:
        if name not in self._output_names:
            raise TypeError(at(f'{where}: Argument "{name}" references non-existing output.'))
        return sanitized(name)


def _wrong_kind(direction: str, name: str, type_name: str, placeholder: str) -> TypeError:
    return TypeError(at(f'{direction} "{name}" with type "{type_name}" cannot be paired with {placeholder}.'))


_READERS: dict[str, Callable[[Arguments, Any, str], Any]] = {
    "inputValue": Arguments._input_value,  # pyright: ignore[reportPrivateUsage] - its own table
    "inputPath": Arguments._input_path,  # pyright: ignore[reportPrivateUsage]
    "inputUri": Arguments._input_uri,  # pyright: ignore[reportPrivateUsage]
    "outputPath": Arguments._output_path,  # pyright: ignore[reportPrivateUsage]
    "outputUri": Arguments._output_uri,  # pyright: ignore[reportPrivateUsage]
    "concat": Arguments._concat,  # pyright: ignore[reportPrivateUsage]
    "if": Arguments._if,  # pyright: ignore[reportPrivateUsage]
}
