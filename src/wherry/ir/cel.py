"""The Common Expression Language, as far as pipeline documents use it: conditions and expression selectors.

Called by `wherry.ir.check` (does it parse?) and by the engine (what is it worth?).  An expression is compiled once, to
nested functions.  Invariant: evaluating has no effect, ends, and raises nothing but CELError; values are JSON's, a
number's type is int or float as CEL's is int or double, and types are never mixed silently, except that
numbers compare with numbers.  Macros, timestamps and bytes are refused by name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias, cast

from wherry.errors import WherryError

MAX_CHARS = 1 << 16
MAX_DEPTH = 100

Variables: TypeAlias = Mapping[str, Any]
Evaluate: TypeAlias = Callable[[Variables], Any]
Operator: TypeAlias = Callable[[Any, Any], Any]


class CELError(WherryError):
    """The expression does not parse, or has no value for these variables."""


class Expression(NamedTuple):
    """A compiled expression: `evaluate(variables)` gives its value or raises CELError."""

    text: str
    evaluate: Evaluate


def parse(text: str) -> Expression:
    """Compiles an expression; raises CELError with the column of the first thing that is wrong."""
    if len(text) > MAX_CHARS:
        raise CELError(f"the expression has {len(text)} characters; more than {MAX_CHARS} are refused")
    parser = _Parser(text)
    evaluate = parser.ternary(0)
    parser.expect_end()
    return Expression(text, evaluate)


# --- values -----------------------------------------------------------------------------------------------------------


def text_of(value: Any) -> str:
    """CEL's string(): numbers in their shortest form, booleans as true and false, text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float):
        return repr(value)
    raise CELError(f"string() does not take {type_of(value)}")


def type_of(value: Any) -> str:
    """CEL's name for the type of a value."""
    names: dict[type, str] = {
        bool: "bool", int: "int", float: "double", str: "string", list: "list", dict: "map", type(None): "null",
    }  # fmt: skip
    return names.get(value.__class__, "a value that JSON does not know")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        a, b = cast("list[Any]", left), cast("list[Any]", right)
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(left, dict) and isinstance(right, dict):
        c, d = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
        return c.keys() == d.keys() and all(_equal(value, d[key]) for key, value in c.items())
    return left == right


def _ordered(symbol: str, compare: Operator) -> Operator:
    def apply(left: Any, right: Any) -> bool:
        alike = _number(left) and _number(right)
        if alike or (isinstance(left, str | bool) and type(left) is type(right)):
            return compare(left, right)
        raise CELError(f"{type_of(left)} {symbol} {type_of(right)} has no meaning")

    return apply


def _contains(item: Any, container: Any) -> bool:
    if isinstance(container, dict):
        return item in cast("dict[str, Any]", container) if isinstance(item, str) else False
    if isinstance(container, list):
        return any(_equal(item, each) for each in cast("list[Any]", container))
    raise CELError(f"`in` needs a list or a map, not {type_of(container)}")


def _arithmetic(symbol: str, compute: Operator) -> Operator:
    def apply(left: Any, right: Any) -> Any:
        if _number(left) and _number(right) and type(left) is type(right):
            return _in_range(compute(left, right))
        if symbol == "+" and type_of(left) == type_of(right) and type_of(left) in ("string", "list"):
            return left + right
        raise CELError(f"{type_of(left)} {symbol} {type_of(right)} has no meaning")

    return apply


def _in_range(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise CELError("integer overflow")
    return value


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return left / right if right else math.copysign(math.inf, left) if left else math.nan
    if right == 0:
        raise CELError("division by zero")
    return abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        raise CELError("% needs integers")
    if right == 0:
        raise CELError("modulus by zero")
    remainder = abs(left) % abs(right)
    return -remainder if left < 0 else remainder


def _index(container: Any, key: Any) -> Any:
    if isinstance(container, dict):
        found = cast("dict[str, Any]", container)
        if not isinstance(key, str) or key not in found:
            raise CELError(f"there is no key {key!r}")
        return found[key]
    if isinstance(container, list):
        items = cast("list[Any]", container)
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key < len(items):
            raise CELError(f"a list of {len(items)} has no item {key!r}")
        return items[key]
    raise CELError(f"{type_of(container)} has no items")


# --- functions --------------------------------------------------------------------------------------------------------


def _to_int(value: Any) -> int:
    """CEL's int(): doubles are cut, text is base 10.  Booleans are refused, as in KFP."""
    if isinstance(value, str):
        if re.fullmatch(r"[+-]?[0-9]{1,19}", value):
            return _in_range(int(value))
        raise CELError(f"int({value[:40]!r}): not an integer")
    if _number(value) and math.isfinite(value):
        return _in_range(int(value))
    raise CELError(f"int() does not take {type_of(value)}")


def _to_double(value: Any) -> float:
    if _number(value):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise CELError(f"double({value[:40]!r}): not a number") from None
    raise CELError(f"double() does not take {type_of(value)}")


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "True", "TRUE", "t", "1"):
        return True
    if isinstance(value, str) and value in ("false", "False", "FALSE", "f", "0"):
        return False
    raise CELError(f"bool() does not take {value!r}")


