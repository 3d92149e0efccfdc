"""A pipeline as SVG: nested boxes and edges, light and dark, with what flows where in titles that show on hover.

Called by `wherry graph`; what it returns can stand alone or in a page.  Pure.  Invariants: names from the document
are escaped, so no text of theirs becomes markup; there are no scripts, links or fonts from elsewhere.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence

from wherry.drawing.arrange import Spacing, Stretch
from wherry.drawing.layout import Box, Frame, Line, layout
from wherry.drawing.model import TITLES, Node

_NAME_PX, _NOTE_PX = 14.6, 11.6  # what the widest of the fonts makes of 13 (bold) and 11
_LEAST_WIDTH, _MOST_WIDTH = 120, 300
_HEADER = 40
_MARGIN = 24
_NARROW, _WIDE = "iljtfrI.,:;'|!()[]{}/ -", "mwMWQOGD@%&"

PHASES = ("PENDING", "RUNNING", "SUCCEEDED", "CACHED", "FAILED", "SKIPPED", "CANCELED")
"""What `states` may say of a task; each has a colour."""

_STYLE = """
.wg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.wg text { fill: #1f2733; }
.wg .wg-note, .wg .wg-kind { fill: #5b6675; font-size: 11px; }
.wg .wg-name { font-size: 13px; font-weight: 600; }
.wg .wg-head { font-size: 16px; font-weight: 600; }
.wg-back { fill: #ffffff; }
.wg-box { fill: #ffffff; stroke: #b8c2cf; }
.wg-group { fill: #64748b; fill-opacity: 0.06; stroke: #aab4c2; }
.wg-loop > .wg-group { fill: #7c3aed; stroke: #a78bda; }
.wg-condition > .wg-group, .wg-branches > .wg-group { fill: #d97706; stroke: #d9a45b; stroke-dasharray: 6 4; }
.wg-exit-handler > .wg-group { fill: #0d9488; stroke: #5fb3ab; }
.wg-mark { fill: #3b82f6; }
.wg-importer > .wg-mark { fill: #059669; }
.wg-exit-task > .wg-mark { fill: #0d9488; }
.wg-loop > .wg-mark { fill: #7c3aed; }
.wg-edge path { fill: none; stroke: #8492a6; stroke-width: 1.5; }
.wg-edge .wg-tip { fill: #8492a6; stroke: none; }
.wg-artifact path { stroke: #3b82f6; }
.wg-artifact .wg-tip { fill: #3b82f6; }
.wg-order path, .wg-exit path { stroke-dasharray: 4 4; }
.wg-edge .wg-near { stroke: transparent; stroke-width: 10; stroke-dasharray: none; }
.wg-edge:hover path:not(.wg-near) { stroke-width: 3; }
.wg-SUCCEEDED > .wg-box, .wg-SUCCEEDED > .wg-group { stroke: #16a34a; stroke-width: 2; }
.wg-SUCCEEDED > .wg-mark { fill: #16a34a; }
.wg-CACHED > .wg-box, .wg-CACHED > .wg-group { stroke: #0891b2; stroke-width: 2; }
.wg-CACHED > .wg-mark { fill: #0891b2; }
.wg-FAILED > .wg-box, .wg-FAILED > .wg-group { stroke: #dc2626; stroke-width: 2; }
.wg-FAILED > .wg-mark { fill: #dc2626; }
.wg-RUNNING > .wg-box, .wg-RUNNING > .wg-group { stroke: #2563eb; stroke-width: 2; }
.wg-RUNNING > .wg-mark { fill: #2563eb; }
.wg-CANCELED > .wg-box, .wg-CANCELED > .wg-group { stroke: #ca8a04; stroke-width: 2; }
.wg-CANCELED > .wg-mark { fill: #ca8a04; }
.wg-PENDING > .wg-mark, .wg-SKIPPED > .wg-mark { fill: #94a3b8; }
.wg-SKIPPED > .wg-box { stroke-dasharray: 3 3; }
.wg-SKIPPED > text { opacity: 0.6; }
@media (prefers-color-scheme: dark) {
.wg text { fill: #e6eaf0; }
.wg .wg-note, .wg .wg-kind { fill: #9aa6b6; }
.wg-back { fill: #12171f; }
.wg-box { fill: #1c2430; stroke: #445063; }
.wg-group { fill: #94a3b8; fill-opacity: 0.07; stroke: #4d5a6d; }
.wg-edge path { stroke: #7b899c; }
.wg-edge .wg-tip { fill: #7b899c; }
.wg-artifact path { stroke: #60a5fa; }
.wg-artifact .wg-tip { fill: #60a5fa; }
}
"""


def as_svg(pipeline: Node, *, states: Mapping[str, str] | None = None) -> str:
    """The picture of a pipeline as one `<svg>` element, with a final newline.

    `states` gives tasks by path (see `Node.path`) the phase of a run, one of `PHASES`, which colours them; tasks that
    it does not name have no colour.
    """
    drawn = layout(pipeline, _Pixels())
    width, height = drawn.width, drawn.height
    identity = hashlib.sha256(repr(pipeline).encode("utf-8", "backslashreplace")).hexdigest()[:10]
    count = sum(1 for node in pipeline.walk() if node.path and not node.is_group)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="wg-t-{identity} wg-d-{identity}">',
        f'<title id="wg-t-{identity}">{escaped(pipeline.title)}</title>',
        f'<desc id="wg-d-{identity}">{escaped(_description(pipeline, count))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="wg-back" width="{width}" height="{height}"/>',
        _text("wg-head", _MARGIN, _MARGIN + 12, pipeline.title, width - 2 * _MARGIN, 16.0),
    ]
    _contents(parts, drawn, states or {})
    return "\n".join([*parts, "</svg>\n"])


def escaped(text: str) -> str:
    """Text for an XML element or attribute: markup escaped, and what XML cannot hold replaced."""
    kept = "".join(
        char
        if char in "\t\n" or (char >= " " and not "\ud800" <= char <= "\udfff" and char not in "\ufffe\uffff\x7f")
        else "\ufffd"
        for char in text
    )
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


class _Pixels:
    """Sizes in pixels."""

    def leaf(self, node: Node) -> tuple[int, int]:
        wanted = max(advance(node.title, _NAME_PX), advance(node.note, _NOTE_PX)) + 38
        return max(_LEAST_WIDTH, min(_MOST_WIDTH, _even(wanted))), 46 if node.note else 34

    def frame(self, node: Node) -> Frame:
        if node.kind == "pipeline":
            title = advance(node.title, 17.0)
            return Frame(_MARGIN, _MARGIN + _HEADER - 8, _MARGIN, _MARGIN, _even(min(title, 800)) + 2 * _MARGIN)
        title = advance(f"{TITLES[node.kind]}  {node.title}", _NAME_PX)
        wanted = max(title, advance(node.note, _NOTE_PX)) + 32
        return Frame(18, _HEADER + 10 if node.note else _HEADER - 4, 18, 18, min(_MOST_WIDTH + 100, _even(wanted)))

    def spacing(self, depth: int) -> Spacing:
        return Spacing(box_gap=28, line_gap=18, line_width=6, row_width=max(1800 - 200 * depth, 800), channel=_channel)


def _even(width: float) -> int:
    return 2 * round(width / 2)


def _channel(crossing: Sequence[tuple[int, int]]) -> int:
    """Higher where edges go far to the side, so that none becomes flat."""
    furthest = max((abs(start - end) for start, end in crossing), default=0)
    return 38 + min(furthest // 12, 70)


def advance(text: str, size_px: float) -> float:
    """About how wide a text is in a usual sans-serif font."""
    total = 0.0
    for char in text:
        if char in _NARROW:
            total += 0.34
        elif char in _WIDE:
            total += 0.88
        elif unicodedata.east_asian_width(char) in "WF":
            total += 1.05
        elif unicodedata.combining(char):
            total += 0.0
        else:
            total += 0.7 if char.isupper() else 0.58
    return total * size_px


def _contents(parts: list[str], group: Box, states: Mapping[str, str]) -> None:
    """Edges first, so that boxes lie over what passes behind them."""
    for line in group.lines:
        parts.append(_edge(line, group.node))
    for box in group.boxes:
        _node(parts, box, states)


def _node(parts: list[str], box: Box, states: Mapping[str, str]) -> None:
    node = box.node
    state = states.get(node.path, "")
    css = f"wg-node wg-{node.kind}" + (f" wg-{state}" if state in PHASES else "")
    parts.append(f'<g class="{css}" data-path="{escaped(node.path)}">')
    parts.append(f"<title>{escaped(_hover(node, state))}</title>")
    if not node.is_group:
        parts.append(f'<rect class="wg-box" x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6"/>')
        parts.append(
            f'<rect class="wg-mark" x="{box.x + 6}" y="{box.y + 8}" width="4" height="{box.height - 16}" rx="2"/>'
        )
        room = box.width - 30
        parts.append(_text("wg-name", box.x + 18, box.y + (20 if node.note else 22), node.title, room, _NAME_PX))
        if node.note:
            parts.append(_text("wg-note", box.x + 18, box.y + 36, node.note, room, _NOTE_PX))
    else:
        parts.append(
            f'<rect class="wg-group" x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="10"/>'
        )
        kind = TITLES[node.kind]
        indent = round(advance(kind, _NOTE_PX)) + 10
        parts.append(_text("wg-kind", box.x + 16, box.y + 22, kind, box.width, _NOTE_PX))
        room = box.width - indent - 28
        parts.append(_text("wg-name", box.x + 16 + indent, box.y + 22, node.title, room, _NAME_PX))
        if node.note:
            parts.append(_text("wg-note", box.x + 16, box.y + 39, node.note, box.width - 28, _NOTE_PX))
        _contents(parts, box, states)
    parts.append("</g>")


def _edge(line: Line, group: Node) -> str:
    edge = line.edge
    names = f"{group.nodes[edge.source].title} → {group.nodes[edge.target].title}"
    hover = escaped("\n".join([names, *(edge.labels or ["waits for it"])]))
    path = _path(line.stretches)
    x, y, _ = line.stretches[-1]
    return (
        f'<g class="wg-edge wg-{edge.kind}"><title>{hover}</title>'
        f'<path d="{path}"/><path class="wg-near" d="{path}"/>'
        f'<path class="wg-tip" d="M{x - 4} {y - 8}L{x + 4} {y - 8}L{x} {y}Z"/></g>'
    )


def _path(stretches: Sequence[Stretch]) -> str:
    """Straight down along each piece, and a curve from piece to piece."""
    x, reached, bottom = stretches[0]
    steps = [f"M{x} {reached}"]
    last = len(stretches) - 1
    for at, (right, upper, lower) in enumerate(stretches[1:], 1):
        end = upper - 6 if at == last else upper  # under the tip
        if right != x:
            middle = (bottom + end) // 2
            steps += [f"V{bottom}"] if bottom > reached else []
            steps.append(f"C{x} {middle} {right} {middle} {right} {end}")
            reached = end
        x, bottom = right, end if at == last else lower
    return "".join([*steps, f"V{bottom}"] if bottom > reached else steps)


def _text(css: str, x: int, y: int, text: str, room: int, size_px: float) -> str:
    shown = text
    if advance(text, size_px) > room:
        shown = text[: _fitting(text, room, size_px)] + "…"
    return f'<text class="{css}" x="{x}" y="{y}">{escaped(shown)}</text>'


def _fitting(text: str, room: int, size_px: float) -> int:
    """How many characters fit beside an ellipsis."""
    width = size_px
    for at, char in enumerate(text):
        width += advance(char, size_px)
        if width > room:
            return at
    return len(text)


def _hover(node: Node, state: str) -> str:
    lines = [f"{TITLES[node.kind]} {node.title}" + (f": {state}" if state else "")]
    if node.path.rpartition("/")[2] != node.title:
        lines.append(node.path)
    return "\n".join([*lines, *node.details])


def _description(pipeline: Node, count: int) -> str:
    names = ", ".join(node.title for node in pipeline.nodes[:40])
    more = f" and {len(pipeline.nodes) - 40} more" if len(pipeline.nodes) > 40 else ""
    return f"A pipeline of {count} tasks. At its top level: {names}{more}."
