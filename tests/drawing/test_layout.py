"""Any DAG is drawn: boxes of a group do not overlap and lie inside it, edges lead downwards and keep clear of boxes."""

from __future__ import annotations

import re
import time
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.drawing import Edge, Node, as_svg, as_text
from wherry.drawing.layout import Box, layout
from wherry.drawing.svg import _Pixels
from wherry.drawing.text import _Cells, cells

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40) | st.sampled_from(
    ["train", "</title><script>alert(1)</script>", "学習モデル", "a" * 90]
)


@st.composite
def groups(draw: st.DrawFn, depth: int = 0) -> Node:
    count = draw(st.integers(1, 8 if depth else 14))
    nodes = tuple(
        draw(groups(depth + 1))
        if depth < 3 and draw(st.integers(0, 5)) == 0
        else Node(f"{depth}/{at}", draw(NAMES), "task", draw(st.sampled_from(["", "python:3.11"])))
        for at in range(count)
    )
    order = draw(st.permutations(range(count)))
    pairs = [(order[a], order[b]) for a, b in combinations(range(count), 2)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3 * count)) if pairs else []
    edges = tuple(Edge(source, target, "parameter", ("Output → <a>",)) for source, target in chosen)
    kind = draw(st.sampled_from(["loop", "condition", "sub-pipeline"])) if depth else "pipeline"
    return Node(
        f"g{depth}" if depth else "", draw(NAMES), kind, draw(st.sampled_from(["", "for each of x"])), (), nodes, edges
    )


def boxes_of(box: Box) -> list[Box]:
    return [box, *(inner for child in box.boxes for inner in boxes_of(child))]


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def check(drawn: Box) -> None:
    for group in boxes_of(drawn):
        for one, other in combinations(group.boxes, 2):
            assert not overlap(one, other)
        for child in group.boxes:
            assert group.x <= child.x
            assert child.x + child.width <= group.x + group.width
            assert group.y < child.y
            assert child.y + child.height <= group.y + group.height
        for line in group.lines:
            source, target = group.boxes[line.edge.source], group.boxes[line.edge.target]
            start, end = line.stretches[0], line.stretches[-1]
            assert source.y + source.height == start.top
            assert target.y == end.bottom
            assert source.x <= start.x < source.x + source.width
            assert target.x <= end.x < target.x + target.width
            for x, top, bottom in line.stretches:
                assert top <= bottom
                for box in group.boxes:  # the vertical pieces keep clear of every box
                    assert not (box.x <= x < box.x + box.width and box.y < bottom and top < box.y + box.height)
            for upper, lower in pairwise(line.stretches):
                assert upper.bottom < lower.top
                for box in group.boxes:  # what joins them lies between two rows
                    assert box.y + box.height <= upper.bottom or box.y >= lower.top


@given(groups())
def test_boxes_do_not_overlap_and_edges_lead_downwards(pipeline: Node) -> None:
    check(layout(pipeline, _Pixels()))
    check(layout(pipeline, _Cells(100)))


@given(groups())
def test_the_svg_of_any_names_is_xml_without_markup_of_theirs(pipeline: Node) -> None:
    root = ElementTree.fromstring(as_svg(pipeline))
    allowed = {"svg", "title", "desc", "style", "rect", "text", "g", "path"}
    assert {element.tag.partition("}")[2] for element in root.iter()} <= allowed
    assert (
        sum(element.get("class", "").startswith("wg-node ") for element in root.iter())
        == sum(1 for _ in pipeline.walk()) - 1
    )


@given(groups(), st.integers(20, 160))
def test_no_line_of_the_text_is_wider_than_the_terminal(pipeline: Node, width: int) -> None:
    lines = as_text(pipeline, width=width)
    assert all(cells(line) <= width for line in lines)
    assert not any(char in line for line in lines for char in "\x1b\r\n\t")


def of_edges(count: int, pairs: list[tuple[int, int]]) -> Node:
    nodes = tuple(Node(f"t{at}", f"t{at}", "task") for at in range(count))
    return Node("", "p", "pipeline", "", (), nodes, tuple(Edge(a, b, "order") for a, b in pairs))


def test_a_diamond_in_the_terminal() -> None:
    assert as_text(of_edges(4, [(0, 1), (0, 2), (1, 3), (2, 3)]), width=80) == [
        "p",
        "",
        "     ╭─────╮",
        "     │ t0  │",
        "     ╰──┬──╯",
        "   ┌────┴────┐",
        "╭──▼──╮   ╭──▼──╮",
        "│ t1  │   │ t2  │",
        "╰──┬──╯   ╰──┬──╯",
        "   └────┬────┘",
        "     ╭──▼──╮",
        "     │ t3  │",
        "     ╰─────╯",
    ]


def test_edges_that_only_pass_each_other_do_not_join() -> None:
    lines = as_text(of_edges(5, [(0, 2), (0, 4), (1, 3), (1, 2), (4, 3)]), width=80)
    check(layout(of_edges(5, [(0, 2), (0, 4), (1, 3), (1, 2), (4, 3)]), _Cells(80)))
    assert "".join(lines).count("▼") == 3  # one arrow each for t2, t3 and t4


def test_what_is_wider_than_the_terminal_is_a_tree() -> None:
    pipeline = Node(
        "", "p", "pipeline", "", (), (Node("long", "x" * 60, "task"), Node("b", "b", "task")), (Edge(0, 1, "order"),)
    )
    assert as_text(pipeline, width=30) == ["pipeline p", f"├─ {'x' * 26}…", f"└─ b  after {'x' * 17}…"]


def test_more_edges_than_anybody_can_follow_are_a_tree() -> None:
    pairs = [(a, b) for a in range(80) for b in range(80, 160)]
    assert as_text(of_edges(160, pairs), width=80)[1] == "├─ t0"


@pytest.mark.parametrize("shape", ["chain", "fan", "ladder"])
def test_a_thousand_tasks_are_drawn_in_a_moment(shape: str) -> None:
    pairs = {
        "chain": [(at, at + 1) for at in range(999)],
        "fan": [(0, at) for at in range(1, 999)] + [(at, 999) for at in range(1, 999)],
        "ladder": [(at, at + step) for at in range(1000) for step in (1, 7, 40) if at + step < 1000],
    }[shape]
    begin = time.process_time()
    ElementTree.fromstring(as_svg(of_edges(1000, pairs)))
    assert time.process_time() - begin < 3


def test_states_colour_the_tasks_that_they_name() -> None:
    drawn = ElementTree.fromstring(as_svg(of_edges(3, [(0, 1)]), states={"t0": "FAILED", "t1": "nonsense"}))
    css = [element.get("class") for element in drawn.iter() if element.get("data-path")]
    assert css == ["wg-node wg-task wg-FAILED", "wg-node wg-task", "wg-node wg-task"]


def test_an_edge_is_one_path_from_box_to_box() -> None:
    drawn = ElementTree.fromstring(as_svg(of_edges(4, [(0, 1), (1, 2), (0, 2), (2, 3)])))
    edges = [element for element in drawn.iter() if element.get("class", "").startswith("wg-edge")]
    paths = [edge[1].get("d", "") for edge in edges]
    assert [path.count("M") for path in paths] == [1] * 4
    assert [path.count("C") for path in paths] == [1, 1, 2, 0]  # round the box between, and straight to the last
    assert re.fullmatch(r"M\d+ \d+V\d+", paths[3])
