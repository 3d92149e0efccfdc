from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from wherry.runtime import outputs
from wherry.runtime.argv import text_of
from wherry.runtime.commit import Outcome
from wherry.runtime.outputs import OutputError, collect, conform, parse
from wherry.runtime.store import StoreError

TEXT = strategies.text(strategies.characters(exclude_categories=["Cs"]))
JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats(allow_nan=False) | TEXT,
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
).filter(lambda value: "Infinity" not in json.dumps(value))


@given(
    strategies.one_of(
        strategies.tuples(strategies.just("STRING"), TEXT),
        strategies.tuples(strategies.just("NUMBER_INTEGER"), strategies.integers()),
        strategies.tuples(strategies.just("NUMBER_DOUBLE"), strategies.floats(allow_nan=False, allow_infinity=False)),
        strategies.tuples(strategies.just("BOOLEAN"), strategies.booleans()),
        strategies.tuples(strategies.just("LIST"), strategies.lists(JSON, max_size=3)),
        strategies.tuples(strategies.just("STRUCT"), strategies.dictionaries(TEXT, JSON, max_size=3)),
    )
)
def test_a_value_written_as_text_reads_back(case: tuple[str, Any]) -> None:
    kind, value = case
    assert conform("x", parse("x", text_of(value), kind), kind) == value


@given(strategies.dictionaries(TEXT, JSON, max_size=3), strategies.dictionaries(TEXT, JSON, max_size=3))
def test_a_record_reads_back(values: dict[str, Any], metadata: dict[str, Any]) -> None:
    made = {"parameters": values, "artifacts": {"a": [{"uri": "/x", "metadata": metadata}]}}
    record = json.loads(Outcome(0, outputs=made).record())
    assert record == {"v": 1, "state": "SUCCEEDED", "exit_code": 0, "outputs": made, "error": None}


@pytest.mark.parametrize(
    ("texts", "value"),
    [("1 t T TRUE true True", True), ("0 f F FALSE false False", False)],
)
def test_truths(texts: str, value: bool) -> None:
    for text in texts.split():
        assert parse("x", f" {text}\n", "BOOLEAN") is value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("3.0", "NUMBER_INTEGER"),
        ("1_000", "NUMBER_INTEGER"),
        ("0x10", "NUMBER_INTEGER"),
        ("", "NUMBER_INTEGER"),
        ("yes", "BOOLEAN"),
        ("tRUE", "BOOLEAN"),
        ("one", "NUMBER_DOUBLE"),
        ("{", "STRUCT"),
        ("", "LIST"),
    ],
)
def test_text_of_another_type_is_refused(text: str, kind: str) -> None:
    with pytest.raises(OutputError, match=f"'x' should be {kind}"):
        parse("x", text, kind)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (3.0, "NUMBER_INTEGER", 3),
        (True, "NUMBER_INTEGER", 1),
        (3, "NUMBER_DOUBLE", 3),
        ([1], "STRING", "[1]"),
        (None, "STRUCT", OutputError),
        (3.5, "NUMBER_INTEGER", OutputError),
        ("3", "NUMBER_INTEGER", OutputError),
        (1, "BOOLEAN", OutputError),
        ({}, "LIST", OutputError),
        ([], "STRUCT", OutputError),
        (math.inf, "NUMBER_DOUBLE", OutputError),
        (math.nan, "NUMBER_INTEGER", OutputError),
    ],
)
def test_conformity(value: Any, kind: str, expected: Any) -> None:
    if expected is OutputError:
        with pytest.raises(OutputError, match="Output parameter 'x'"):
            conform("x", value, kind)
    else:
        found = conform("x", value, kind)
        assert found == expected
        assert type(found) is type(expected)


def make(root: Path, change: dict[str, Any] | None = None, *, name: str = "out", **options: Any) -> dict[str, Any]:
    """Collect one artifact output whose declared place is `root/out`."""
    base = {"name": name, "type": {"schemaTitle": "system.Dataset"}, "uri": f"{root}/out", "metadata": {"given": 1}}
    executor_input = {"outputs": {"outputFile": "/x", "artifacts": {name: {"artifacts": [base]}}}}
    made = {"artifacts": {name: {"artifacts": [change]}}} if change else {}
    options = {"types": {}, "needed": (), "root": str(root), **options}
    return collect(made, executor_input, **options)["artifacts"][name][0]