def _size(value: Any) -> int:
    if isinstance(value, str | list | dict):
        return len(cast("str", value))
    raise CELError(f"size() does not take {type_of(value)}")


def _parse_json(value: Any) -> Any:
    """KFP's own function for selectors over loop items and struct fields."""
    if not isinstance(value, str):
        raise CELError(f"parseJson() takes text, not {type_of(value)}")
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise CELError(f"parseJson(): not JSON: {value[:60]!r}") from None


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "int": _to_int, "double": _to_double, "string": text_of, "bool": _to_bool, "size": _size, "parseJson": _parse_json,
}  # fmt: skip
METHODS: dict[str, Operator] = {
    "startsWith": str.startswith, "endsWith": str.endswith, "contains": lambda text, part: part in text,
}  # fmt: skip
_REFUSED = frozenset(
    {"all", "exists", "exists_one", "filter", "map", "matches", "timestamp", "duration", "uint", "has"}
)

_COMPARISONS: dict[str, Operator] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered("<", lambda left, right: left < right),
    "<=": _ordered("<=", lambda left, right: left <= right),
    ">": _ordered(">", lambda left, right: left > right),
    ">=": _ordered(">=", lambda left, right: left >= right),
    "in": _contains,
}
_SUMS: dict[str, Operator] = {
    "+": _arithmetic("+", lambda left, right: left + right),
    "-": _arithmetic("-", lambda left, right: left - right),
}
_PRODUCTS: dict[str, Operator] = {
    "*": _arithmetic("*", lambda left, right: left * right),
    "/": _arithmetic("/", _divide),
    "%": _arithmetic("%", _modulo),
}

# --- nodes ------------------------------------------------------------------------------------------------------------


def _constant(value: Any) -> Evaluate:
    return lambda _: value


def _variable(name: str) -> Evaluate:
    def evaluate(variables: Variables) -> Any:
        if name not in variables:
            raise CELError(f"there is no variable {name!r}")
        return variables[name]

    return evaluate


