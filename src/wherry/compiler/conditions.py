"""Conditions as the document holds them: CEL over the inputs of the group that they guard.

Called by `wherry.compiler.tasks`.  Two operands of different types meet at the stronger: text, then boolean, then
double, then integer.
"""

from __future__ import annotations

from wherry.compiler import types
from wherry.compiler.channels import ConditionOperation, PipelineChannel, injected_name
from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r"})
"""What KFP writes as it is: its conditions with such texts do not parse, or say something else."""
_STRENGTH = ("NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "STRING")


def expression(operations: Sequence[ConditionOperation]) -> str:
    """All operations, joined by `&&`.  Raises ValueError for operands that are not primitive."""
    return " && ".join(_operation(operation) for operation in operations)


def _operation(operation: ConditionOperation) -> str:
    operands = (operation.left_operand, operation.right_operand)
    operand_types = [_type(operand, operation.place) for operand in operands]
    common = max(operand_types, key=_STRENGTH.index)
    left, right = (
        _cast(_text(operand, own), own, common, operation.place)
        for operand, own in zip(operands, operand_types, strict=True)
    )
    text = f"{left} {operation.operator} {right}"
    return f"!({text})" if operation.negate else text


def _type(operand: Any, place: str) -> str:
    if isinstance(operand, PipelineChannel):
        found = types.parameter_type(operand.channel_type)
        what = f'input "{injected_name(operand)}" of type {operand.channel_type}'
    else:
        name = types.name_of_constant(operand)
        found = types.parameter_type(name) if name else None
        what = f"{operand!r} of type {type(operand).__name__}"
    if found not in _STRENGTH:
        raise ValueError(
            at(
                "Conditional requires primitive parameter values for comparison. "
                f"Found {what} in pipeline definition instead.",
                place,
            )
        )
    return found


def _text(operand: Any, own: str) -> str:
    if isinstance(operand, PipelineChannel):
        value = f"inputs.parameter_values['{injected_name(operand)}']"
        return f"int({value})" if own == "NUMBER_INTEGER" else value
    if isinstance(operand, str):
        return f"'{operand.translate(_ESCAPES)}'"
    return str(operand).lower() if isinstance(operand, bool) else str(operand)


def _cast(text: str, own: str, common: str, place: str) -> str:
    if own == common:
        return text
    if common == "STRING":
        return f"'{text}'"
    if common == "NUMBER_DOUBLE":
        return f"double({text})"
    try:
        return "true" if int(text) == 0 else "false"  # as KFP has it
    except ValueError:
        raise ValueError(at(f"A boolean cannot be compared with {text}, which is not known yet.", place)) from None
