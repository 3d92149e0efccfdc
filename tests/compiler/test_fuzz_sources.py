"""Flows made wrong: whatever a source is turned into, it is compiled or refused, and what is compiled loads.

Only what a file does when it is loaded is done; no component runs.  `make fuzz` takes more cases.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wherry import dsl, ir
from wherry.client import flows
from wherry.errors import UsageError

CASES = int(os.environ.get("WHERRY_FUZZ", "0")) // 10 or 80
SOURCES = Path(__file__).parent / "sources"
# Flows that only compile: they open no file, and load nothing from elsewhere.
NAMES = (
    "artifacts", "collected", "conditions", "containers", "described", "exits", "formatting", "importing",
    "kubernetes_settings", "loops", "oneofs", "options", "own_artifacts", "parameters", "pipelines", "settings",
)  # fmt: skip
TREES = [ast.parse((SOURCES / f"{name}.py").read_text()) for name in NAMES]
CONSTANTS = (
    None, True, False, 0, 1, -1, 10**400, 0.5, float("nan"), float("inf"), "", "a", "A B", "x-1", "é", "\ud800", "\x00",
    "{{$.inputs.parameters['x']}}", "system.Model", "1Gi", "100m", "python:3.11", "x" * 300, b"bytes", ...,
)  # fmt: skip
ANNOTATIONS = ("int", "str", "float", "bool", "list", "dict", "None", "object", "dsl.Artifact", "dsl.PipelineTask")


class Change(ast.NodeTransformer):
    """Changes the node with the number `at`, as `how` says."""

    def __init__(self, at: int, how: Callable[[ast.AST], Any]) -> None:
        self._left, self._how = at, how

    def generic_visit(self, node: ast.AST) -> Any:
        self._left -= 1
        return self._how(node) if self._left == 0 else super().generic_visit(node)


def other(draw: Any, names: list[str], node: ast.AST) -> Any:
    """What a node becomes."""
    if isinstance(node, ast.Constant):
        return ast.Constant(draw(st.sampled_from(CONSTANTS)))
    if isinstance(node, ast.Name):
        return ast.Name(draw(st.sampled_from(names)), node.ctx)
    if isinstance(node, ast.arg):
        return ast.arg(node.arg, ast.parse(draw(st.sampled_from(ANNOTATIONS)), mode="eval").body)
    if isinstance(node, ast.keyword):
        return draw(st.sampled_from((None, ast.keyword("unknown", node.value), ast.keyword(node.arg, ast.Constant(3)))))
    if isinstance(node, ast.Call):
        return draw(
            st.sampled_from(
                (
                    node.func,
                    ast.Call(node.func, [], []),
                    ast.Call(node.func, node.args * 2, node.keywords),
                    ast.Call(node, [], []),
                )
            )
        )
    if isinstance(node, ast.With):
        return draw(st.sampled_from((node.body, ast.With(node.items * 2, node.body), ast.With(node.items, [node]))))
    if isinstance(node, ast.Expr | ast.Assign | ast.Return):
        return draw(st.sampled_from((ast.Pass(), [node, node])))
    return node


def mutated(draw: Any) -> str:
    tree = ast.parse(ast.unparse(TREES[draw(st.integers(0, len(TREES) - 1))]))
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    count = sum(1 for _ in ast.walk(tree))
    for _ in range(draw(st.integers(1, 3))):
        tree = Change(draw(st.integers(1, count)), lambda node: other(draw, names, node)).visit(tree)
        tree = ast.fix_missing_locations(tree)
    return ast.unparse(tree)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    found, path, modules = tmp_path_factory.mktemp("flows"), [*sys.path], {*sys.modules}
    yield found
    sys.path[:] = path
    for name in {*sys.modules} - modules:
        del sys.modules[name]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_changed_source_is_compiled_or_refused(folder: Path, data: st.DataObject) -> None:
    path = folder / "flow.py"
    try:
        path.write_text(mutated(data.draw), encoding="utf-8")
    except (UnicodeEncodeError, ValueError, RecursionError):  # not a source that a file can hold
        return
    try:
        module = flows.run_file(str(path))
        names = [name for name, value in vars(module).items() if dsl.is_component(value)] or ["none"]
        flow = flows.load(f"{path}:{data.draw(st.sampled_from(names))}")
    except UsageError as error:
        said = error.message
    else:
        ir.from_builtins(flow.document)
        return
    assert said.strip()
