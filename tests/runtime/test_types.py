"""The artifact classes and annotations, by themselves and against the released kfp."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Union  # noqa: UP035 - what users write

import pytest
from tests import oracles

from wherry.runtime import annotations as kinds
from wherry.runtime import artifact_types, task_dsl
from wherry.runtime.annotations import EmbeddedInput, Input, InputPath, Output, OutputPath
from wherry.runtime.artifact_types import Artifact, ClassificationMetrics, Dataset, Model, SlicedClassificationMetrics
from wherry.runtime.task_config import TaskConfig
from wherry.runtime.task_final_status import PipelineTaskFinalStatus


class Custom:
    schema_title = "mine.Custom"
    schema_version = "1.0.0"


class Pair(NamedTuple):
    a: int
    b: Model


# Each line is one question; the program runs with our classes and with kfp's, and the answers must be the same.
QUESTIONS = r"""
import json, os, sys, warnings
def answers(dsl, artifact_types):
    for title in ["Artifact", "Dataset", "Model", "Metrics", "ClassificationMetrics", "HTML", "Markdown",
                  "SlicedClassificationMetrics"]:
        cls = getattr(dsl, title)
        yield title, cls.schema_title, cls.schema_version, cls.__mro__[1].__name__
        for uri in ["", "/a/b", "gs://b/k", "s3://b/k/", "minio://m/x/y", "oci://reg/repo:tag", "http://h/p", "hdfs://x"]:
            item = cls(name="n", uri=uri)
            yield uri, item.path, item.uri, item.name, item.metadata, item.custom_path
            item.set_path("/custom/place")
            yield item.path, item.uri, item.custom_path
            item.custom_path = ""
            item.metadata["_kfp_workspace"] = True
            yield item.path
    for path in ["/gcs/b/k", "/s3/b", "/minio/x", "/oci/reg_repo:tag/models", "/oci/a_b", "/plain", "relative"]:
        item = dsl.Artifact(uri="gs://before")
        item.path = path
        yield path, item.uri, item.path
        model = dsl.Model()
        model.path = path
        yield model.uri, model.path
    model = dsl.Model(metadata={"framework": "sk"})
    yield model.framework, dsl.Model().framework
    model.framework = "torch"
    yield model.metadata
    metrics = dsl.Metrics()
    metrics.log_metric("a", 1)
    metrics.log_metric("a", 2.5)
    yield metrics.metadata
    curve = dsl.ClassificationMetrics()
    curve.log_roc_curve([0.0, 1.0], [0.5, 1.0], [0.9, 0.1])
    curve.log_roc_data_point(fpr=0.1, tpr=0.2, threshold=0.3)
    curve.log_confusion_matrix(["x", "y"], [[1, 2], [3, 4]])
    curve.log_confusion_matrix_row("x", [5, 6])
    curve.log_confusion_matrix_cell("y", "x", 7)
    yield curve.metadata
    curve.set_confusion_matrix_categories(["p", "q", "r"])
    yield curve.metadata["confusionMatrix"]
    for wrong in [lambda: curve.log_roc_curve([1], [1, 2], [1]), lambda: curve.log_confusion_matrix_row("no", [1]),
                  lambda: curve.log_confusion_matrix_row("p", [1]), lambda: curve.log_confusion_matrix(["a"], []),
                  lambda: curve.log_confusion_matrix(["a", "b"], [[1], [2]])]:
        try:
            wrong()
        except ValueError as error:
            yield str(error)
    try:
        dsl.get_uri()
    except RuntimeError as error:
        yield str(error)
    for root in ["/gcs/b/task", "/local/task", "/minio/x/y"]:
        artifact_types.CONTAINER_TASK_ROOT = root
        yield dsl.get_uri(), dsl.get_uri("model")
    artifact_types.CONTAINER_TASK_ROOT = "/tmp/kfp_outputs"
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield dsl.get_uri(), [type(item.message).__name__ for item in seen], str(seen[0].message)
    artifact_types.CONTAINER_TASK_ROOT = None
    for given in [dsl.Dataset, dsl.Model, "Dataset", "model", "html", str, int, "str", "Integer", "MyOwn", None, dict]:
        for path in (dsl.InputPath, dsl.OutputPath):
            kind = path(given).type
            yield str(given).split(".")[-1], kind if isinstance(kind, str) else kind.__name__
    yield dsl.InputPath("Dataset") == dsl.InputPath(dsl.Dataset), dsl.InputPath(str) == dsl.OutputPath(str)
    for name in ("Input", "Output"):
        alias = getattr(dsl, name)[dsl.Model]
        yield alias.__origin__.__name__, alias.__args__[0].__name__, alias.__metadata__[0].__name__
        yield alias == getattr(dsl, name)[dsl.Model], alias == getattr(dsl, name)[dsl.Dataset]
    for name in sorted(n for n in dir(dsl) if n.endswith("_PLACEHOLDER")):
        yield name, getattr(dsl, name)
