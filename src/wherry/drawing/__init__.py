"""Drawings of pipelines: as SVG, with box characters, and as a tree."""

from wherry.drawing.model import Edge, Node
from wherry.drawing.pipeline import nodes_of
from wherry.drawing.svg import as_svg
from wherry.drawing.text import as_text
from wherry.drawing.tree import as_tree

__all__ = ["Edge", "Node", "as_svg", "as_text", "as_tree", "nodes_of"]
