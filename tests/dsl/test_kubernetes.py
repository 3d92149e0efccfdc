"""What differs from `kfp.kubernetes`; that the rest is the same is tested by `tests/compiler/test_same_as_kfp.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests import oracles

from wherry import dsl
from wherry.dsl import kubernetes


@dsl.component
def work(x: str = "") -> str:
    return x


def executors(flow: Any) -> dict[str, Any]:
    return flow.platform_spec["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def pipeline_with(setting: Callable[[Any, Any], Any]) -> Any:
    @dsl.pipeline
    def flow(name: str = "n"):
        setting(work(), name)

    return flow


@pytest.mark.oracle
def test_every_name_is_there_with_its_arguments() -> None:
    program = (
        "import inspect, json\nfrom kfp import kubernetes\n"
        "print(json.dumps({name: list(inspect.signature(getattr(kubernetes, name)).parameters)\n"
        "    for name in kubernetes.__all__ if not name.endswith('PVC')}))"
    )
    interpreter = oracles.python("kfp", oracles.KFP)
    answer = subprocess.run([interpreter, "-W", "ignore", "-c", program], check=True, capture_output=True, text=True)
    theirs: dict[str, list[str]] = json.loads(answer.stdout)
    assert sorted(kubernetes.__all__) == sorted([*theirs, "CreatePVC", "DeletePVC"])
    for name, parameters in theirs.items():
        code = getattr(kubernetes, name).__code__
        assert list(code.co_varnames[: code.co_argcount]) == parameters


def test_a_field_of_a_loops_item_is_taken_out_of_the_item() -> None:
    @dsl.pipeline
    def flow(rows: list[dict[str, str]]):
        with dsl.ParallelFor([{"secret": "a", "claim": "b"}]) as item:
            task = kubernetes.use_secret_as_volume(work(), item.secret, "/s")
            kubernetes.mount_pvc(task, item.claim, "/c")
        with dsl.ParallelFor(rows) as row, dsl.If(row.use == "yes"):
            kubernetes.use_secret_as_volume(work(), row.secret, "/s")

    found = executors(flow)
    assert found["exec-work"]["secretAsVolume"][0]["secretNameParameter"] == {
        "componentInputParameter": "pipelinechannel--loop-item-param-1",
        "parameterExpressionSelector": 'parseJson(string_value)["secret"]',
    }
    # The deprecated field cannot say it, so that it is left out.
    assert set(found["exec-work"]["pvcMount"][0]) == {"mountPath", "pvcNameParameter"}
    of_row = found["exec-work-2"]["secretAsVolume"][0]["secretNameParameter"]
    assert of_row["componentInputParameter"] == "pipelinechannel--rows-loop-item"
    condition = flow.pipeline_spec["components"]["comp-condition-4"]
    assert "pipelinechannel--rows-loop-item" in condition["inputDefinitions"]["parameters"]


def test_the_settings_of_a_task_do_not_change_with_the_document() -> None:
    kept: list[Any] = []

    @dsl.pipeline
    def flow(name: str):
        with dsl.If(name == "x"):
            kept.append(kubernetes.use_secret_as_env(work(), name, {"a": "A"}))

    settings = kept[0].platform_config["kubernetes"]["secretAsEnv"][0]
    assert settings["secretNameParameter"] == {"componentInputParameter": "name"}
    assert executors(flow)["exec-work"]["secretAsEnv"][0]["secretNameParameter"] == {
        "componentInputParameter": "pipelinechannel--name"
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (lambda task, name: kubernetes.add_pod_label(task, "k", f"{name}"), "label_value cannot be put together"),
        (lambda task, name: kubernetes.use_secret_as_env(task, f"s-{name}", {}), "secret_name cannot be put together"),
    ],
)
def test_texts_with_values_known_later_are_refused(setting: Callable[[Any, Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"{message}.*\(test_kubernetes.py:\d+\)"):
        pipeline_with(setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (lambda task, name: kubernetes.set_image_pull_secrets(task, "one"), "secret_names must be a list"),
        (
            lambda task, name: kubernetes.add_ephemeral_volume(task, "v", "/v", "RWO", "1"),
            "access_modes must be a list",
        ),
        (lambda task, name: kubernetes.use_secret_as_env(task, "s", ["A"]), "secret_key_to_env must be a dict"),
        (lambda task, name: kubernetes.use_secret_as_env(task, "s", {}, optional="yes"), "optional must be True or"),
        (lambda task, name: kubernetes.set_timeout(work, 5), "set on a task of a pipeline"),
        (lambda task, name: kubernetes.add_pod_label(task, "k", name), "known when the pipeline is compiled"),
    ],
)
def test_what_cannot_be_honoured_is_refused(setting: Callable[[Any, Any], Any], message: str) -> None:
    with pytest.raises(TypeError, match=rf"{message}.*\(test_kubernetes.py:\d+\)"):
        pipeline_with(setting)


def test_settings_of_an_importer_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"settings of importer have no effect.*\(test_kubernetes.py:\d+\)"):

        @dsl.pipeline
        def flow():
            kubernetes.set_timeout(dsl.importer("/x", dsl.Dataset), 5)

    assert flow.platform_spec == {}


@pytest.mark.parametrize("seconds", [2**63, -(2**63) - 1])
def test_numbers_beyond_64_bits_are_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        pipeline_with(lambda task, name: kubernetes.set_timeout(task, seconds))


def test_importing_the_dsl_does_not_load_it() -> None:
    program = "import sys, wherry.dsl; print('wherry.dsl.kubernetes' in sys.modules, wherry.dsl.kubernetes.__name__)"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout.split() == ["False", "wherry.dsl.kubernetes"]
