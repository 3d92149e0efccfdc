"""Documents of Kubeflow's own as drawings, and what a drawing says of each construct."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree

from tests.drawing.test_layout import check

from wherry import dsl, ir
from wherry.client import flows
from wherry.drawing import Node, as_svg, as_text, nodes_of
from wherry.drawing.layout import layout
from wherry.drawing.svg import _Pixels
from wherry.drawing.text import _Cells
from wherry.errors import WherryError


def test_every_document_of_the_conformance_folder_is_drawn(conformance: Path) -> None:
    folder = conformance / "kfp-ir"
    with (folder / "INDEX.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    drawn = 0
    for row in rows:
        try:
            document = ir.from_builtins(flows.load(str(folder / row["file"])).document)
        except WherryError:
            continue  # refused, as other tests require
        pipeline = nodes_of(document)
        ElementTree.fromstring(as_svg(pipeline))
        check(layout(pipeline, _Pixels()))
        check(layout(pipeline, _Cells(120)))
        assert as_text(pipeline, width=120)
        drawn += 1
    assert drawn > 0.9 * len(rows)


@dsl.component
def make(n: int = 1) -> str:
    return str(n)


@dsl.component
def use(text: str) -> str:
    return text


@dsl.component
def clean(status: dsl.PipelineTaskFinalStatus) -> None:
    print(status.state)


@dsl.pipeline(name="all-kinds", description="Everything at once.")
def all_kinds(n: int = 3) -> None:
    made = make(n=n)
    with dsl.ExitHandler(clean()), dsl.ParallelFor(["a", "b"], parallelism=2) as item:
        use(text=item).set_display_name("<use> & co")
        with dsl.If(made.output == "x"):
            use(text=made.output).set_retry(2)
    dsl.importer(artifact_uri="/tmp/data", artifact_class=dsl.Dataset)


def drawn_nodes() -> dict[str, Node]:
    document = ir.from_builtins(flows.of_object(all_kinds).document)
    return {node.path: node for node in nodes_of(document).walk()}


def test_each_construct_has_its_kind_and_says_what_controls_it() -> None:
    nodes = drawn_nodes()
    kinds = {path: node.kind for path, node in nodes.items()}
    assert kinds[""] == "pipeline"
    assert kinds["make"] == "task"
    assert kinds["exit-handler-1"] == "exit-handler"
    assert kinds["clean"] == "exit-task"
    assert kinds["importer"] == "importer"
    loop = next(node for node in nodes.values() if node.kind == "loop")
    assert loop.note == 'for each of ["a", "b"] · at most 2 at once'
    condition = next(node for node in nodes.values() if node.kind == "condition")
    assert condition.note == "if make-Output == 'x'"
    assert nodes["importer"].note == "/tmp/data"


def test_edges_say_what_flows() -> None:
    root = drawn_nodes()[""]
    found = {(root.nodes[edge.source].title, root.nodes[edge.target].title): edge for edge in root.edges}
    assert found["make", "exit-handler-1"].labels == ("Output → make-Output",)
    assert found["exit-handler-1", "clean"].kind == "exit"
    assert found["exit-handler-1", "clean"].labels == ("final status → status",)


def test_what_unfolds_too_far_is_closed_and_counted() -> None:
    document = ir.from_builtins(flows.of_object(all_kinds).document)
    root = nodes_of(document, limit=4)
    closed = next(node for node in root.nodes if node.kind == "exit-handler")
    assert not closed.nodes
    assert closed.hidden == 4
    assert closed.note == "4 tasks, not shown"
