"""Where the boxes of one group go: rows from top to bottom, as layered drawings of DAGs have them (Sugiyama's method).

Called by `wherry.drawing.layout` once a group.  Pure, and whole numbers out.  Invariants: no two boxes overlap; each
edge leads from a row to a later one; between rows an edge passes only through gaps that are kept free for it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from typing import NamedTuple

SWEEPS = 8
SEGMENTS_COUNTED = 20_000  # pieces of edges beyond which crossings are no longer counted: no order makes it legible


class Stretch(NamedTuple):
    """A vertical piece of an edge at `x`, from `top` to `bottom`; consecutive ones are joined across a gap of rows."""

    x: int
    top: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distances in the unit of the drawing.  `channel` gives the height of a gap for the (from, to) that cross it."""

    box_gap: int
    line_gap: int
    line_width: int
    row_width: int
    channel: Callable[[Sequence[tuple[int, int]]], int]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Left upper corners by box, pieces by edge, and the size of it all.  `complete` is False when there were so many
    long edges that some pass behind boxes."""

    corners: list[tuple[int, int]]
    lines: list[list[Stretch]]
    width: int
    height: int
    complete: bool


class _Item:
    """A box, or the place that an edge keeps free in a row it passes."""

    __slots__ = ("above", "at", "below", "box", "left", "row", "width")

    def __init__(self, row: int, width: int, box: int) -> None:
        self.row, self.width, self.box = row, width, box
        self.above: list[_Item] = []
        self.below: list[_Item] = []
        self.at = 0
        self.left = 0.0

    @property
    def centre(self) -> float:
        return self.left + self.width / 2

    @property
    def port(self) -> int:
        return int(self.left) + self.width // 2


def arrange(sizes: Sequence[tuple[int, int]], edges: Sequence[tuple[int, int]], spacing: Spacing) -> Arrangement:
    """Places boxes of these (width, height) so that every edge (from, to) leads downwards.  The edges have no cycle."""
    if not sizes:
        return Arrangement([], [], 0, 0, True)
    row_of = _rows(sizes, edges, spacing)
    boxes = [_Item(row_of[box], sizes[box][0], box) for box in range(len(sizes))]
    paths, items, complete = _paths(boxes, edges, spacing)
    rows: list[list[_Item]] = [[] for _ in range(max(row_of) + 1)]
    for item in items:
        rows[item.row].append(item)
    _order(rows)
    _place(rows, spacing)
    return _finished(rows, boxes, paths, sizes, spacing, complete)


# --- rows


def _rows(sizes: Sequence[tuple[int, int]], edges: Sequence[tuple[int, int]], spacing: Spacing) -> list[int]:
    """By box, its row: after all that it waits for, and where its row is not wider than `row_width` already."""
    above: list[list[int]] = [[] for _ in sizes]
    below: list[list[int]] = [[] for _ in sizes]
    for source, target in edges:
        above[target].append(source)
        below[source].append(target)
    left = [len(each) for each in above]
    order = [box for box in range(len(sizes)) if not left[box]]
    for box in order:  # grows while it is read
        for target in below[box]:
            left[target] -= 1
            if not left[target]:
                order.append(target)
    used: Counter[int] = Counter()
    first_free = 0
    row_of = [0] * len(sizes)
    for box in order:
        width = sizes[box][0] + spacing.box_gap
        row = max((row_of[each] + 1 for each in above[box]), default=first_free)
        while used[row] and used[row] + width > spacing.row_width + spacing.box_gap:
            row += 1
        if not above[box]:
            first_free = row
        row_of[box] = row
        used[row] += width
    for box in reversed(order):  # what waits for nothing moves down to what waits for it
        if not above[box] and below[box]:
            wanted = min(row_of[each] for each in below[box]) - 1
            width = sizes[box][0] + spacing.box_gap
            if wanted > row_of[box] and used[wanted] + width <= spacing.row_width + spacing.box_gap:
                used[row_of[box]] -= width
                used[wanted] += width
                row_of[box] = wanted
    kept = {row: at for at, row in enumerate(sorted(set(row_of)))}
    return [kept[row] for row in row_of]


def _paths(
    boxes: list[_Item], edges: Sequence[tuple[int, int]], spacing: Spacing
) -> tuple[list[list[_Item]], list[_Item], bool]:
    """By edge, the items that it passes; edges from one box, or to one, share the places in the rows between."""
    budget = 8 * len(boxes) + 2000
    leaving = Counter(source for source, target in edges if boxes[target].row - boxes[source].row > 1)
    coming = Counter(target for source, target in edges if boxes[target].row - boxes[source].row > 1)
    places: dict[tuple[bool, int, int], _Item] = {}
    items = list(boxes)
    paths: list[list[_Item]] = [[] for _ in edges]
    linked: set[tuple[int, int]] = set()
    complete = True
    by_length = sorted(range(len(edges)), key=lambda at: boxes[edges[at][1]].row - boxes[edges[at][0]].row)
    for at in by_length:
        source, target = edges[at]
        together = coming[target] > leaving[source]
        keys = [
            (together, target if together else source, row) for row in range(boxes[source].row + 1, boxes[target].row)
        ]
        if len(places) + len(keys) > budget:
            paths[at] = [boxes[source], boxes[target]]
            complete = False
            continue
        passed = [boxes[source]]
        for key in keys:
            if key not in places:
                places[key] = _Item(key[2], spacing.line_width, -1)
                items.append(places[key])
            passed.append(places[key])
        passed.append(boxes[target])
        for upper, lower in pairwise(passed):
            if (id(upper), id(lower)) not in linked:
                linked.add((id(upper), id(lower)))
                upper.below.append(lower)
                lower.above.append(upper)
        paths[at] = passed
    return paths, items, complete


# --- order in the rows


def _order(rows: list[list[_Item]]) -> None:
    """Sorts each row by where its neighbours are, down and up in turn; the order with the fewest crossings stays."""
    _number(rows)
    counted = sum(len(item.below) for row in rows for item in row) <= SEGMENTS_COUNTED
    best = [list(row) for row in rows]
    fewest = _crossings(rows) if counted else 0
    for sweep in range(SWEEPS):
        if counted and not fewest:
            break
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            row.sort(key=lambda item: _mean(item.above if down else item.below, item.at))
            for at, item in enumerate(row):
                item.at = at
        if not counted:
            best = [list(row) for row in rows]
        elif (found := _crossings(rows)) < fewest:
            fewest, best = found, [list(row) for row in rows]
    rows[:] = best
    _number(rows)


def _number(rows: list[list[_Item]]) -> None:
    for row in rows:
        for at, item in enumerate(row):
            item.at = at


def _mean(neighbours: list[_Item], otherwise: int) -> float:
    return sum(each.at for each in neighbours) / len(neighbours) if neighbours else float(otherwise)


def _crossings(rows: list[list[_Item]]) -> int:
    total = 0
    for row in rows:
        seen: list[int] = []
        for item in row:
            ends = sorted(each.at for each in item.below)
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


# --- places in the rows


def _place(rows: list[list[_Item]], spacing: Spacing) -> None:
    """Gives each item its left edge: as near below and above its neighbours as the order of its row allows."""
    for row in rows:
        _spread(row, [0.0] * len(row), [1.0] * len(row), spacing)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            wanted: list[float] = []
            weights: list[float] = []
            for item in row:
                neighbours = item.above if down else item.below
                line = [each for each in neighbours if each.box < 0] if item.box < 0 else []
                if neighbours:  # a long edge is to be straight, wherever it comes from and boxes branch off
                    nearest = line or neighbours
                    centre = sum(each.centre for each in nearest) / len(nearest)
                    wanted.append(centre - item.width / 2)
                    weights.append(100.0 if line else 0.5 if item.box < 0 else 1.0)
                else:
                    wanted.append(item.left)
                    weights.append(0.05)
            _spread(row, wanted, weights, spacing)
    least = min(item.left for row in rows for item in row)
    for row in rows:
        for item in row:
            item.left = floor(item.left - least + 0.5)


def _spread(row: list[_Item], wanted: list[float], weights: list[float], spacing: Spacing) -> None:
    """The places nearest to the wanted ones (least squares) that keep order and distances: isotonic regression by
    pooling adjacent violators."""
    offsets: list[int] = []
    offset = 0
    for at, item in enumerate(row):
        if at:
            before = row[at - 1]
            gap = spacing.box_gap if before.box >= 0 and item.box >= 0 else spacing.line_gap
            offset += before.width + gap
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []  # place, weight, members
    for at in range(len(row)):
        place, weight, members = wanted[at] - offsets[at], weights[at], 1
        while pools and pools[-1][0] > place:
            other, heavy, more = pools.pop()
            place = (place * weight + other * heavy) / (weight + heavy)
            weight, members = weight + heavy, members + more
        pools.append((place, weight, members))
    at = 0
    for place, _, members in pools:
        for _ in range(members):
            row[at].left = place + offsets[at]
            at += 1


def _finished(
    rows: list[list[_Item]],
    boxes: list[_Item],
    paths: list[list[_Item]],
    sizes: Sequence[tuple[int, int]],
    spacing: Spacing,
    complete: bool,
) -> Arrangement:
    tops: list[int] = []
    bottoms: list[int] = []
    top = 0
    for at, row in enumerate(rows):
        tops.append(top)
        bottoms.append(top + max(sizes[item.box][1] if item.box >= 0 else 0 for item in row))
        crossing = [(item.port, other.port) for item in row for other in item.below]
        top = bottoms[at] + spacing.channel(crossing)
    corners = [(int(box.left), tops[box.row]) for box in boxes]
    lines: list[list[Stretch]] = []
    for path in paths:
        first, last = path[0], path[-1]
        line = [Stretch(first.port, tops[first.row] + sizes[first.box][1], bottoms[first.row])]
        line += [Stretch(item.port, tops[item.row], bottoms[item.row]) for item in path[1:-1]]
        line.append(Stretch(last.port, tops[last.row], tops[last.row]))
        lines.append(line)
    width = max(int(item.left) + item.width for row in rows for item in row)
    return Arrangement(corners, lines, width, bottoms[-1], complete)
