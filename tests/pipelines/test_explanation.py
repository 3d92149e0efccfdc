"""What is said of a pipeline before it runs: needs as the document has them, a warning for each doubtful thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wherry import dsl, ir
from wherry.client import flows
from wherry.errors import WherryError
from wherry.ir.reader import Document
from wherry.pipelines.explanation import Explanation, explain, summary


def document_of(pipeline: Any) -> Document:
    return ir.from_builtins(flows.of_object(pipeline).document)


def codes(explanation: Explanation) -> dict[str, tuple[str, ...]]:
    return {warned.code: warned.tasks for warned in explanation.warnings}


@dsl.component(packages_to_install=["pandas", "numpy==2.0.1", "scipy~=1.2"])
def train(data: str, password: str = "") -> str:
    return data


@dsl.component(packages_to_install=["pandas==2.2.3"])
def tidy(data: str) -> str:
    return data


@dsl.component
def notify(text: str) -> None:
    print(text)


@dsl.component
def publish(text: str) -> str:
    import requests

    return requests.post("https://example.org", data=text).text


@dsl.container_component
def tool(text: str, out: dsl.OutputPath(str)) -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="ghcr.io/acme/tool", command=["tool", text, out])


def only(explanation: Explanation, code: str) -> str:
    (found,) = [warned.message for warned in explanation.warnings if warned.code == code]
    return found


def test_a_tidy_pipeline_has_no_warnings() -> None:
    @dsl.pipeline(name="fine")
    def fine(data: str) -> str:
        return tidy(data=data).output

    explanation, nodes = explain(document_of(fine))
    assert explanation.warnings == ()
    (task,) = explanation.tasks
    assert task.needs is not None
    assert (task.path, task.kind, task.cached, task.needs.function) == ("tidy", "task", True, "tidy")
    assert task.needs.packages == ("pandas==2.2.3",)
    assert [node.path for node in nodes.nodes] == ["tidy"]


def test_packages_without_a_version_are_named() -> None:
    @dsl.pipeline(name="loose")
    def loose(data: str) -> None:
        train(data=data)
        train(data=data)

    explanation, _ = explain(document_of(loose))
    assert codes(explanation) == {"unpinned-packages": ("train", "train-2")}
    assert only(explanation, "unpinned-packages").startswith("pandas and scipy~=1.2 are not pinned")


@pytest.mark.parametrize(
    "package", ["a==1", "a[x]===1.0", "a @ https://e.org/a-1.tar.gz", "git+https://e.org/a@v1", "./wheels/a-1-py3.whl"]
)
def test_pinned_packages_are_no_warning(package: str) -> None:
    @dsl.component(packages_to_install=[package])
    def pinned() -> str:
        return ""

    assert "unpinned-packages" not in codes(explain(document_of(pinned))[0])


@pytest.mark.parametrize("package", ["a", "a==1.*", "a>=1", "git+https://e.org/a", "a!=2"])
def test_loose_packages_are_a_warning(package: str) -> None:
    @dsl.component(packages_to_install=[package])
    def loose() -> str:
        return ""

    assert "unpinned-packages" in codes(explain(document_of(loose))[0])


def test_an_image_without_a_fixed_tag_is_named() -> None:
    @dsl.pipeline(name="moving")
    def moving(text: str) -> None:
        tool(text=text)

    assert codes(explain(document_of(moving))[0]) == {"moving-image": ("tool",)}


@pytest.mark.parametrize(
    ("image", "moves"),
    [("a:latest", True), ("localhost:5000/a", True), ("a:1", False), ("a@sha256:00", False), ("h:5000/a:1", False)],
)
def test_which_images_move(image: str, moves: bool) -> None:
    @dsl.component(base_image=image)
    def one() -> str:
        return ""

    assert ("moving-image" in codes(explain(document_of(one))[0])) is moves


def test_cached_tasks_that_run_for_their_effect_are_named() -> None:
    @dsl.pipeline(name="effects")
    def effects(text: str) -> None:
        notify(text=text)
        publish(text=text)
        notify(text=text).set_caching_options(False)

    explanation, _ = explain(document_of(effects))
    found = {warned.tasks: warned.message for warned in explanation.warnings}
    assert found[("notify",)].startswith("it has no outputs")
    assert found[("publish",)].startswith("it uses requests.post")
    assert len(found) == 2


def test_resources_are_told_as_they_are_asked_for() -> None:
    @dsl.pipeline(name="big")
    def big(data: str, memory: str = "1Gi") -> None:
        task = tidy(data=data).set_cpu_limit("2").set_cpu_request("500m").set_memory_limit(memory)
        task.set_accelerator_limit(1)

    (task,) = explain(document_of(big))[0].tasks
    assert task.needs is not None
    assert task.needs.resources == {"cpu": "2", "cpu request": "500m", "memory": "{{memory}}", "accelerator": "1"}


def test_inputs_that_nothing_uses_and_secrets_in_clear() -> None:
    @dsl.pipeline(name="secrets")
    def secrets(unused: int, api_key: str = "abc") -> None:
        tidy(data=api_key)
        train(data="x", password="hunter2").set_env_variable("AUTH_TOKEN", "t0k")

    explanation, nodes = explain(document_of(secrets))
    assert only(explanation, "unused-input") == "no task of the pipeline uses its input unused"
    clear = [warned.message.partition(" is written")[0] for warned in explanation.warnings if "clear" in warned.code]
    assert sorted(clear) == [
        "the default of the input api_key",
        "the environment variable AUTH_TOKEN",
        "the value of password",
    ]
    assert not any("abc" in line or "hunter2" in line for node in nodes.walk() for line in node.details)


def test_the_summary_counts_images_and_names_everything_once() -> None:
    @dsl.pipeline(name="sum")
    def several(data: str) -> None:
        train(data=tidy(data=data).output)
        tidy(data=data)

    found = summary(explain(document_of(several))[0].tasks)
    assert found["images"] == ["python:3.11 (3 tasks)"]
    assert found["packages"] == ["pandas==2.2.3", "pandas", "numpy==2.0.1", "scipy~=1.2"]


@pytest.mark.parametrize(
    ("file", "needs"),
    [
        ("pipeline_with_secret_as_volume.yaml", {"secrets": ("{{secret_param}} (at /mnt/my_vol)",)}),
        ("nvidia_gpu_scheduling_check.yaml", {"resources": {"nvidia.com/gpu": "1"}, "settings": ("tolerations",)}),
        ("parallel_for_mount_pvc.yaml", {}),
    ],
)
def test_what_the_platform_document_asks_for(conformance: Path, file: str, needs: dict[str, Any]) -> None:
    explanation, _ = explain(ir.from_builtins(flows.load(str(conformance / "kfp-ir" / file)).document))
    first = next(task.needs for task in explanation.tasks if task.needs is not None)
    assert {name: getattr(first, name) for name in needs} == needs
    if not needs:
        assert "volume-stays" in codes(explanation)


def test_every_document_of_the_conformance_folder_is_explained(conformance: Path) -> None:
    for path in sorted((conformance / "kfp-ir").glob("*.yaml")):
        try:
            document = ir.from_builtins(flows.load(str(path)).document)
        except WherryError:
            continue  # refused, as other tests require
        explanation, nodes = explain(document)
        assert [task.path for task in explanation.tasks] == [node.path for node in nodes.walk() if node.path]
        assert all(line for task in explanation.tasks if task.needs for line in task.needs.lines())
