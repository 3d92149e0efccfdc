"""The words of an expression: CEL's lexical grammar (cel-spec, "Syntax").

Called by `wherry.cel.parser`.  Invariant: linear in the length of the text; raises nothing but CompileError.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from wherry.cel.errors import CompileError, Issue
from wherry.cel.values import UInt

MAX_CHARS = 100_000  # as in cel-go

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<double>(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?))
    |(?P<int>(?:0[xX][0-9a-fA-F]+|[0-9]+)[uU]?)
    |(?P<string>[bB]?
        (?:'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*"))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<quoted>`[A-Za-z0-9_.\-/\ ]+`)
    |(?P<mark>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_RAW = re.compile(r"(?:[rR][bB]?|[bB][rR])(?:'''.*?'''|\"\"\".*?\"\"\"|'[^'\r\n]*'|\"[^\"\r\n]*\")", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([abfnrtv\\?\"'`])|(.?))",
    re.DOTALL,
)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Token(NamedTuple):
    """A word: `kind` is double, int, string, name, quoted, mark or end; `at` its first character's index."""

    kind: str
    text: str
    at: int


def tokens(text: str) -> list[Token]:
    """The words of an expression, with one of kind `end` after them."""
    if len(text) > MAX_CHARS:
        why = f"the expression has {len(text)} characters; more than {MAX_CHARS} are refused"
        raise CompileError(text, [Issue(0, why)])
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _RAW.match(text, at) if text[at] in "rRbB" else None
        kind = "string"
        if match is None:
            match = _TOKEN.match(text, at)
            if match is None:
                raise CompileError(text, [Issue(at, f"Syntax error: token recognition error at: '{text[at]}'")])
            kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match.group(), at))
        at = match.end()
    found.append(Token("end", "<EOF>", len(text)))
    return found


def number(text: str, token: Token, sign: int = 1) -> Any:
    """The value of an int, uint or double; raises CompileError out of their ranges."""
    if token.kind == "double":
        return sign * float(token.text)
    digits = token.text.rstrip("uU")
    value = sign * int(digits, 16 if digits[1:2] in ("x", "X") else 10) if len(digits) < 100 else 2**64
    if digits != token.text:
        if not 0 <= value < 2**64:
            raise CompileError(text, [Issue(token.at, "invalid uint literal")])
        return UInt(value)
    if not -(2**63) <= value < 2**63:
        raise CompileError(text, [Issue(token.at, "invalid int literal: integer overflow")])
    return value


def literal(text: str, token: Token) -> str | bytes:
    """The value of a string or bytes literal; raises CompileError for escapes that mean nothing."""
    quote = min(at for at in (token.text.find("'"), token.text.find('"')) if at >= 0)
    prefix, body = token.text[:quote].lower(), token.text[quote:]
    width = 3 if len(body) >= 6 and body[:3] in ("'''", '"""') else 1
    body = body[width:-width]
    is_bytes = "b" in prefix
    if "r" in prefix:
        return _encoded(text, token, body) if is_bytes else body
    try:
        if is_bytes:
            return b"".join(_byte_parts(body))
        return _ESCAPE.sub(_character, body)
    except ValueError as problem:
        raise CompileError(text, [Issue(token.at, str(problem))]) from None


def _encoded(text: str, token: Token, body: str) -> bytes:
    try:
        return body.encode()
    except UnicodeEncodeError:
        raise CompileError(text, [Issue(token.at, "half of a character (a lone surrogate)")]) from None


def _character(found: re.Match[str]) -> str:
    two, four, eight, octal, plain, other = found.groups()
    if plain is not None:
        return _PLAIN.get(plain, plain)
    if other is not None:
        raise ValueError(f"Syntax error: {found.group()} is no escape")
    code = int(octal, 8) if octal else int(two or four or eight, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError(f"Syntax error: {found.group()} is no character")
    return chr(code)


def _byte_parts(body: str) -> list[bytes]:
    """Bytes: text in UTF-8, but hexadecimal and octal escapes are single bytes."""
    parts: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(body):
        parts.append(body[at : found.start()].encode())
        two, _, _, octal, _, _ = found.groups()
        if two or octal:
            parts.append(bytes([int(octal, 8) if octal else int(two, 16)]))
        else:
            parts.append(_character(found).encode())
        at = found.end()
    parts.append(body[at:].encode())
    return parts
