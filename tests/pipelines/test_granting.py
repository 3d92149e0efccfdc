"""Grants of pods: what is asked for, how it is handed over, and what a server that dies in between leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.errors import AlreadyExists, NotFound, Unavailable, from_status
from wherry.kube.protocol import Object
from wherry.kube.resources import PODS, SECRETS
from wherry.pipelines.delivery import Delivery
from wherry.pipelines.granting import Access, access, waits_for_grant
from wherry.seams import SystemClock, SystemIds
from wherry.storage.artifacts import LocalStore
from wherry.storage.database import Database
from wherry.storage.stores import Grant

ROOT = "s3://bucket/store/pipe/run/task/0-0"


def ref(uri: str) -> dict[str, str]:
    return {"uri": uri, "sha256": "00"}


def inputs(*uris: str) -> dict[str, Any]:
    return {"inputs": {"artifacts": {"x": {"artifacts": [{"uri": uri} for uri in uris]}}}}


def pod(**fields: Any) -> Object:
    descriptor = {"root": ROOT, "executor_input": {"inputs": {}}, "code": None, "executor_input_ref": None, **fields}
    env = [{"name": "MINE", "value": "$(x)"}, {"name": "WHERRY_TASK", "value": json.dumps(descriptor)}]
    container = {"name": "main", "image": "python:3.11", "command": ["true"], "env": env}
    metadata = {"name": "task-0-0", "namespace": "default", "labels": {"wherry.dev/run": "r", "else": "x"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


@pytest.mark.parametrize(
    ("fields", "reads"),
    [
        ({}, []),
        ({"source": ref("s3://b/s.py"), "code": ref("s3://b/c.zip")}, ["s3://b/c.zip", "s3://b/s.py"]),
        (
            {"executor_input": inputs("s3://b/x", "s3://b/x", "s3://else/y/", "gs://b/z", "/data")},
            ["s3://b/x", "s3://else/y"],
        ),
        ({"executor_input": None, "executor_input_ref": ref("s3://b/i.json")}, ["s3://b/i.json", "s3://b/long"]),
    ],
)
def test_what_a_task_reads_follows_from_its_pod(fields: dict[str, Any], reads: list[str]) -> None:
    given = json.dumps(inputs("s3://b/long")).encode() if fields.get("executor_input_ref") else None
    assert access(pod(**fields), given) == Access(ROOT, reads)


def test_a_task_of_folders_needs_no_grant() -> None:
    assert access(pod(root="/data/run/0-0", executor_input=inputs("/data/x"))) is None
    assert access(pod(root="/data/run/0-0", executor_input=inputs("s3://b/x"))) == Access("/data/run/0-0", ["s3://b/x"])


class Granter:
    """Counts what it grants."""

    def __init__(self, *, secret: bool = True) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.secret = secret

    async def grant(self, root: str, reads: Sequence[str]) -> Grant:
        self.asked.append((root, list(reads)))
        return Grant(f'{{"n": {len(self.asked)}, "x": "$(HOME)"}}', secret=self.secret)


class NoSecrets:
    """A kube whose server dies when it is to make a Secret."""

    def __init__(self, kube: EmbeddedKube) -> None:
        self._kube = kube

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)

    async def create(self, obj: Object, **options: Any) -> Object:
        if obj["kind"] == "Secret":
            raise from_status({"reason": "ServiceUnavailable", "message": "the server is gone", "code": 503})
        return await self._kube.create(obj, **options)


def perform(folder: Path, body: Callable[[EmbeddedKube, LocalStore], Awaitable[None]]) -> None:
    async def main() -> None:
        db = Database.open(folder / "wherry.db", clock=SystemClock())
        try:
            await body(EmbeddedKube(db, clock=SystemClock(), ids=SystemIds()), LocalStore(folder / "store"))
        finally:
            db.close()

    asyncio.run(main())


def grant_variable(made: Object) -> dict[str, Any]:
    (found,) = [each for each in made["spec"]["containers"][0]["env"] if each["name"] == "WHERRY_GRANT"]
    return found


def test_a_pod_owns_the_secret_with_its_grant(tmp_path: Path) -> None:
    async def body(kube: EmbeddedKube, store: LocalStore) -> None:
        granter = Granter()
        await Delivery(kube, store, granter).create(pod(source=ref("s3://b/s.py")))
        assert granter.asked == [(ROOT, ["s3://b/s.py"])]
        made, secret = await kube.get(PODS, "task-0-0", "default"), await kube.get(SECRETS, "task-0-0", "default")
        assert grant_variable(made)["valueFrom"]["secretKeyRef"] == {"name": "task-0-0", "key": "grant"}
        (owner,) = secret["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Pod", made["metadata"]["uid"])
        assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "wherry", "wherry.dev/run": "r"}
        assert secret["immutable"] is True
        await kube.delete(PODS, "task-0-0", "default", grace_period_s=0)
        while True:  # the collector is told by a watch
            try:
                await kube.get(SECRETS, "task-0-0", "default")
            except NotFound:
                break
            await asyncio.sleep(0.01)

    perform(tmp_path, body)


def test_a_pod_whose_server_died_before_the_secret_gets_one_later(tmp_path: Path) -> None:
    async def body(kube: EmbeddedKube, store: LocalStore) -> None:
        granter = Granter()
        dying: Any = NoSecrets(kube)
        with pytest.raises(Unavailable):
            await Delivery(dying, store, granter).create(pod())
        found = await kube.get(PODS, "task-0-0", "default")
        assert waits_for_grant(found)
        await Delivery(kube, store, granter).complete(found)
        await Delivery(kube, store, granter).complete(found)
        assert (await kube.get(SECRETS, "task-0-0", "default"))["data"]
        assert len(granter.asked) == 3

    perform(tmp_path, body)


def test_making_it_again_makes_what_is_missing(tmp_path: Path) -> None:
    async def body(kube: EmbeddedKube, store: LocalStore) -> None:
        dying: Any = NoSecrets(kube)
        with pytest.raises(Unavailable):
            await Delivery(dying, store, Granter()).create(pod())
        with pytest.raises(AlreadyExists):
            await Delivery(kube, store, Granter()).create(pod())
        assert (await kube.get(SECRETS, "task-0-0", "default"))["data"]

    perform(tmp_path, body)


def test_what_is_no_secret_stands_in_the_pod(tmp_path: Path) -> None:
    async def body(kube: EmbeddedKube, store: LocalStore) -> None:
        await Delivery(kube, store, Granter(secret=False)).create(pod())
        made = await kube.get(PODS, "task-0-0", "default")
        assert "$" not in grant_variable(made)["value"]
        assert json.loads(grant_variable(made)["value"]) == {"n": 1, "x": "$(HOME)"}
        assert not waits_for_grant(made)
        with pytest.raises(NotFound):
            await kube.get(SECRETS, "task-0-0", "default")

    perform(tmp_path, body)


def test_without_object_stores_pods_are_as_they_were(tmp_path: Path) -> None:
    async def body(kube: EmbeddedKube, store: LocalStore) -> None:
        for granter in (None, Granter()):
            given = pod(root="/data/run/0-0")
            await Delivery(kube, store, granter).create(given)
            made = await kube.get(PODS, "task-0-0", "default")
            assert [each["name"] for each in made["spec"]["containers"][0]["env"]] == ["MINE", "WHERRY_TASK"]
            await kube.delete(PODS, "task-0-0", "default", grace_period_s=0)

    perform(tmp_path, body)
