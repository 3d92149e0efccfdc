"""The same wrong definitions, here and on a real Kubernetes: refused for the same fields.

Only definitions are compared, none of which is stored: some builds of older servers do not survive custom objects.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.kube.wire.asking import opened
from tests.kube.wire.customs import definition, version

from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.config import find
from wherry.kube.errors import Invalid
from wherry.kube.resources import CUSTOMRESOURCEDEFINITIONS

TEXT = {"type": "string"}
# What is wrong with the root of a schema, and with a field of it.
ROOTS = [
    TEXT,
    {"type": "object", "additionalProperties": TEXT},
    {},
    {"type": "object", "anyOf": [{"properties": {"b": {"minimum": 1}}}]},
]
FIELDS = [
    {},
    {"type": "array"},
    {"type": "array", "items": {}},
    {**TEXT, "allOf": [{"type": "string"}]},
    {**TEXT, "not": {"description": "x"}},
    {"type": "array", "items": TEXT, "uniqueItems": True},
    {"type": "object", "properties": {"b": TEXT}, "additionalProperties": TEXT},
    {"type": "object", "x-kubernetes-embedded-resource": True},
    {**TEXT, "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    {"type": "array", "items": {"type": "object", "properties": {"n": TEXT}}, "x-kubernetes-list-type": "map"},
    {**TEXT, "x-kubernetes-list-type": "set"},
]


def schemas():
    """Definitions that differ in their schema."""
    for root in [*ROOTS, *({"type": "object", "properties": {"a": field}} for field in FIELDS)]:
        yield definition(version(schema={"openAPIV3Schema": root}, subresources=None, additionalPrinterColumns=None))


def others():
    """Definitions that are wrong in other places."""
    yield definition(plural="Widgets")
    yield definition(shortNames=["W"])
    yield definition(version(additionalPrinterColumns=[{"name": "x", "type": "text", "jsonPath": "x"}]))
    yield definition(version(subresources={"scale": {"specReplicasPath": ".x", "statusReplicasPath": ""}}))


async def told(kube) -> list[list[tuple[str, str]]]:
    """Fields and messages of each refusal."""
    found = []
    for each in [*schemas(), *others()]:
        try:
            made = await kube.create(each)
        except Invalid as problem:
            refused = problem
        else:
            await kube.delete(CUSTOMRESOURCEDEFINITIONS, made["metadata"]["name"])
            raise AssertionError(f"a wrong definition was taken: {each}")
        found.append(sorted({(cause.field, cause.message) for cause in refused.causes}))
    return found


@pytest.mark.cluster
def test_wrong_definitions_are_refused_alike(tmp_path, kubeconfig):
    async def real():
        async with ClusterKube(find(environ={"KUBECONFIG": str(kubeconfig)})) as kube:
            return await told(kube)

    async def here():
        async with opened(tmp_path) as face:
            return await told(face.kube)

    assert asyncio.run(here()) == asyncio.run(real())
