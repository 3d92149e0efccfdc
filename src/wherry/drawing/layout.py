"""Boxes within boxes: the layout of a whole pipeline, each group arranged on its own and put into the one around it.

Called by `wherry.drawing.svg` and `wherry.drawing.text`, which measure in pixels and in characters.  Pure.
Invariant: what a group holds lies inside its frame, and boxes of one group do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from wherry.drawing.arrange import Spacing, Stretch, arrange
from wherry.drawing.model import Edge, Node


class Frame(NamedTuple):
    """What a group's box has around its contents, and how wide it is at least; its width is even or odd as that is."""

    left: int
    top: int
    right: int
    bottom: int
    least_width: int


class Measures(Protocol):
    """How big things are in one medium."""

    def leaf(self, node: Node) -> tuple[int, int]:
        """Width and height of a box without contents."""
        ...

    def frame(self, node: Node) -> Frame:
        """What is around the contents of a group."""
        ...

    def spacing(self, depth: int) -> Spacing:
        """The distances in a group that lies `depth` groups deep."""
        ...


class Line(NamedTuple):
    """An edge and the vertical pieces that it consists of."""

    edge: Edge
    stretches: list[Stretch]


@dataclass(slots=True)
class Box:
    """A node's place: left upper corner and size, in the drawing's own coordinates."""

    node: Node
    x: int
    y: int
    width: int
    height: int
    boxes: list[Box]
    lines: list[Line]
    complete: bool = True
    """Whether every edge of the group and of those in it keeps clear of the boxes."""

    def move(self, right: int, down: int) -> None:
        """Moves the box with all it holds."""
        self.x += right
        self.y += down
        for box in self.boxes:
            box.move(right, down)
        for line in self.lines:
            line.stretches[:] = [Stretch(x + right, top + down, bottom + down) for x, top, bottom in line.stretches]


def layout(pipeline: Node, measures: Measures) -> Box:
    """The whole drawing; its left upper corner is (0, 0)."""
    return _box(pipeline, measures, 0)


def _box(node: Node, measures: Measures, depth: int) -> Box:
    if not node.nodes and depth:
        width, height = measures.leaf(node)
        return Box(node, 0, 0, width, height, [], [])
    boxes = [_box(child, measures, depth + 1) for child in node.nodes]
    sizes = [(box.width, box.height) for box in boxes]
    found = arrange(sizes, [(edge.source, edge.target) for edge in node.edges], measures.spacing(depth))
    frame = measures.frame(node)
    width = max(found.width + frame.left + frame.right, frame.least_width)
    width += (width - frame.least_width) % 2
    right = frame.left + (width - frame.left - frame.right - found.width) // 2
    for box, (x, y) in zip(boxes, found.corners, strict=True):
        box.move(x + right, y + frame.top)
    lines = [
        Line(edge, [Stretch(x + right, top + frame.top, bottom + frame.top) for x, top, bottom in stretches])
        for edge, stretches in zip(node.edges, found.lines, strict=True)
    ]
    complete = found.complete and all(box.complete for box in boxes)
    return Box(node, 0, 0, width, found.height + frame.top + frame.bottom, boxes, lines, complete)
