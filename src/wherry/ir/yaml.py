"""YAML, as far as pipeline documents need it: a safe reader with limits, and a writer.

Called by `wherry.ir.load`, by the compiler and by the client; it needs PyYAML only, so that starting a client stays
cheap.  Invariant: no text makes the reader construct anything but mappings, lists and scalars, expand an alias,
recurse, or work for longer than its size explains.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from wherry.errors import UsageError
from wherry.ir.garbage import uncollected
from wherry.ir.limits import MAX_BITS, MAX_BYTES, MAX_DEPTH, shortened
from wherry.ir.yaml_writer import write

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_IMPLICIT: dict[str, Any] = yaml.SafeLoader.yaml_implicit_resolvers  # by first character
_TAG = "tag:yaml.org,2002:"
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_MEMO_CHARS = 64  # plain scalars up to this length are resolved once a document


class YAMLError(UsageError):
    """The text is not YAML that we take; the message says what and where."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(shortened(message), hint=hint)


def load_all(text: bytes | str) -> list[Any]:
    """The documents of a YAML or JSON text as plain values, null documents included.

    Raises YAMLError for text that does not parse or is not UTF-8, is larger than 64 MiB, nests deeper than
    100 levels, or uses aliases, merge keys, tags or the same key twice in a mapping.  Timestamps stay text.
    """
    if len(text) > MAX_BYTES:
        raise YAMLError(f"the document has {len(text) >> 20} MiB; more than {MAX_BYTES >> 20} MiB is refused")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise YAMLError(f"the document is not UTF-8: byte {error.start} is {text[error.start]:#04x}") from None
    if text.lstrip()[:1] == "{":
        try:
            return [_json(text)]
        except json.JSONDecodeError:
            pass  # flow-style YAML also begins with a brace; its own error is the better one
    reader = _Loader(text)
    try:
        with uncollected():
            return list(_documents(reader))
    except yaml.MarkedYAMLError as error:
        where = _at(error.problem_mark) if error.problem_mark else ""
        if "nesting depth" in str(error.problem):  # libyaml's own bound, in newer releases, is met before ours
            raise YAMLError(f"the document nests deeper than {MAX_DEPTH} levels{where}") from None
        raise YAMLError(f"not valid YAML{where}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise YAMLError(f"not valid YAML: {error}") from None
    finally:
        reader.dispose()


def dump(value: Any) -> str:
    """`value` as YAML in KFP's style: keys sorted, block style.  Raises YAMLError for what no document can hold."""
    try:
        return write(value)
    except UnicodeEncodeError as error:
        raise _half(error) from None
    except (RecursionError, yaml.YAMLError, ValueError) as error:
        raise YAMLError(f"the document cannot be written: {error}") from None


def dump_all(values: list[Any]) -> str:
    """Several documents, as a pipeline with its platform spec has."""
    return "---\n".join(map(dump, values))


def _half(error: UnicodeEncodeError) -> YAMLError:
    half = ord(error.object[error.start])
    return YAMLError(f"the document has half of a character: \\u{half:04x} without its other half")


def _at(mark: Any) -> str:
    return f" at line {mark.line + 1}, column {mark.column + 1}"


def _json(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite)
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise YAMLError(f"the document nests deeper than {MAX_DEPTH} levels") from None
    except UnicodeEncodeError as error:
        raise _half(error) from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python's own bound on the digits of an integer
        raise YAMLError("the document has an integer with more digits than we read") from None
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise YAMLError(f"{text[:40]} is not a number that a document can hold")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise YAMLError(f"the key {twice!r} stands twice in one mapping")
    return found


def _documents(reader: Any) -> Iterator[Any]:
    """Reads events, without recursion: libyaml's own composer recurses, and expands aliases."""
    next_event = reader.get_event
    memo: dict[str, Any] = {}
    while True:
        event = next_event()
        if isinstance(event, yaml.StreamEndEvent):
            return
        if isinstance(event, yaml.DocumentStartEvent):
            yield _document(next_event, reader, memo)


_ITEM, _KEY = object(), object()  # what comes next in the open container: an item, or a key


def _document(next_event: Any, reader: Any, memo: dict[str, Any]) -> Any:
    """One document's value; ends with its DocumentEndEvent."""
    top: list[Any] = []
    stack: list[tuple[Any, Any]] = []  # the containers around the open one, each with what comes next in it
    into: Any = top
    key: Any = _ITEM
    while True:
        event = next_event()
        kind: Any = event.__class__
        value: Any
        if kind is yaml.ScalarEvent:
            value = _scalar(event, reader, memo)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            value = {} if kind is yaml.MappingStartEvent else []
            _check_start(event, kind, len(stack))
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            into, key = stack.pop()
            continue
        elif kind is yaml.AliasEvent:
            raise YAMLError(f"aliases are not taken (*{event.anchor}{_at(event.start_mark)})")
        else:  # DocumentEndEvent
            return top[0] if top else None
        if key is _ITEM:
            into.append(value)
        elif key is _KEY:
            if type(value) is not str or value in into:
                raise YAMLError(_key_fault(value, into) + _at(event.start_mark))
            key = value
            continue
        else:
            into[key] = value
            key = _KEY
        if kind is not yaml.ScalarEvent:
            stack.append((into, key))
            into, key = value, _KEY if kind is yaml.MappingStartEvent else _ITEM


def _check_start(event: Any, kind: Any, depth: int) -> None:
    if event.tag not in (None, "!", _TAG + ("map" if kind is yaml.MappingStartEvent else "seq")):
        raise YAMLError(f"the tag {event.tag} is not taken{_at(event.start_mark)}")
    if depth >= MAX_DEPTH:
        raise YAMLError(f"the document nests deeper than {MAX_DEPTH} levels{_at(event.start_mark)}")


def _key_fault(key: Any, into: dict[str, Any]) -> str:
    if type(key) is str and key in into:
        return f"the key {key!r} stands twice in one mapping"
    return f"{key!r} is not text, but keys must be"


def _scalar(event: Any, reader: Any, memo: dict[str, Any]) -> Any:
    text: str = event.value
    if event.tag is not None and event.tag not in (_TAG + "str", "!"):
        raise YAMLError(f"the tag {event.tag} is not taken{_at(event.start_mark)}")
    if not event.implicit[0] or event.tag is not None or (text and text[0] not in _IMPLICIT):
        return text
    if text in memo:
        return memo[text]
    value = _plain(event, reader)
    if len(text) <= _MEMO_CHARS:
        memo[text] = value
    return value


def _plain(event: Any, reader: Any) -> Any:
    """A plain scalar by YAML 1.1's rules, as PyYAML reads it (and as its writer decides what to quote)."""
    text: str = event.value
    tag: str = reader.resolve(yaml.ScalarNode, text, (True, False)).removeprefix(_TAG)
    if tag in ("str", "timestamp", "value"):
        return text
    if tag == "merge":
        raise YAMLError(f"merge keys are not taken{_at(event.start_mark)}")
    try:
        value = reader.construct_object(yaml.ScalarNode(_TAG + tag, text, event.start_mark))
    except ValueError:
        raise YAMLError(f"{text[:40]!r} is not a number we can read{_at(event.start_mark)}") from None
    if (type(value) is float and not math.isfinite(value)) or (type(value) is int and value.bit_length() > MAX_BITS):
        raise YAMLError(f"{text[:40]} is not a number that a document can hold{_at(event.start_mark)}")
    return value