def main(dsl, artifact_types):
    return json.dumps([repr(answer) for answer in answers(dsl, artifact_types)])
"""


@pytest.mark.oracle
def test_same_answers_as_the_released_kfp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_types, "CONTAINER_TASK_ROOT", None)  # the executor, tested elsewhere, sets it
    program = (
        QUESTIONS + "from kfp import dsl\nfrom kfp.dsl.types import artifact_types\nprint(main(dsl, artifact_types))"
    )
    done = subprocess.run(
        [str(oracles.python("kfp", oracles.KFP)), "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        env={"_KFP_RUNTIME": "true", "PATH": "/usr/bin:/bin"},
        check=True,
    )
    theirs = json.loads(done.stdout)
    space: dict[str, Any] = {}
    exec(QUESTIONS, space)
    ours = json.loads(space["main"](task_dsl, artifact_types))
    assert ours == theirs
    assert len(ours) > 150


def test_sliced_metrics_work() -> None:
    """kfp 2.17 fails on each of these calls; its documentation says what they are for."""
    metrics = SlicedClassificationMetrics()
    metrics.log_roc_reading("a", threshold=0.5, tpr=0.6, fpr=0.7)
    metrics.load_roc_readings("a", [[0.1, 0.2, 0.3]])
    metrics.set_confusion_matrix_categories("b", ["x", "y"])
    metrics.log_confusion_matrix_row("b", "x", [1, 2])
    metrics.log_confusion_matrix_cell("b", "y", "x", 3)
    metrics.load_confusion_matrix("c", ["z"], [[4]])
    slices = metrics.metadata["evaluationSlices"]
    assert [entry["slice"] for entry in slices] == ["a", "b", "c"]
    assert [point["recall"] for point in slices[0]["sliceClassificationMetrics"]["confidenceMetrics"]] == [0.6, 0.2]
    assert slices[1]["sliceClassificationMetrics"]["confusionMatrix"]["rows"] == [{"row": [1, 2]}, {"row": [3, 0]}]
    assert json.loads(json.dumps(metrics.metadata)) == metrics.metadata


def test_a_matrix_needs_categories_first() -> None:
    with pytest.raises(ValueError, match="call set_confusion_matrix_categories first"):
        ClassificationMetrics().log_confusion_matrix_cell("a", "b", 1)


def test_artifacts_print_and_accept_file_uris() -> None:
    item = Dataset(name="d", uri="file:///data/x", metadata={"n": 1})
    assert item.path == "/data/x"
    assert repr(item) == "Dataset(name='d', uri='file:///data/x', metadata={'n': 1})"


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (int, "NUMBER_INTEGER"),
        (float, "NUMBER_DOUBLE"),
        (str, "STRING"),
        (bool, "BOOLEAN"),
        (list, "LIST"),
        (dict, "STRUCT"),
        (List[int], "LIST"),  # noqa: UP006
        (list[int], "LIST"),
        (Dict[str, int], "STRUCT"),  # noqa: UP006
        (dict[str, int], "STRUCT"),
        (List, "LIST"),  # noqa: UP006
        ("int", "NUMBER_INTEGER"),
        ("typing.List[int]", "LIST"),
        ("JsonObject", "STRUCT"),
        ({"JsonArray": {}}, "LIST"),
        (PipelineTaskFinalStatus, "TASK_FINAL_STATUS"),
        (TaskConfig, "TASK_CONFIG"),
        (Model, None),
        (Custom, None),
        (None, None),
        ("Dataset", None),
        (typing.Any, None),
        (tuple, None),
        (List[Model], "LIST"),  # noqa: UP006 - as kfp: who asks about artifacts asks for them first
    ],
)
def test_parameter_types(annotation: Any, kind: str | None) -> None:
    assert kinds.parameter_type(annotation) == kind
    assert kinds.is_parameter(annotation) == (kind is not None)


@pytest.mark.parametrize(
    ("annotation", "inner"),
    [
        (Optional[int], int),  # noqa: UP045
        (int | None, int),
        (None | int, int),
        (Union[None, str], str),  # noqa: UP007
        (Optional[Input[Model]], Input[Model]),  # noqa: UP045
        (Input[Model] | None, Input[Model]),
        (None | Output[Model], Output[Model]),
        (Optional[InputPath("Dataset")], InputPath("Dataset")),  # noqa: UP045
    ],
)
def test_optionals(annotation: Any, inner: Any) -> None:
    assert kinds.is_optional(annotation)
    assert kinds.strip_optional(annotation) == inner
    assert not kinds.is_optional(inner)
    assert kinds.strip_optional(inner) == inner


def test_not_every_pair_is_an_optional() -> None:
    for annotation in (Dict[str, None], int | str, Union[int, str, None]):  # noqa: UP006, UP007
        assert kinds.strip_optional(annotation) == annotation


def test_markers_and_lists() -> None:
    assert kinds.is_input(Input[Model])
    assert not kinds.is_input(Output[Model])
    assert kinds.is_output(Output[Custom])
    assert kinds.is_embedded_input(EmbeddedInput[Dataset])
    assert not kinds.is_marked_artifact(EmbeddedInput[Dataset])
    assert kinds.io_artifact_class(Input[List[Model]]) is Model  # noqa: UP006
    assert kinds.io_artifact_class(Input[Custom]) is Custom
    assert kinds.io_artifact_class(int) is None
    assert kinds.is_list_of_artifacts(List[Model])  # noqa: UP006
    assert kinds.is_list_of_artifacts(list[Custom])
    assert not kinds.is_list_of_artifacts(List[int])  # noqa: UP006
    assert not kinds.is_list_of_artifacts(Input[Model])
    assert len({Input[Model], Input[Model], Output[Model], InputPath(int), InputPath(int)}) == 3
    assert kinds.is_named_tuple(Pair)
    assert not kinds.is_named_tuple(collections.namedtuple("Bare", "a"))
    assert not kinds.is_named_tuple(tuple)
    assert kinds.is_input_path(InputPath())
    assert kinds.is_output_path(OutputPath(int))
    annotated = typing.Annotated[Model, kinds.InputAnnotation]
    assert kinds.is_input(annotated)
    assert kinds.io_artifact_class(annotated) is Model
    assert str([Input[Model], InputPath(int)]) == "[Input[Model], InputPath(<class 'int'>)]"
    with pytest.raises(TypeError, match="is an annotation"):
        Input(Model)


def test_system_values_are_read_from_structs() -> None:
    old = {"state": "FAILED", "pipelineJobResourceName": "r", "pipelineTaskName": "t", "error": {"message": "m"}}
    new = {"state": "FAILED", "pipeline_job_resource_name": "r", "pipeline_task_name": "t", "error": {"message": "m"}}
    status = PipelineTaskFinalStatus.from_struct(old)
    assert status == PipelineTaskFinalStatus.from_struct(new)
    assert status == PipelineTaskFinalStatus("FAILED", "r", "t", None, "m")
    assert "error_message='m'" in repr(status)
    config = TaskConfig.from_struct({"nodeSelector": {"a": "b"}, "volumeMounts": []})
    assert config == TaskConfig(node_selector={"a": "b"}, volume_mounts=[])
    assert config != TaskConfig.from_struct(None)
    assert "node_selector={'a': 'b'}" in repr(config)


def test_importing_the_types_loads_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules)\n"
        "from wherry.runtime import annotations, artifact_types, placeholders, task_config, task_final_status\n"
        "print(sorted(set(sys.modules) - before))"
    )
    source = Path(artifact_types.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(source)!r})\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stdout
    for name in ("typing", "dataclasses", "inspect", "logging", "re", "enum", "json"):
        assert f"'{name}'" not in loaded
    assert Artifact.schema_title == "system.Artifact"
