"""The dialect of CEL that pipeline documents use, for conditions and expression selectors.

Called by `wherry.ir.check` (does it parse?) and by the engine (what is it worth?).  It is `wherry.cel` with KFP's own
function and KFP's own quotes; variables have no types ahead of time.  Invariant: evaluating has no effect, ends, and
raises nothing but CELError.
"""

from __future__ import annotations

import json
import re
from typing import Any

from wherry.cel.errors import CELError, NoValue
from wherry.cel.expressions import Environment, Expression
from wherry.cel.functions import overload
from wherry.cel.standard import STANDARD
from wherry.cel.tokens import Token, tokens
from wherry.cel.values import double_text, type_of

__all__ = ["CELError", "Expression", "parse", "text_of", "type_of"]

_QUOTED = re.compile(r"inputs\.parameter_values\['[^'\\\n]*'\]|int\(inputs\.parameter_values\['[^'\\\n]*'\]\)")


def parse(text: str) -> Expression:
    """Compiles an expression; raises CELError with the column of what is wrong."""
    return _ENVIRONMENT.compile(text, words=_words)


def text_of(value: Any) -> str:
    """CEL's string(): numbers in their shortest form, booleans as true and false, text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return double_text(value) if isinstance(value, float) else str(value)
    raise CELError(f"string() does not take {type_of(value)}")


def _parse_json(text: str) -> Any:
    """KFP's own function for selectors over loop items and struct fields."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise NoValue(f"parseJson(): not JSON: {text[:60]!r}") from None


_ENVIRONMENT = Environment([*STANDARD, overload("parseJson(string): dyn", _parse_json)])


def _words(text: str) -> list[Token]:
    """The tokens, with KFP's quotes taken for what they mean.

    KFP's compiler puts an operand that is not text into quotes where it is compared with text.  No expression has a
    name right after a text, so that this can only mean `string(...)`, which is what the source says.
    """
    plain = tokens(text)
    if "'inputs.parameter_values['" not in text and "'int(inputs." not in text:
        return plain
    found: list[Token] = []
    skip = 0
    for token in plain:
        if token.at < skip:
            continue
        quoted = _QUOTED.match(text, token.at + 1) if token.kind == "string" and token.text[0] == "'" else None
        if quoted is None or text[quoted.end() : quoted.end() + 1] != "'":
            found.append(token)
            continue
        at, skip = token.at, quoted.end() + 1
        found += [Token("name", "string", at), Token("mark", "(", at)]
        found += [each._replace(at=each.at + at + 1) for each in tokens(quoted.group())[:-1]]
        found.append(Token("mark", ")", quoted.end()))
    return found