def test_metadata_merges_and_stays_strict_json(tmp_path: Path) -> None:
    change = {"metadata": {"loss": math.nan, "deep": [{"x": -math.inf}, (math.inf,)], "n": 1}}
    assert make(tmp_path, change)["metadata"] == {
        "given": 1,
        "loss": "NaN",
        "deep": [{"x": "-Infinity"}, ["Infinity"]],
        "n": 1,
    }
    with pytest.raises(OutputError, match="metadata of output artifact 'out' is not JSON"):
        make(tmp_path, {"metadata": {"x": object()}})
    circle: dict[str, Any] = {}
    circle["self"] = circle
    with pytest.raises(OutputError, match="metadata of output artifact 'out' is not JSON"):
        make(tmp_path, {"metadata": circle})


def test_content_elsewhere_is_brought_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, work = tmp_path / "root", tmp_path / "work"
    root.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "model.bin").write_text("weights")
    record = make(root, {"custom_path": "model.bin"})
    assert (root / "out").read_text() == "weights"
    assert record["digest"].startswith("sha256:")
    assert "custom_path" not in record
    (work / "folder" / "sub").mkdir(parents=True)
    (work / "folder" / "sub" / "x").write_text("1")
    (root / "out").unlink()
    assert make(root, {"customPath": str(work / "folder")})["digest"].startswith("tree:")
    assert (root / "out" / "sub" / "x").read_text() == "1"


@pytest.mark.parametrize("custom_path", ["../secret", "/tmp/../etc", "a/../../b", "x\0y"])
def test_custom_paths_cannot_escape(tmp_path: Path, custom_path: str) -> None:
    with pytest.raises(StoreError, match=r"not allowed|NUL"):
        make(tmp_path, {"custom_path": custom_path})


def test_the_store_itself_is_no_custom_path(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="contains the artifact store"):
        make(tmp_path, {"custom_path": str(tmp_path.parent)})


def test_only_what_lies_in_the_attempts_folder_is_digested(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.write_text("x")
    root = tmp_path / "root"
    assert "digest" not in make(root, {"uri": str(outside)})
    assert "digest" not in make(root, {"uri": "s3://bucket/key"})
    root.mkdir()
    (root / "out").write_text("x")
    assert make(root)["digest"].startswith("sha256:")
    assert make(root, {"uri": f"file://{root}/out"})["digest"].startswith("sha256:")
    with pytest.raises(StoreError, match=r"'\.\.' is not allowed"):
        make(root, {"uri": f"{root}/../elsewhere"})


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    with pytest.raises(Exception, match="neither a file nor a folder"):
        make(tmp_path)


def test_needed_artifacts(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="never written, and another task needs it"):
        make_empty(tmp_path, needed=["out"])
    assert make(tmp_path, needed=["out"])["metadata"] == {"given": 1}  # metrics are metadata only


def make_empty(root: Path, **options: Any) -> dict[str, Any]:
    base = {"name": "out", "type": {}, "uri": f"{root}/out"}
    executor_input = {"outputs": {"outputFile": "/x", "artifacts": {"out": {"artifacts": [base]}}}}
    return collect({}, executor_input, types={}, root=str(root), **options)


def test_parameters_that_cannot_be_recorded(tmp_path: Path) -> None:
    def one(value: Any, kind: str) -> Any:
        places = {"outputs": {"outputFile": "/x", "parameters": {"p": {"outputFile": str(tmp_path / "p")}}}}
        return collect({"parameterValues": {"p": value}}, places, types={"p": kind}, needed=(), root="/r")["parameters"]

    assert one("é", "STRING") == {"p": "é"}
    for value, kind in (("\ud800", "STRING"), ([math.nan], "LIST"), ({"a": object()}, "STRUCT")):
        with pytest.raises(OutputError, match="'p' cannot be a parameter"):
            one(value, kind)
    with pytest.raises(OutputError, match="use an artifact"):
        one("x" * outputs.PARAMETER_LIMIT_BYTES, "STRING")
