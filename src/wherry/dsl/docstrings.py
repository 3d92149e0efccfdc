"""Docstrings read for descriptions, in the styles that KFP's documents are made from: Google, reST, NumPy, Epydoc.

Called by `wherry.dsl.signature`.  Follows docstring_parser, whose answers end up in KFP's documents: the style that
finds the most wins, reST first among equals; a style that cannot read the text does not count.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any

_GOOGLE_MULTIPLE = {"Arguments", "Args", "Parameters", "Params", "Raises", "Exceptions", "Except", "Attributes"}
_GOOGLE_PARAMETERS = {"Arguments", "Args", "Parameters", "Params", "Attributes"}
_GOOGLE_SINGULAR = ("Example", "Examples", "Returns", "Yields")
_REST_PARAMETERS = {"param", "parameter", "arg", "argument", "attribute", "key", "keyword"}
_REST_RETURNS = {"return", "returns", "yield", "yields"}
_REST_OPTIONAL_NAME = {*_REST_RETURNS, "raises", "raise", "except", "exception"}
_NUMPY_PARAMETERS = {
    "Parameters", "Params", "Arguments", "Args", "Other Parameters", "Other Params", "Other Arguments", "Other Args",
    "Receives", "Receive", "Attributes", "Attribute",
}  # fmt: skip
_NUMPY_ITEMS = {
    "Raises", "Raise", "Warns", "Warn", "Returns", "Return", "Yields", "Yield",
}  # fmt: skip
_NUMPY_TEXTS = {
    "Examples", "Example", "Warnings", "Warning", "See Also", "Related", "Notes", "Note", "References", "Reference",
}  # fmt: skip
_RETURN_HEADINGS = ("Returns:\n", "Returns\n", "Return:\n", "Return\n")


class Docstring:
    """A docstring: its first line, the rest of its description, and the descriptions of parameters by name."""

    __slots__ = ("entries", "long", "parameters", "short")

    def __init__(self, text: str) -> None:
        first, _, rest = text.partition("\n")
        self.short = first
        self.long = rest.strip()
        self.parameters: dict[str, str] = {}
        self.entries = 0

    def add(self, name: str | None, description: str | None) -> None:
        """One entry of a section; a name when it describes a parameter."""
        self.entries += 1
        if name is not None:
            self.parameters[name] = description or ""

    def description(self) -> str | None:
        """The first line and, on the next ones, the rest."""
        text = f"{self.short}\n{self.long}" if self.short and self.long else self.short
        return text.strip() or None


def clean(text: str) -> str:
    """The docstring without the indentation of its source (PEP 257)."""
    lines = text.expandtabs().splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    cleaned = [lines[0].lstrip(), *(line[margin:] for line in lines[1:])] if lines else []
    while cleaned and not cleaned[-1]:
        cleaned.pop()
    while cleaned and not cleaned[0]:
        del cleaned[0]
    return "\n".join(cleaned)


def parse(text: str | None) -> Docstring:
    """Read a docstring (already cleaned).  Never fails: what no style can read is description."""
    text = clean(text or "")
    found: list[Docstring] = []
    for style in (_rest, _google, _numpy, _epydoc):
        try:
            found.append(style(text))
        except _Unreadable:
            continue
    return max(found, key=lambda one: one.entries) if found else Docstring(text)


def parse_outputs(text: str | None) -> dict[str, str]:
    """The descriptions of outputs: a section of returned values, read as if it were one of arguments."""
    for heading in _RETURN_HEADINGS:
        if text and heading in text:
            return parse(text.replace(heading.strip(), "Args:")).parameters
    return {}


class _Unreadable(Exception):
    """The text is not of this style."""


def _after_first_line(description: str) -> str:
    first, newline, rest = description.partition("\n")
    return f"{first}\n{clean(rest)}" if newline else description


def _split(text: str, marker: str) -> tuple[str, list[str]]:
    """The text before the first line that starts with the marker, and the chunks that such lines start."""
    head: list[str] = []
    chunks: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith(marker):
            chunks.append(line)
        elif chunks:
            chunks[-1] += line
        else:
            head.append(line)
    return "".join(head), chunks


def _rest(text: str) -> Docstring:
    head, chunks = _split(text, ":")
    result = Docstring(head)
    rtypes = has_returns = False
    for chunk in chunks:
        field, colon, body = chunk.lstrip(":").partition(":")
        if not colon:
            raise _Unreadable
        words = field.split()
        description = _after_first_line(body.strip())
        if not words:
            raise _Unreadable
        rtypes = rtypes or words[0] == "rtype"
        has_returns = has_returns or words[0] in _REST_RETURNS
        if (len(words) == 2 and words[0] == "type") or (len(words) <= 2 and words[0] == "rtype"):
            continue
        if words[0] in _REST_PARAMETERS:
            if len(words) not in (2, 3):
                raise _Unreadable
            result.add(words[-1], description)
        elif words[0] in _REST_OPTIONAL_NAME and len(words) > 2:
            raise _Unreadable
        else:
            result.add(None, description)
    if rtypes and not has_returns:
        result.add(None, None)
    return result


def _google(text: str) -> Docstring:
    import re  # noqa: PLC0415 - 5 ms that most components do not need

    if ":" not in text:
        return Docstring(text)
    titles = re.compile(
        rf"^({'|'.join([*sorted(_GOOGLE_MULTIPLE, key=len, reverse=True), *_GOOGLE_SINGULAR])}):[ \t\r\f\v]*$", re.M
    )
    matches = list(titles.finditer(text))
    result = Docstring(text[: matches[0].start()] if matches else text)
    sections: dict[str, str] = {}
    for match, body in _bodies(text, matches):
        stray = re.search(r"\n\S", body)
        sections[match.group(1)] = (body[: stray.start()] if stray else body).strip("\n")
    for title, body in sections.items():
        if title in _GOOGLE_MULTIPLE:
            _google_items(result, title, body, re)
        else:
            part = clean(body)
            multiple = title in ("Returns", "Yields") and re.match(r"(\s*[^:\s]+:)|([^:]*\]:.*)", part)
            if multiple and ":" not in part:
                raise _Unreadable
            result.add(None, part)
    return result


def _google_items(result: Docstring, title: str, body: str, re: Any) -> None:
    indent = body[: len(body) - len(body.lstrip())]
    starts = [match.end() for match in re.finditer("^" + indent + r"(?=\S)", body, re.M)]
    if not starts:
        raise _Unreadable
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        item = body[start : end - len(indent) if end is not None else None].strip("\n")
        before, colon, description = item.partition(":")
        if not colon:
            raise _Unreadable
        if "\n" in before:
            first, _, rest = before.partition("\n")
            before = first + clean(rest)
        if description:
            description = _after_first_line(description.removeprefix(" ")).strip("\n")
        if title not in _GOOGLE_PARAMETERS:
            result.add(None, description)
            continue
        typed = re.match(r"\s*(.+?)\s*\(\s*(.*[^\s]+)\s*\)", before)
        result.add(typed.group(1) if typed else before, description)


def _numpy(text: str) -> Docstring:
    import re  # noqa: PLC0415 - 5 ms that most components do not need

    if "---" not in text and ".. deprecated" not in text:
        return Docstring(text)
    known = [*_NUMPY_PARAMETERS, *_NUMPY_ITEMS, *_NUMPY_TEXTS]
    titles = [rf"^({title})\s*?\n{'-' * len(title)}\s*$" for title in known]
    matches = list(re.finditer("|".join([*titles, r"^\.\.\s*(deprecated)\s*::"]), text, re.M))
    result = Docstring(text[: matches[0].start()] if matches else text)
    for match, body in _bodies(text, matches):
        title = next(group for group in match.groups() if group is not None)
        if title in _NUMPY_TEXTS or title == "deprecated":
            result.add(None, body.strip())
            continue
        for key, value in _numpy_items(body, re.compile(r"^[^\s].*$", re.M)):
            name = re.split(r"\s*:\s*", key, maxsplit=1)[0] if title in _NUMPY_PARAMETERS else None
            result.add(name, value)
    return result


def _numpy_items(body: str, key: re.Pattern[str]) -> list[tuple[str, str]]:
    return [(match.group(), clean(value).strip()) for match, value in _bodies(body, list(key.finditer(body)))]


def _bodies(text: str, headings: list[re.Match[str]]) -> list[tuple[re.Match[str], str]]:
    """Each heading with the text up to the next one."""
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    return [(heading, text[heading.end() : end]) for heading, end in zip(headings, ends, strict=False)]


def _epydoc(text: str) -> Docstring:
    head, chunks = _split(text, "@")
    result = Docstring(head)
    described: dict[str, str] = {}
    for chunk in chunks:
        field, colon, body = chunk[1:].partition(":")
        words = field.split()
        if not colon or not words:
            raise _Unreadable
        description = _after_first_line(body.strip())
        if words[0] in ("param", "keyword", "ivar", "cvar", "var") and len(words) == 2:
            described[words[1]] = description
        elif words[0] not in ("type", "rtype", "ytype"):
            result.add(None, description)
    for name, description in described.items():
        result.add(name, description)
    return result
