"""From text to tree: CEL's grammar, by recursive descent, and its macros.

Called by `wherry.cel.expressions`.  Invariant: any text gives a tree or a CompileError, in time linear in its length,
and no tree is deeper than MAX_DEPTH, so that what walks it may recurse.
"""

from __future__ import annotations

from collections.abc import Set

from wherry.cel.errors import CompileError, Issue
from wherry.cel.syntax import (
    MAX_DEPTH,
    Call,
    Condition,
    Constant,
    Index,
    ListOf,
    Logic,
    Macro,
    MapOf,
    Name,
    Node,
    OptionalMap,
    Select,
)
from wherry.cel.tokens import Token, literal, number, tokens

_LEVEL = {
    "==": 1, "!=": 1, "<": 1, "<=": 1, ">": 1, ">=": 1, "in": 1, "+": 2, "-": 2, "*": 3, "/": 3, "%": 3,
}  # fmt: skip
_WORDS = {"true": True, "false": False, "null": None}
RESERVED = frozenset((
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while", "in", "true", "false", "null",
))  # fmt: skip
_ONE = {"all": (2,), "exists": (2,), "exists_one": (2,), "existsOne": (2,), "filter": (2,), "map": (2, 3)}
_TWO = {"all": (3,), "exists": (3,), "existsOne": (3,), "transformList": (3, 4), "transformMap": (3, 4)}
_TESTS = frozenset(("all", "exists", "exists_one", "existsOne", "filter"))


def parse(text: str, qualified: Set[str] = frozenset(), words: list[Token] | None = None) -> Node:
    """The tree of an expression; raises CompileError.

    qualified: the functions whose names have dots (`sets.contains`).  words: the expression's tokens, for a dialect
    that reads some of them in its own way.
    """
    parser = _Parser(text, words if words is not None else tokens(text), qualified)
    tree = parser.expression(0)
    parser.expect_end()
    return tree


