"""Server-side apply and managedFields: one table of writes, with the same outcome on both sides of the waist."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.kube.ownership_table import CASES, Case, Step

from wherry.kube.cluster.capabilities import Capabilities
from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.config import find, of_server
from wherry.kube.embedded import EmbeddedKube
from wherry.kube.errors import Conflict, KubeError, NotFound
from wherry.kube.managedfields.sets import parsed, path_text, paths
from wherry.kube.resources import CONFIGMAPS, NAMESPACES
from wherry.kube.wire import make_app
from wherry.seams import SystemClock, SystemIds
from wherry.storage.database import Database
from wherry.testing.inprocess import InProcess

NAMESPACE = f"wherry-ownership-{SystemIds().suffix(5)}"  # none that still ends


@pytest.fixture
def on_wire(tmp_path):
    @asynccontextmanager
    async def opened():
        db = Database.open(tmp_path / "wherry.db", clock=SystemClock())
        try:
            kube = EmbeddedKube(db, clock=SystemClock(), ids=SystemIds())
            app = make_app(kube, clock=SystemClock(), stopping=asyncio.Event())
            async with ClusterKube(of_server("http://embedded"), transport=InProcess(app)) as client:
                await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
                yield client, Capabilities()
        finally:
            db.close()

    return opened


@pytest.mark.parametrize("name", CASES)
def test_the_outcome_on_the_embedded_side(on_wire, name):
    asyncio.run(_on(on_wire, {name: CASES[name]}))


@pytest.mark.cluster
def test_the_outcome_on_a_real_cluster(kubeconfig):
    @asynccontextmanager
    async def opened():
        async with ClusterKube(find(environ={"KUBECONFIG": str(kubeconfig)})) as kube:
            capabilities = Capabilities.of(await kube.version())
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            await kube.create(namespace)
            try:
                yield kube, capabilities
            finally:
                await kube.delete(NAMESPACES, NAMESPACE)

    asyncio.run(_on(opened, CASES))


async def _on(opened, cases: dict[str, Case]) -> None:
    async with opened() as (kube, capabilities):
        cases = {name: case for name, case in cases.items() if not case.needs or getattr(capabilities, case.needs)}
        outcomes = [await _outcome(kube, f"case-{n}", case) for n, case in enumerate(cases.values())]
    for (name, case), (obj, said) in zip(cases.items(), outcomes, strict=True):
        expected = [_expected(step) for step in case.steps]
        assert said == expected, name
        assert {path: _at(obj, path) for path in case.has} == case.has, name
        owners = _owners(obj)
        wanted = _as_told_by(case.owners, capabilities)
        assert {each: (fields and owners.get(each)) or [] for each, fields in wanted.items()} == wanted, name
        assert wanted.keys() <= owners.keys(), name
        if case.resource == CONFIGMAPS and case.owners and len(owners) < 10:  # which no controller writes to
            assert owners.keys() == wanted.keys(), name


async def _outcome(kube, name: str, case: Case) -> tuple[dict[str, Any], list[Any]]:
    """The object after the steps, and what was said of each."""
    said: list[Any] = []
    resource = case.resource
    try:
        for step in case.steps:
            said.append(await _done(kube, name, resource, step))
        return await kube.get(resource, name, NAMESPACE), said
    finally:
        try:
            await kube.patch(resource, name, NAMESPACE, {"metadata": {"finalizers": None}})
            await kube.delete(resource, name, NAMESPACE, grace_period_s=0)
        except NotFound:
            pass


async def _done(kube, name: str, resource, step: Step) -> Any:
    body = step.body
    if step.how in ("apply", "create"):
        whole = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        body = {**whole, "metadata": {"name": name, "namespace": NAMESPACE, **body.get("metadata", {})}}
    try:
        if step.how == "create":
            await kube.create(body)
        else:
            await kube.patch(
                resource,
                name,
                NAMESPACE,
                body,
                type=step.how,
                subresource=step.subresource,
                field_manager=step.manager,
                force=step.force,
            )
    except Conflict as problem:
        return {cause.field: cause.message for cause in problem.causes} or problem.reason
    except KubeError as problem:
        return problem.reason if step.refused else problem.message
    return {}


def _expected(step: Step) -> Any:
    conflicts = {field: f"conflict with {owner}" for field, owner in step.conflicts.items()}
    return step.refused or conflicts


def _at(obj: Any, path: str) -> Any:
    for word in path.split("."):
        obj = obj[int(word)] if isinstance(obj, list) else (obj or {}).get(word)
    return obj


def _owners(obj: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in obj["metadata"].get("managedFields") or ():
        who = " ".join(filter(None, (entry["manager"], entry["operation"], entry.get("subresource"))))
        found[who] = sorted(map(path_text, paths(parsed(entry["fieldsV1"]))))
        assert entry["fieldsType"] == "FieldsV1"
    return found


def _as_told_by(owners: dict[str, list[str]], capabilities: Capabilities) -> dict[str, list[str]]:
    """What a server of that version tells: older ones know a manager once, whatever it writes to."""
    if capabilities.managed_subresources:
        return {who: sorted(fields) for who, fields in owners.items()}
    last = {" ".join(who.split()[:2]): fields for who, fields in owners.items()}
    return {who: sorted(fields) for who, fields in last.items()}
