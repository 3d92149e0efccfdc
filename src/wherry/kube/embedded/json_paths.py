"""The JSONPath of printer columns: what a table shows of a custom object.

Called by `custom`.  Source: "JSONPath Support" (kubectl), "Extend the Kubernetes API with CustomResourceDefinitions",
Additional printer columns.  Invariant: an expression is parsed once; a cell never raises, and takes time linear in the
object; what is not there, or is not of the column's type, is an empty cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

from wherry.kube.embedded.columns import Cell, since
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.schemas.golang import plain

Step = Callable[[Any], Iterable[Any]]

_STEP = re.compile(
    r"""
    \.?\[\s*'(?P<quoted>[^']*)'\s*\]        # ['a name']
  | \.?\[\s*"(?P<double>[^"]*)"\s*\]
  | \.?\[\s*(?P<index>-?\d+)\s*\]           # [0]
  | \.?\[\s*\*\s*\] | \.(?P<all>\*)         # [*]
  | \.?\[\s*\?\(\s*@(?P<path>(?:\.[\w-]+)*)\s*
      (?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>"[^"]*"|'[^']*'|[\w.+-]+)\s*)?\)\s*\]
  | \.(?P<name>(?:\\.|[^.\[\]\\])+)         # .name, a dot in it after a backslash
    """,
    re.VERBOSE | re.ASCII,
)


class MalformedPath(ValueError):
    """The text is not of the part of JSONPath that tables know."""


def column_cell(path: str, type: str) -> Cell:
    """The cell of a column with that path and type; a path that is none makes empty cells."""
    try:
        steps = parse(path)
    except MalformedPath:
        return lambda obj, now: None

    def cell(obj: Object, now: float) -> Any:
        found: list[Any] = [obj]
        for step in steps:
            found = [item for value in found for item in step(value)]
        return _shown(found[0], type, now) if found else None

    return cell


def parse(path: str) -> list[Step]:
    """The steps of a path, each from a value to those that it leads to; raises MalformedPath."""
    steps: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            if path == ".":
                break
            raise MalformedPath(f"{path!r} is not understood at {path[at:]!r}")
        steps.append(_step(match))
        at = match.end()
    return steps


def _step(match: re.Match[str]) -> Step:
    groups = match.groupdict()
    for key in ("quoted", "double", "name"):
        if groups[key] is not None:
            name = groups[key] if key != "name" else re.sub(r"\\(.)", r"\1", groups[key])
            return _member(name.strip() if key == "name" else name)
    if groups["index"] is not None:
        return _item(int(groups["index"]))
    if groups["path"] is None:
        return _each
    keys = groups["path"].split(".")[1:]
    return _where(keys, groups["operator"], groups["value"])


def _member(name: str) -> Step:
    def step(value: Any) -> Iterable[Any]:
        if isinstance(value, dict) and name in value:
            yield cast("dict[str, Any]", value)[name]

    return step


def _item(index: int) -> Step:
    def step(value: Any) -> Iterable[Any]:
        if isinstance(value, list):
            items = cast("list[Any]", value)
            if -len(items) <= index < len(items):
                yield items[index]

    return step


def _each(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        return cast("list[Any]", value)
    return cast("dict[str, Any]", value).values() if isinstance(value, dict) else ()


def _where(keys: list[str], operator: str | None, text: str | None) -> Step:
    wanted = _literal(text) if text is not None else None

    def step(value: Any) -> Iterable[Any]:
        for item in _each(value):
            found: Any = item
            for key in keys:
                found = cast("dict[str, Any]", found).get(key) if isinstance(found, dict) else None
            if (found is not None) if operator is None else _holds(found, operator, wanted):
                yield item

    return step


def _literal(text: str) -> Any:
    if text[0] in "\"'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _holds(left: Any, operator: str, right: Any) -> bool:
    if operator in ("==", "!="):
        return same(left, right) is (operator == "==")
    try:
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
    except TypeError:
        return False


def _shown(value: Any, type: str, now: float) -> Any:
    """A value as a cell of the type."""
    if value is None:
        return None
    if type == "string":
        if isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return value if isinstance(value, str) else plain(value)
    if type == "date":
        return since(value, now) if isinstance(value, str) else None
    if type == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if type == "integer" else value
