"""A pipeline drawn with box characters, for a terminal.

Called by `wherry graph` without a file to write.  Pure.  Invariant: no line is wider than asked; a pipeline that does
not fit, or has too many long edges to keep apart, is drawn as a tree instead.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from wherry.drawing.arrange import Spacing
from wherry.drawing.layout import Box, Frame, layout
from wherry.drawing.model import TITLES, Node
from wherry.drawing.tree import as_tree, printable

_MOST_WIDTH, _MOST_NOTE = 41, 61
_MOST_EDGES = 5000  # of one group; nobody could follow them
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_CHARS = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"  # by the sum of the directions that meet


def as_text(pipeline: Node, *, width: int) -> list[str]:
    """The lines of the drawing, none wider than `width` characters (a tree's lines are cut there)."""
    if pipeline.nodes and all(len(node.edges) <= _MOST_EDGES for node in pipeline.walk()):
        drawn = layout(pipeline, _Cells(width))
        if drawn.width <= width and drawn.complete:
            canvas = _Canvas()
            canvas.write(0, 0, pipeline.title, width)
            _contents(canvas, drawn)
            return canvas.lines()
    return [_cut(line, width) for line in as_tree(pipeline)]


class _Cells:
    """Sizes in characters; widths are odd, so that a box has a middle."""

    def __init__(self, width: int) -> None:
        self._width = width

    def leaf(self, node: Node) -> tuple[int, int]:
        return min(_MOST_WIDTH, cells(_title(node)) // 2 * 2 + 5), 3

    def frame(self, node: Node) -> Frame:
        if node.kind == "pipeline":
            return Frame(0, 2, 0, 0, 1)
        least = max(cells(_title(node)), cells(node.note)) // 2 * 2 + 5
        return Frame(2, 3 if node.note else 2, 2, 1, min(_MOST_NOTE, least))

    def spacing(self, depth: int) -> Spacing:
        row_width = max(self._width - 4 * depth, 1)
        return Spacing(box_gap=3, line_gap=2, line_width=1, row_width=row_width, channel=_height)


def _title(node: Node) -> str:
    name = printable(node.title)
    if node.is_group:
        return f"{TITLES[node.kind]} {name}"
    return f"{name} (exit)" if node.kind == "exit-task" else name


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(_cells_of(char) for char in text)


def _cells_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _cut(text: str, width: int) -> str:
    if cells(text) <= width:
        return text
    taken, used = "", 0
    for char in text:
        used += _cells_of(char)
        if used > width - 1:
            break
        taken += char
    return f"{taken}…"


# --- edges between two rows


class _Net(NamedTuple):
    """Edges that lead from all of `sources` to all of `targets`, columns, over one horizontal line."""

    sources: frozenset[int]
    targets: frozenset[int]

    @property
    def first(self) -> int:
        return min(self.sources | self.targets)

    @property
    def last(self) -> int:
        return max(self.sources | self.targets)

    @property
    def is_straight(self) -> bool:
        return self.first == self.last


def _tracks(crossing: Iterable[tuple[int, int]]) -> list[tuple[_Net, int]]:
    """The nets of a gap and the track, from 0 downwards, that each one's horizontal line takes; 0 for straight ones.

    Where one net leaves a column and another arrives in it, the one that leaves turns off first.
    """
    targets: defaultdict[int, set[int]] = defaultdict(set)
    for start, end in crossing:
        targets[start].add(end)
    sources: defaultdict[frozenset[int], set[int]] = defaultdict(set)
    for start in sorted(targets):
        sources[frozenset(targets[start])].add(start)
    nets = [_Net(frozenset(starts), ends) for ends, starts in sources.items()]
    waiting = [net for net in nets if not net.is_straight]
    found = [(net, 0) for net in nets if net.is_straight]
    placed: list[tuple[_Net, int]] = []
    while waiting:
        net = next((one for one in waiting if not any(_first_of(other, one) for other in waiting)), waiting[0])
        waiting.remove(net)
        track = max((at + 1 for other, at in placed if _first_of(other, net)), default=0)
        while any(at == track and other.first <= net.last and net.first <= other.last for other, at in placed):
            track += 1
        placed.append((net, track))
    return found + placed


def _first_of(one: _Net, other: _Net) -> bool:
    return one is not other and bool(one.sources & other.targets)


def _height(crossing: Sequence[tuple[int, int]]) -> int:
    return max((track for _, track in _tracks(crossing)), default=0) + 1


# --- drawing


class _Canvas:
    """Characters by row and column, and lines of edges that join where they meet."""

    def __init__(self) -> None:
        self._chars: dict[tuple[int, int], str] = {}
        self._joints: defaultdict[tuple[int, int], list[int]] = defaultdict(list)

    def put(self, x: int, y: int, char: str) -> None:
        self._chars[y, x] = char

    def write(self, x: int, y: int, text: str, room: int) -> None:
        for char in _cut(printable(text), room):
            if _cells_of(char) == 0:
                self._chars[y, x - 1] = self._chars.get((y, x - 1), " ") + char
                continue
            self._chars[y, x] = char
            if _cells_of(char) == 2:
                self._chars[y, x + 1] = ""
            x += _cells_of(char)

    def join(self, cells_of_net: dict[tuple[int, int], int]) -> None:
        """Adds one net: directions by (row, column)."""
        for at, directions in cells_of_net.items():
            self._joints[at].append(directions)

    def lines(self) -> list[str]:
        shown = {at: _joined(directions) for at, directions in self._joints.items()}
        shown.update(self._chars)
        rows: defaultdict[int, dict[int, str]] = defaultdict(dict)
        for (y, x), char in shown.items():
            rows[y][x] = char
        return [
            "".join(rows[y].get(x, " ") for x in range(max(rows[y]) + 1)) if y in rows else ""
            for y in range(max(rows) + 1)
        ]


def _joined(directions: list[int]) -> str:
    """The character of a place where nets meet: one that only passes another is drawn over it."""
    if len(directions) > 1 and set(directions) == {_UP | _DOWN, _LEFT | _RIGHT}:
        return "│"
    union = 0
    for each in directions:
        union |= each
    return _CHARS[union]


def _contents(canvas: _Canvas, group: Box) -> None:
    gaps: defaultdict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
    passed: set[tuple[int, int, int]] = set()
    for line in group.lines:
        for upper, lower in pairwise(line.stretches):
            gaps[upper.bottom, lower.top].add((upper.x, lower.x))
        passed.update(line.stretches)
    for x, top, bottom in passed:
        canvas.join({(y, x): _UP | _DOWN for y in range(top, bottom)})
    for (top, bottom), crossing in gaps.items():
        for net, track in _tracks(crossing):
            canvas.join(_drawn(net, top, top + track, bottom))
    for box in group.boxes:
        _box(canvas, box)
    for line in group.lines:
        start, end = line.stretches[0], line.stretches[-1]
        canvas.put(start.x, start.top - 1, "┬")
        canvas.put(end.x, end.top, "▼")


def _drawn(net: _Net, top: int, track: int, bottom: int) -> dict[tuple[int, int], int]:
    found: defaultdict[tuple[int, int], int] = defaultdict(int)
    if net.is_straight:
        return {(y, net.first): _UP | _DOWN for y in range(top, bottom)}
    for x in range(net.first, net.last + 1):
        found[track, x] |= (_LEFT if x > net.first else 0) | (_RIGHT if x < net.last else 0)
    for x in net.sources:
        found[track, x] |= _UP
        for y in range(top, track):
            found[y, x] |= _UP | _DOWN
    for x in net.targets:
        found[track, x] |= _DOWN
        for y in range(track + 1, bottom):
            found[y, x] |= _UP | _DOWN
    return found


def _box(canvas: _Canvas, box: Box) -> None:
    right, bottom = box.x + box.width - 1, box.y + box.height - 1
    corners = "┌┐└┘" if box.node.is_group else "╭╮╰╯"
    for y, left_corner, right_corner in ((box.y, corners[0], corners[1]), (bottom, corners[2], corners[3])):
        for x in range(box.x + 1, right):
            canvas.put(x, y, "─")
        canvas.put(box.x, y, left_corner)
        canvas.put(right, y, right_corner)
    for y in range(box.y + 1, bottom):
        canvas.put(box.x, y, "│")
        canvas.put(right, y, "│")
    canvas.write(box.x + 2, box.y + 1, _title(box.node), box.width - 4)
    if box.node.is_group:
        if box.node.note:
            canvas.write(box.x + 2, box.y + 2, box.node.note, box.width - 4)
        _contents(canvas, box)