class _Parser:
    """Every method gives the tree of what it read; `depth` is how deep its result will lie."""

    def __init__(self, text: str, words: list[Token], qualified: Set[str]) -> None:
        self._text = text
        self._tokens = words
        self._qualified = qualified
        self._spaces = {name[: name.index(".")] for name in qualified}
        self._at = 0

    def expect_end(self) -> None:
        if self._peek.kind != "end":
            raise self._unexpected(self._peek)

    def expression(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._fault(self._peek.at, f"the expression nests too deeply: more than {MAX_DEPTH} levels")
        test = self._either(depth + 1)
        at = self._peek.at
        if not self._take("?"):
            return test
        yes = self._either(depth + 1)
        self._need(":")
        return Condition(at, test, yes, self.expression(depth + 1))

    def _either(self, depth: int) -> Node:
        at, operands = self._peek.at, [self._both(depth)]
        while self._peek.text == "||":
            at = self._next().at
            operands.append(self._both(depth))
        return operands[0] if len(operands) == 1 else Logic(at, True, operands)

    def _both(self, depth: int) -> Node:
        at, operands = self._peek.at, [self._binary(1, depth)]
        while self._peek.text == "&&":
            at = self._next().at
            operands.append(self._binary(1, depth))
        return operands[0] if len(operands) == 1 else Logic(at, False, operands)

    def _binary(self, level: int, depth: int) -> Node:
        """Operators that bind at least as tightly as `level`, from left to right."""
        left = self._unary(depth + 1)
        while (mine := _LEVEL.get(self._peek.text, 0)) >= level and self._peek.kind in ("mark", "name"):
            depth += 1  # each link lies one deeper
            if depth > MAX_DEPTH:
                raise self._fault(self._peek.at, f"the expression nests too deeply: more than {MAX_DEPTH} links")
            operator = self._next()
            right = self._binary(mine + 1, depth) if mine < 3 else self._unary(depth + 1)
            name = "@in" if operator.text == "in" else f"_{operator.text}_"
            left = Call(operator.at, name, (left, right))
        return left

    def _unary(self, depth: int) -> Node:
        operator = self._peek
        if operator.kind != "mark" or operator.text not in ("!", "-"):
            return self._members(None, depth + 1)
        if depth > MAX_DEPTH:
            raise self._fault(operator.at, f"the expression nests too deeply: more than {MAX_DEPTH} levels")
        self._next()
        signed = self._peek.kind == "double" or (self._peek.kind == "int" and self._peek.text[-1] not in "uU")
        if operator.text == "-" and signed:
            return self._members(Constant(operator.at, number(self._text, self._next(), -1)), depth + 1)
        return Call(operator.at, f"{operator.text}_", (self._unary(depth + 1),))

    def _members(self, value: Node | None, depth: int) -> Node:
        value = value or self._primary(depth)
        while True:
            token = self._peek
            if token.kind != "mark" or token.text not in (".", "[", "{"):
                return value
            if depth > MAX_DEPTH:
                raise self._fault(token.at, f"the expression nests too deeply: more than {MAX_DEPTH} levels")
            depth += 1
            self._next()
            if token.text == "{":
                raise self._fault(token.at, "messages cannot be made here; write a map")
            optional = self._take("?")
            if token.text == "[":
                value = Index(token.at, value, self.expression(depth), optional)
                self._need("]")
                continue
            field = self._field()
            mark = self._peek
            if not optional and mark.text == "(" and mark.kind == "mark":
                self._next()
                value = self._method(mark.at, field, value, depth)
            else:
                value = Select(token.at, value, field, optional)

    def _method(self, at: int, name: str, receiver: Node, depth: int) -> Node:
        space = dotted(receiver) if self._spaces else ""
        arguments = self._list(")", depth)[0]
        if space and f"{space}.{name}" in self._qualified:
            return Call(at, f"{space}.{name}", arguments)
        if name in ("optMap", "optFlatMap") and len(arguments) == 2:
            return OptionalMap(at, receiver, self._variable(arguments[0]), arguments[1], name == "optFlatMap")
        if len(arguments) in _ONE.get(name, ()):
            return self._macro(at, name, receiver, 1, arguments)
        if len(arguments) in _TWO.get(name, ()):
            return self._macro(at, name, receiver, 2, arguments)
        return Call(at, name, (receiver, *arguments), method=True)

    def _macro(self, at: int, name: str, receiver: Node, count: int, arguments: list[Node]) -> Node:
        variables = tuple(map(self._variable, arguments[:count]))
        if len(set(variables)) < count:
            raise self._fault(at, f"the variables of {name}() must differ")
        rest = arguments[count:]
        if name in _TESTS:
            return Macro(at, name, receiver, variables, rest[0], None)
        return Macro(at, name, receiver, variables, rest[0] if len(rest) == 2 else None, rest[-1])

    def _variable(self, node: Node) -> str:
        if not isinstance(node, Name):
            raise self._fault(node.at, "argument must be a simple name")
        return node.name

    def _primary(self, depth: int) -> Node:
        token = self._next()
        if token.kind in ("int", "double"):
            return Constant(token.at, number(self._text, token))
        if token.kind == "string":
            return Constant(token.at, literal(self._text, token))
        if token.kind == "mark" and token.text == ".":  # a name from the root; here all names are
            token = self._next()
            if token.kind != "name" or token.text in _WORDS:
                raise self._unexpected(token)
        if token.kind == "name":
            return self._named(token, depth)
        if token.text == "(" and token.kind == "mark":
            inner = self.expression(depth + 1)
            self._need(")")
            return inner
        if token.text == "[" and token.kind == "mark":
            items, optional = self._list("]", depth)
            return ListOf(token.at, items, optional)
        if token.text == "{" and token.kind == "mark":
            return self._map(token.at, depth)
        raise self._unexpected(token)

    def _named(self, token: Token, depth: int) -> Node:
        if token.text in _WORDS:
            return Constant(token.at, _WORDS[token.text])
        if token.text in RESERVED:
            raise self._fault(token.at, f"Syntax error: reserved identifier: {token.text}")
        mark = self._peek
        if mark.kind != "mark" or mark.text != "(":
            return Name(token.at, token.text)
        self._next()
        arguments = self._list(")", depth)[0]
        if token.text != "has":
            return Call(mark.at, token.text, arguments)
        if len(arguments) != 1 or not isinstance(arguments[0], Select) or arguments[0].optional:
            raise self._fault(mark.at, "invalid argument to has() macro")
        return arguments[0]._replace(test=True)

    def _list(self, end: str, depth: int) -> tuple[list[Node], frozenset[int]]:
        items: list[Node] = []
        optional: set[int] = set()
        while not self._take(end):
            if end == "]" and self._take("?"):
                optional.add(len(items))
            items.append(self.expression(depth + 1))
            if not self._take(","):
                self._need(end)
                break
            if end == ")" and self._peek.text == ")":
                raise self._unexpected(self._peek)
        return items, frozenset(optional)

    def _map(self, at: int, depth: int) -> Node:
        entries: list[tuple[Node, Node, bool]] = []
        while not self._take("}"):
            optional = self._take("?")
            key = self.expression(depth + 1)
            self._need(":")
            entries.append((key, self.expression(depth + 1), optional))
            if not self._take(","):
                self._need("}")
                break
        return MapOf(at, entries)

    @property
    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
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
            raise self._unexpected(self._peek, f" expecting '{mark}'")

    def _field(self) -> str:
        token = self._next()
        if token.kind == "quoted":
            return token.text[1:-1]
        if token.kind != "name" or token.text in ("in", *_WORDS):
            raise self._unexpected(token)
        return token.text

    def _unexpected(self, token: Token, more: str = "") -> CompileError:
        word = "mismatched" if more else "extraneous" if token.kind != "end" else "mismatched"
        return self._fault(token.at, f"Syntax error: {word} input '{token.text}'{more}")

    def _fault(self, at: int, message: str) -> CompileError:
        return CompileError(self._text, [Issue(at, message)])


def dotted(node: Node) -> str:
    """`a.b` of the names a and b; empty for what is none."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Select) and not node.optional and not node.test:
        inner = dotted(node.operand)
        return f"{inner}.{node.field}" if inner else ""
    return ""
