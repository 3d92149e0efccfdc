"""The rules of the ecosystem's own definitions: all compile, and they tell good objects from bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.kube.cel import rules
from wherry.kube.cel.places import RULES

FOLDERS = ("katib", "kserve", "notebooks", "spark", "trainer", "training-operator-v1")


@pytest.fixture(scope="module")
def schemas(conformance: Path) -> dict[str, dict[str, Any]]:
    """The schemas that have rules, by the name of their definition (and version, where it has several)."""
    found: dict[str, dict[str, Any]] = {}
    for folder in FOLDERS:
        for path in sorted((conformance / folder).rglob("*.yaml")):
            text = path.read_text()
            if RULES not in text or "kind: CustomResourceDefinition" not in text:
                continue
            for document in yaml.load_all(text, Loader=yaml.CSafeLoader):
                for version in ((document or {}).get("spec") or {}).get("versions") or ():
                    found[f"{document['metadata']['name']}/{version['name']}"] = version["schema"]["openAPIV3Schema"]
    return found


def test_all_rules_of_the_ecosystem_compile(schemas: dict[str, dict[str, Any]]) -> None:
    assert len(schemas) >= 15
    for name, schema in schemas.items():
        compiled = rules.compile(schema)
        assert compiled.faults == [], name
        assert not compiled.empty, name


_JOB: dict[str, Any] = {"metadata": {"name": "job"}, "spec": {"runtimeRef": {"name": "torch-distributed"}}}
_RUNTIME: dict[str, Any] = {"metadata": {"name": "runtime"}, "spec": {"template": {"spec": {}}}}


def _with(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The object with something else at a path."""
    first, _, rest = path.partition(".")
    return {**base, first: _with(base.get(first, {}), rest, value) if rest else value}


@pytest.mark.parametrize(
    ("kind", "base", "path", "good", "bad", "told"),
    [
        (
            "trainjobs.trainer.kubeflow.org/v1alpha1",
            _JOB,
            "metadata.name",
            "a-b",
            "1a",
            "<nil>: metadata.name must match",
        ),
        ("trainjobs.trainer.kubeflow.org/v1alpha1", _JOB, "metadata.name", "a" * 63, "a" * 64, "<nil>: "),
        (
            "trainjobs.trainer.kubeflow.org/v1alpha1",
            _JOB,
            "spec.managedBy",
            "kueue.x-k8s.io/multikueue",
            "me",
            "spec.managedBy: ManagedBy must be trainer.kubeflow.org/trainjob-controller or kueue.x-k8s.io/multikueue",
        ),
        (
            "trainjobs.trainer.kubeflow.org/v1alpha1",
            _JOB,
            "spec.initializer.dataset.storageUri",
            "hf://data",
            "data",
            "spec.initializer.dataset.storageUri: ",
        ),
        (
            "trainingruntimes.trainer.kubeflow.org/v1alpha1",
            _RUNTIME,
            "spec.mlPolicy",
            {"torch": {}},
            {"torch": {}, "mpi": {}},
            "spec.mlPolicy: Only one of the policy can be configured",
        ),
        (
            "trainingruntimes.trainer.kubeflow.org/v1alpha1",
            _RUNTIME,
            "spec.template.spec.volumeClaimPolicies",
            [{"templates": [{"metadata": {"name": "v"}}]}],
            [{"templates": [{"metadata": {"name": "v", "namespace": "n"}}]}],
            "spec.template.spec.volumeClaimPolicies[0]: namespace cannot be set for VolumeClaimPolicies templates",
        ),
        (
            "optimizationjobs.trainer.kubeflow.org/v1alpha1",
            {"metadata": {"name": "o"}},
            "spec",
            {"parallelTrials": 2, "numTrials": 2, "searchAlgorithm": {"random": {}}},
            {"parallelTrials": 3, "numTrials": 2, "searchAlgorithm": {"random": {}}},
            "spec: parallelTrials cannot exceed numTrials",
        ),
        (
            "optimizationjobs.trainer.kubeflow.org/v1alpha1",
            {"metadata": {"name": "o"}},
            "spec",
            {"parallelTrials": 2, "numTrials": 2, "searchAlgorithm": {"random": {}}},
            {"parallelTrials": 2, "numTrials": 2, "searchAlgorithm": {"random": {}, "grid": {}}, "parameters": []},
            "spec.searchAlgorithm: exactly one of the fields in [random grid] must be set",
        ),
    ],
)
def test_good_objects_pass_and_bad_ones_are_told(
    schemas: dict[str, dict[str, Any]], kind: str, base: Any, path: str, good: Any, bad: Any, told: str
) -> None:
    compiled = rules.compile(schemas[kind])
    assert compiled.check(_with(base, path, good)) == []
    found = compiled.check(_with(base, path, bad))
    assert found, told
    said = found[0].message.partition('": ')[2]
    assert f"{found[0].field}: {said}".startswith(told)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("spec.runtimeRef", {"name": "a"}, {"name": "b"}),
        ("spec.trainer", {"numNodes": 1}, {"numNodes": 2}),
        ("spec.managedBy", "trainer.kubeflow.org/trainjob-controller", "kueue.x-k8s.io/multikueue"),
        ("spec.activeDeadlineSeconds", 10, 20),
    ],
)
def test_what_a_train_job_may_not_change(schemas: dict[str, dict[str, Any]], path: str, old: Any, new: Any) -> None:
    compiled = rules.compile(schemas["trainjobs.trainer.kubeflow.org/v1alpha1"])
    before = _with(_JOB, path, old)
    assert compiled.check(before) == []
    assert compiled.check(_with(before, "spec.suspend", True), before) == []
    found = compiled.check(_with(before, path, new), before)
    assert found
    assert found[0].field == path
    assert "immutable" in found[0].message or "failed rule: self == oldSelf" in found[0].message


def test_items_of_a_map_are_immutable_one_by_one(schemas: dict[str, dict[str, Any]]) -> None:
    compiled = rules.compile(schemas["trainjobs.trainer.kubeflow.org/v1alpha1"])
    patch: dict[str, Any] = {"manager": "a.b/c", "trainingRuntimeSpec": {"template": {"spec": {}}}}
    before = _with(_JOB, "spec.runtimePatches", [patch])
    assert compiled.check(before) == []
    more = _with(before, "spec.runtimePatches", [{"manager": "x.y/z"}, patch])
    assert compiled.check(more, before) == []
