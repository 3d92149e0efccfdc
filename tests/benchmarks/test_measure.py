"""The arithmetic of the figures: what counts as kept, what one more task costs, and the floor's own loops."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from benchmarks.__main__ import MODULES, main
from benchmarks.measure import HERE, Figure, in_turns, medians, per_item, rounded

from benchmarks import rivals


@pytest.mark.parametrize(
    ("value", "limits", "kept"),
    [
        (4.0, {"at_most": 4}, True),
        (4.1, {"at_most": 4}, False),
        (15.0, {"at_least": 15}, True),
        (14.9, {"at_least": 15}, False),
    ],
)
def test_a_figure_is_kept_within_its_limit(value, limits, kept):
    figure = Figure("some", value, **limits)
    assert figure.ok is kept
    assert figure.view() == {"name": "some", "ok": kept, "value": value, **limits}


def test_sides_are_measured_in_turns_and_the_first_does_not_count():
    order = []

    def side(name, values):
        return lambda: order.append(name) or next(values)

    taken = in_turns({"a": side("a", iter([9.0, 1.0, 3.0])), "b": side("b", iter([9.0, 2.0, 4.0]))}, 2)
    assert order == ["a", "b"] * 3
    assert taken == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
    assert medians(taken) == {"a": 2.0, "b": 3.0}


def test_one_more_item_is_the_slope_between_two_runs():
    assert per_item((20, 0.3), (200, 1.2)) == pytest.approx(0.005)


def test_numbers_are_cut_at_every_depth():
    assert rounded({"a": [1.23456789, {"b": 2}]}) == {"a": [1.2346, {"b": 2}]}


@pytest.mark.parametrize("loop", ["start_s", "chain_s", "wide_rate"])
def test_the_floor_measures_each_loop_alone(loop):
    argv = [sys.executable, "-I", str(HERE / "floor.py"), loop.partition("_")[0]]
    printed = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    assert list(printed) == [loop]
    assert printed[loop] > 0


def test_metaflows_chain_has_a_start_an_end_and_the_steps_between():
    (flow,) = [node for node in ast.parse(rivals.metaflow_source(2)).body if isinstance(node, ast.ClassDef)]
    assert [step.name for step in flow.body if isinstance(step, ast.FunctionDef)] == ["start", "add_0", "add_1", "end"]


def test_help_says_what_each_benchmark_is_and_takes_no_figure(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, module in MODULES.items():
        assert f"  {name} " in shown
        assert module.__doc__.splitlines()[0] in shown
    assert main(["nonsense"]) == 2
