"""The definitions of the ecosystem apply, and its sample objects are taken by them."""

from __future__ import annotations

import asyncio
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import SHARED
from tests.kube.wire.asking import opened
from tests.kube.wire.customs import DEFINITIONS, condition

CONFORMANCE = SHARED / "conformance"
needs_shared = pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="needs the folder that WHERRY_SHARED names")
# Samples that the schemas of their own folder refuse: what upstream's webhooks complete or templates fill in first.
REFUSED = {
    "kserve/samples/explanation__alibi__cifar10__cifar10.yaml": "must be of type integer,string",
    "kserve/samples/explanation__alibi__income__income.yaml": "must be of type integer,string",
    "kserve/samples/explanation__alibi__moviesentiment__moviesentiment.yaml": "must be of type integer,string",
    "notebooks/samples/integration__resources__poddefault-basic.yaml": "metadata.name",
    "notebooks/samples/integration__resources__poddefault-multi-selector.yaml": "metadata.name",
    "notebooks/samples/integration__resources__profile-simple.yaml": "metadata.name",
    "trainer/samples/jobset/failure-policy/failjobset-action.yaml": "rules[0].name: Required value",
    "trainer/samples/jobset/failure-policy/host-maintenance-event-model.yaml": "rules[0].name: Required value",
    "trainer/samples/jobset/failure-policy/onjobfailurereasons-present.yaml": "rules[0].name: Required value",
    "trainer/samples/jobset/failure-policy/restartjobsetandignoremaxrestarts-action.yaml": "rules[0].name: Required",
}


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """The objects in a file; some samples are templates and no YAML."""
    data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    try:
        found = list(yaml.load_all(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError:
        return
    yield from (each for each in found if isinstance(each, dict) and isinstance(each.get("metadata"), dict))


async def apply_all(face) -> int:
    count = 0
    for path in sorted(CONFORMANCE.glob("*/crds/*")):
        for document in documents(path):
            answer = await face.ask("POST", DEFINITIONS, document, query={"fieldValidation": "Strict"})
            assert answer.status == 201, (path.name, answer.value["message"])
            assert condition(answer.value, "Established")["status"] == "True", path.name
            count += 1
    return count


async def judged(face, document) -> str | None:
    """What is told of an object of a custom kind, None of another one."""
    kind = face.kube.registry.find(str(document.get("apiVersion")), str(document.get("kind")))
    if kind is None or kind.custom is None:
        return None
    document["metadata"].pop("namespace", None)
    place = "namespaces/default/" if kind.resource.namespaced else ""
    path = f"/apis/{kind.resource.api_version}/{place}{kind.resource.plural}"
    answer = await face.ask("POST", path, document, query={"dryRun": "All"})
    return "" if answer.status == 201 else answer.value["message"]


@needs_shared
def test_all_definitions_apply_and_a_later_server_takes_their_samples(tmp_path):
    async def main():
        async with opened(tmp_path) as face:
            assert await apply_all(face) == 36
        async with opened(tmp_path) as face:
            await face.kube.ready()
            definitions = {kind.custom.definition for kind in face.kube.registry.kinds if kind.custom is not None}
            assert len(definitions) == 36
            assert (await face.ask("GET", "/openapi/v3")).status == 200
            assert not any(definition.loaded for definition in definitions)
            groups = {each["name"] for each in (await face.ask("GET", "/apis")).value["groups"]}
            assert {"kubeflow.org", "serving.kserve.io", "trainer.kubeflow.org", "jobset.x-k8s.io"} <= groups
            refused, accepted = {}, 0
            for path in sorted(CONFORMANCE.glob("*/samples/**/*.yaml")):
                for document in documents(path):
                    told = await judged(face, document)
                    if told:
                        refused[str(path.relative_to(CONFORMANCE))] = told
                    accepted += told == ""
            assert refused.keys() == REFUSED.keys()
            assert all(part in refused[path] for path, part in REFUSED.items())
            assert accepted > 150

    asyncio.run(main())
