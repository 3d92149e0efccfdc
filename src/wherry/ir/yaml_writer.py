"""Writes plain values as YAML, byte for byte as PyYAML does, in a fifth of its time.

Called by `wherry.ir.yaml`.  A pipeline of a thousand tasks is fifty thousand scalars, nearly all of them short words
that stand as they are; those are written here.  Everything else (text that needs quotes, folding or escapes) PyYAML
writes, once for each text and place.  Invariant: no anchors or aliases, which our own reader refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import yaml

Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_RESERVED = re.compile(r"(?:y|n|yes|no|on|off|true|false|null)\Z", re.IGNORECASE)  # YAML 1.1's other spellings
_type: Callable[[Any], Any] = type
_yaml: Any = yaml  # its published types are incomplete in some releases
_KEY_CHARS = 100  # PyYAML writes longer keys in its explicit form, `? key`


class _OwnDumper(Dumper):  # type: ignore[misc]
    """PyYAML's, without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(value: Any) -> str:
    """`value` as a document in block style, keys sorted.

    It is made of mappings with text keys, lists, text, numbers, booleans and None; what is not, PyYAML represents, or
    refuses with its RepresenterError.
    """
    if isinstance(value, dict) and value:
        out: list[str] = []
        try:
            _Writer(out).mapping(cast("dict[str, Any]", value), 0, "")
        except _Uncommon:
            return _dump(value)
        return "".join(out)
    return _dump(value)


class _Uncommon(Exception):
    """The document has something that only PyYAML writes, such as a key of several lines."""


class _Writer:
    """Writes one document into `out`; texts that were quoted once are kept by what their form depends on."""

    def __init__(self, out: list[str]) -> None:
        self._out = out
        self._words: dict[str, str] = {}
        self._quoted: dict[tuple[str, int, int], str] = {}

    def mapping(self, value: dict[str, Any], indent: int, first: str) -> None:
        """Each key on a line of its own; the first line begins with `first`, which stands for the indentation."""
        out, words = self._out, self._words
        margin = " " * indent
        try:
            keys = sorted(value)
        except TypeError:
            raise _Uncommon from None
        before = first or margin
        for key in keys:
            word = words.get(key) or self._key(key)
            inner = value[key]
            kind = _type(inner)
            if kind is str:
                text = words.get(inner) or self._text(inner, indent, len(word))
                out.append(f"{before}{word}: {text}\n")
            elif kind is dict and inner:
                out.append(f"{before}{word}:\n")
                self.mapping(inner, indent + 2, "")
            elif kind is list and inner:
                out.append(f"{before}{word}:\n")
                self.sequence(inner, indent, "")
            else:
                out.append(f"{before}{word}: {_scalar(inner)}\n")
            before = margin

    def sequence(self, value: list[Any], indent: int, first: str) -> None:
        """Each item behind a dash at `indent`; the first line begins with `first`, which stands for the indentation."""
        out, words = self._out, self._words
        margin = " " * indent
        before = first or margin
        for item in value:
            kind = _type(item)
            if kind is str:
                text = words.get(item) or self._text(item, indent, -1)
                out.append(f"{before}- {text}\n")
            elif kind is dict and item:
                self.mapping(cast("dict[str, Any]", item), indent + 2, before + "- ")
            elif kind is list and item:
                self.sequence(cast("list[Any]", item), indent + 2, before + "- ")
            else:
                out.append(f"{before}- {_scalar(item)}\n")
            before = margin

    def _key(self, key: Any) -> str:
        if type(key) is not str:
            raise _Uncommon
        text = self._word(key)
        if text:
            return text
        text = _dump({key: None})
        if len(text) > _KEY_CHARS or text.count("\n") > 1 or not text.endswith(": null\n"):
            raise _Uncommon
        return text[: -len(": null\n")]

    def _word(self, text: str) -> str:
        """`text` when it stands as it is, else nothing."""
        if len(text) > _KEY_CHARS or not _WORD.match(text) or _RESERVED.match(text):
            return ""
        self._words[text] = text
        return text

    def _text(self, text: str, indent: int, key_length: int) -> str:
        """`text` behind a key of that length, or behind a dash (-1): the column decides where PyYAML folds it."""
        if word := self._word(text):
            return word
        place = (text, indent, key_length)
        written = self._quoted.get(place)
        if written is None:
            written = self._quoted[place] = _placed(text, indent, key_length)
        return written


def _placed(text: str, indent: int, key_length: int) -> str:
    """PyYAML's form of `text` in mappings nested to `indent`."""
    key = "k" * max(key_length, 1)
    document: Any = {key: text} if key_length > 0 else [text]
    if key_length < 0 and indent % 2 == 0:
        document = {"k": document}  # a sequence lies at its mapping's own indentation
    for _ in range(indent // 2):
        document = {"k": document}
    whole = _dump(document)
    mark = f"\n{' ' * indent}- " if key_length < 0 else f"{' ' * indent}{key}:"
    written = whole[whole.index(mark) + len(mark) : -1]
    return written.removeprefix(" ") if key_length > 0 else written


def _scalar(value: Any) -> str:
    """A number, boolean, None, or an empty mapping or list."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is float or (type(value) in (dict, list) and not value):
        return _dump(value).removesuffix("\n").removesuffix("\n...")
    raise _Uncommon


def _dump(value: Any) -> str:
    return _yaml.dump(value, Dumper=_OwnDumper, sort_keys=True, default_flow_style=False)