def _binary(operator: Operator, left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda variables: operator(left(variables), right(variables))


def _chain(operands: list[Evaluate], decisive: bool) -> Evaluate:
    """`&&` (decisive False) and `||` (True): a decisive operand decides even when another one has no value."""

    def evaluate(variables: Variables) -> bool:
        fault: CELError | None = None
        for operand in operands:
            try:
                if _truth(operand(variables)) is decisive:
                    return decisive
            except CELError as error:
                fault = fault or error
        if fault:
            raise fault
        return not decisive

    return evaluate


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise CELError(f"a bool is needed, not {type_of(value)}")
    return value


# --- reading ----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<double>(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?))
    |(?P<int>0[xX][0-9a-fA-F]+|[0-9]+)
    |(?P<string>[rR]?(?:'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"'(inputs\.parameter_values\['[^'\\\n]*'\]|int\(inputs\.parameter_values\['[^'\\\n]*'\]\))'")
"""KFP's compiler puts an operand that is not text into quotes where it is compared with text.  No expression has a name
right after a text, so that this can only mean `string(...)`, which is what the source says."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class _Parser:
    """Recursive descent over CEL's grammar; every method gives the function that evaluates what it read."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def expect_end(self) -> None:
        if self._peek.kind != "end":
            raise self._fault(f"{self._peek.text!r} is not expected here")

    def ternary(self, depth: int) -> Evaluate:
        condition = self._either(depth + 1)
        if not self._take("?"):
            return condition
        yes = self._either(depth + 1)
        self._need(":")
        no = self.ternary(depth + 1)
        return lambda variables: yes(variables) if _truth(condition(variables)) else no(variables)

    def _either(self, depth: int) -> Evaluate:
        operands = [self._both(depth)]
        while self._take("||"):
            operands.append(self._both(depth))
        return operands[0] if len(operands) == 1 else _chain(operands, True)

    def _both(self, depth: int) -> Evaluate:
        operands = [self._relation(depth)]
        while self._take("&&"):
            operands.append(self._relation(depth))
        return operands[0] if len(operands) == 1 else _chain(operands, False)

    def _relation(self, depth: int) -> Evaluate:
        return self._left_to_right(_COMPARISONS, self._sum, depth)

    def _sum(self, depth: int) -> Evaluate:
        return self._left_to_right(_SUMS, self._product, depth)

    def _product(self, depth: int) -> Evaluate:
        return self._left_to_right(_PRODUCTS, self._unary, depth)

    def _left_to_right(
        self, operators: dict[str, Operator], operand: Callable[[int], Evaluate], depth: int
    ) -> Evaluate:
        left = operand(depth)
        while self._peek.kind in ("mark", "name") and self._peek.text in operators:
            depth += 1  # each link nests one function deeper
            operator = operators[self._next().text]
            left = _binary(operator, left, operand(depth))
        return left

    def _unary(self, depth: int) -> Evaluate:
        if depth > MAX_DEPTH:
            raise self._fault("the expression nests too deeply")
        if self._take("!"):
            inner = self._unary(depth + 1)
            return lambda variables: not _truth(inner(variables))
        if self._take("-"):
            inner = self._unary(depth + 1)
            return _binary(_SUMS["-"], _zero_like(inner), inner)
        return self._member(depth + 1)

    def _member(self, depth: int) -> Evaluate:
        value = self._primary(depth)
        while True:
            if depth > MAX_DEPTH:
                raise self._fault("the expression nests too deeply")
            if self._take("["):
                value = _binary(_index, value, self.ternary(depth + 1))
                self._need("]")
            elif self._take("."):
                name = self._name()
                value = self._method(name, value, depth) if self._take("(") else _binary(_index, value, _constant(name))
            else:
                return value
            depth += 1

    def _method(self, name: str, receiver: Evaluate, depth: int) -> Evaluate:
        arguments = self._list(")", depth)
        if name == "size" and not arguments:
            return lambda variables: _size(receiver(variables))
        if name not in METHODS or len(arguments) != 1:
            raise self._fault(f"the method {name}() with {len(arguments)} arguments is not supported")
        method, argument = METHODS[name], arguments[0]

        def evaluate(variables: Variables) -> Any:
            text, part = receiver(variables), argument(variables)
            if not isinstance(text, str) or not isinstance(part, str):
                raise CELError(f"{name}() needs text")
            return method(text, part)

        return evaluate

    def _primary(self, depth: int) -> Evaluate:
        token = self._next()
        if token.kind == "int":
            return _constant(_in_range(int(token.text, 0 if token.text[1:2] in ("x", "X") else 10)))
        if token.kind == "double":
            return _constant(float(token.text))
        if token.kind == "string":
            return _constant(_unquote(token.text))
        if token.kind == "name":
            if token.text in _WORDS:
                return _constant(_WORDS[token.text])
            return self._call(token, depth) if self._take("(") else _variable(token.text)
        if token.text == "(":
            inner = self.ternary(depth + 1)
            self._need(")")
            return inner
        if token.text == "[":
            items = self._list("]", depth)
            return lambda variables: [item(variables) for item in items]
        raise CELError(f"{token.text!r} is not expected at column {token.column}")

    def _call(self, token: _Token, depth: int) -> Evaluate:
        arguments = self._list(")", depth)
        if token.text not in FUNCTIONS or len(arguments) != 1:
            word = "macro or function" if token.text in _REFUSED else "function"
            raise CELError(f"the {word} {token.text}() at column {token.column} is not supported")
        function, argument = FUNCTIONS[token.text], arguments[0]
        return lambda variables: function(argument(variables))

    def _list(self, end: str, depth: int) -> list[Evaluate]:
        items: list[Evaluate] = []
        if self._take(end):
            return items
        while True:
            items.append(self.ternary(depth + 1))
            if not self._take(","):
                break
        self._need(end)
        return items

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        return token

    def _take(self, mark: str) -> bool:
        token = self._tokens[self._at]
        taken = token.kind == "mark" and token.text == mark
        self._at += taken
        return taken

    def _need(self, mark: str) -> None:
        if not self._take(mark):
            raise self._fault(f"{mark!r} is expected")

    def _name(self) -> str:
        token = self._next()
        if token.kind != "name":
            raise CELError(f"a name is expected at column {token.column}")
        return token.text

    def _fault(self, message: str) -> CELError:
        return CELError(f"{message} (column {self._peek.column})")


def _zero_like(inner: Evaluate) -> Evaluate:
    return lambda variables: 0.0 if isinstance(inner(variables), float) else 0


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        quoted = _QUOTED.match(text, at)
        if quoted:
            tokens.extend((_Token("name", "string", at + 1), _Token("mark", "(", at + 1)))
            tokens.extend(each._replace(column=each.column + at + 1) for each in _tokens(quoted[1])[:-1])
            tokens.append(_Token("mark", ")", quoted.end()))
            at = quoted.end()
            continue
        found = _TOKEN.match(text, at)
        if not found:
            raise CELError(f"{text[at]!r} is not expected at column {at + 1}")
        if found.lastgroup != "space":
            tokens.append(_Token(found.lastgroup or "", found.group(), at + 1))
        at = found.end()
    tokens.append(_Token("end", "the end", len(text) + 1))
    return tokens


def _unquote(literal: str) -> str:
    raw = literal[0] in "rR"
    body = literal[1:] if raw else literal
    width = 3 if body[:3] in ("'''", '"""') else 1
    body = body[width:-width]
    return body if raw else _ESCAPE.sub(_escaped, body)


def _escaped(found: re.Match[str]) -> str:
    two, four, eight, octal, plain = found.groups()
    code = int(two or four or eight or "0", 16) if not octal else int(octal, 8)
    if plain is not None:
        return _PLAIN_ESCAPES.get(plain, plain)
    if code > 0x10FFFF:
        raise CELError(f"{found.group()} is no character")
    return chr(code)
