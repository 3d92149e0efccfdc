"""Grants: what their policies say, and what a real STS and S3 make of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.objectstore import BUCKET, ROLE, S3Server

from wherry.errors import UsageError
from wherry.runtime import grant as in_task
from wherry.runtime.s3 import Client, ObjectError
from wherry.storage.errors import GrantRefused, StorageError
from wherry.storage.grants import POLICY_LIMIT, policy
from wherry.storage.stores import ObjectSettings, open_granter, open_store

STORE = "s3://bucket/team"
ROOT = f"{STORE}/pipe/run/train/1-0"
HERE = ["arn:aws:s3:::bucket/team/pipe/run/train/1-0", "arn:aws:s3:::bucket/team/pipe/run/train/1-0/*"]


def read_resources(text: str) -> list[str]:
    return json.loads(text)["Statement"][0]["Resource"]


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([], []),
        ([f"{STORE}/.source/a.py"], ["bucket/team/.source/a.py"]),
        ([f"{STORE}/.source/a.py"] * 9, ["bucket/team/.source/a.py"]),
        ([f"{ROOT}/out"], []),
        ([f"{ROOT}1/out"], ["bucket/team/pipe/run/train/1-01/out"]),
        (["s3://other/data", "s3://other/data/part"], ["other/data"]),
        (["s3://other/what*is?this$"], ["other/what${*}is${?}this${$}"]),
        ([f"{STORE}/pipe/run/t{n}/1-0/x" for n in range(200)], ["bucket/team/pipe/run"]),
        ([f"{STORE}/pipe/run{n}/t/1-0/x" for n in range(200)], ["bucket/team"]),
    ],
)
def test_what_a_task_may_read(reads: list[str], expected: list[str]) -> None:
    found = read_resources(policy(ROOT, reads, store=STORE))
    wanted = {each for key in expected for each in (f"arn:aws:s3:::{key}", f"arn:aws:s3:::{key}/*")}
    inside = any(HERE[0].startswith(each) for each in wanted)
    assert set(found) == wanted | (set() if inside else set(HERE))


def test_only_the_attempts_own_folder_is_written() -> None:
    document = json.loads(policy(ROOT, [f"{STORE}/x"], store=STORE, region="cn-north-1"))
    writes = [each for each in document["Statement"] if "s3:PutObject" in each["Action"]]
    assert [each["Resource"] for each in writes] == ["arn:aws-cn:s3:::bucket/team/pipe/run/train/1-0/*"]
    assert {
        name
        for each in document["Statement"]
        for name in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    } == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
    }


def test_too_many_places_are_refused() -> None:
    with pytest.raises(GrantRefused, match="200 places"):
        policy(ROOT, [f"s3://other/data{n}" for n in range(200)], store=STORE)


@given(st.lists(st.tuples(st.sampled_from(["s3://bucket/team", "s3://else"]), st.text("ab/", max_size=9)), max_size=40))
def test_what_is_asked_for_may_be_read_whatever_the_policy_is_cut_to(asked: list[tuple[str, str]]) -> None:
    reads = [f"{start}/{key}x" for start, key in asked]
    try:
        text = policy(ROOT, reads, store=STORE)
    except GrantRefused:
        return
    assert len(text) <= POLICY_LIMIT
    patterns = [each.removeprefix("arn:aws:s3:::") for each in read_resources(text)]
    for uri in reads:
        key = uri.removeprefix("s3://")
        assert any(key == each or (each.endswith("/*") and key.startswith(each[:-1])) for each in patterns)


class Setting:
    """A store with something in it, and a granter for its tasks."""

    def __init__(self, s3: S3Server, root: str, settings: ObjectSettings) -> None:
        self.environ = s3.environ()
        self.store = open_store(root, self.environ, settings)
        granter = open_granter(root, self.environ, settings)
        assert granter is not None
        self.granter = granter

    def client(self, attempt: str, *reads: str) -> tuple[Client, float]:
        """What a task with that grant has, and when it ends."""

        async def ask() -> str:
            root = f"{self.store.root}/{attempt}"
            found = await self.granter.grant(root, [f"{self.store.root}/{each}" for each in reads])
            assert found.secret
            return found.text

        got = in_task.parse(asyncio.run(ask()), {})
        assert got.endpoint == self.environ["AWS_ENDPOINT_URL"]
        return Client(got.endpoint, got.region, got.keys, part_bytes=5 << 20), got.keys().ends_at or 0.0


@pytest.fixture
def setting(s3: S3Server, request: pytest.FixtureRequest) -> Setting:
    root = f"s3://{BUCKET}/grants/{next(_numbers)}"
    return Setting(s3, root, ObjectSettings(grant_role=ROLE, grant_hours=1.0))


_numbers = itertools.count()


@pytest.fixture
def task(setting: Setting) -> Iterator[Client]:
    client, ends_at = setting.client("pipe/run/train/1-0", "pipe/run/load/1-0/data", ".source/a.py")
    assert 3000 < ends_at - time.time() <= 3700
    with closing(client):
        yield client


def test_a_session_reads_its_inputs_and_writes_its_folder(setting: Setting, task: Client) -> None:
    prefix = setting.store.root.removeprefix(f"s3://{BUCKET}/")

    async def fill() -> None:
        for key in ("pipe/run/load/1-0/data/part", "pipe/run/load/1-0/secret", ".source/a.py", "other/x"):
            await setting.store.put(f"{setting.store.root}/{key}", key.encode())

    asyncio.run(fill())
    assert task.read(BUCKET, f"{prefix}/.source/a.py") == b".source/a.py"
    found = [each.key for each in task.listing(BUCKET, f"{prefix}/pipe/run/load/1-0/data/")]
    assert found == [f"{prefix}/pipe/run/load/1-0/data/part"]
    own = f"{prefix}/pipe/run/train/1-0"
    assert not task.exists(BUCKET, f"{own}/commit.json")
    assert task.create(BUCKET, f"{own}/commit.json", b"{}")
    assert not task.create(BUCKET, f"{own}/commit.json", b"{}")
    for key in ("pipe/run/load/1-0/secret", "other/x", "other/none"):
        with pytest.raises((ObjectError, FileNotFoundError)) as refused:
            task.read(BUCKET, f"{prefix}/{key}")
        assert getattr(refused.value, "code", "") == "AccessDenied", key
    for key in ("pipe/run/load/1-0/data/more", "pipe/run/train/1-1/x", "other/x"):
        with pytest.raises(ObjectError, match="AccessDenied"):
            task.put(BUCKET, f"{prefix}/{key}", b"harm")
    with pytest.raises(ObjectError, match="AccessDenied"):
        list(task.listing(BUCKET, f"{prefix}/other/"))
    with pytest.raises(ObjectError, match="AccessDenied"):
        list(task.listing(BUCKET, ""))


def test_wrong_credentials_are_refused_with_the_providers_words(s3: S3Server) -> None:
    environ = {**s3.environ(), "AWS_SECRET_ACCESS_KEY": "wrong"}
    granter = open_granter(f"s3://{BUCKET}/x", environ, ObjectSettings(grant_role=ROLE))
    assert granter is not None
    with pytest.raises(GrantRefused, match="gives no session for a task: SignatureDoesNotMatch"):
        asyncio.run(granter.grant(f"s3://{BUCKET}/x/p/r/t/1-0", []))
    store = open_store(f"s3://{BUCKET}/x", environ)
    with pytest.raises(StorageError, match="cannot be read"):
        asyncio.run(store.read(f"s3://{BUCKET}/x/y"))


def test_a_session_longer_than_the_provider_gives_is_refused(s3: S3Server) -> None:
    granter = open_granter(f"s3://{BUCKET}/x", s3.environ(), ObjectSettings(grant_role=ROLE, grant_hours=100.0))
    assert granter is not None
    with pytest.raises(GrantRefused) as refused:
        asyncio.run(granter.grant(f"s3://{BUCKET}/x/p/r/t/1-0", []))
    assert "grant_hours" in str(refused.value)


def test_a_provider_that_does_not_answer_is_asked_again_later() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    granter = open_granter("s3://bucket/x", environ, ObjectSettings())
    assert granter is not None
    with pytest.raises(StorageError) as failed:
        asyncio.run(granter.grant("s3://bucket/x/p/r/t/1-0", []))
    assert not isinstance(failed.value, GrantRefused)


def test_pods_with_an_identity_are_handed_nothing(s3: S3Server) -> None:
    granter = open_granter(f"s3://{BUCKET}/x", s3.environ(), ObjectSettings(grant="pod"))
    assert granter is not None
    found = asyncio.run(granter.grant(f"s3://{BUCKET}/x/p/r/t/1-0", []))
    assert not found.secret
    assert json.loads(found.text) == {"v": 1, "kind": "pod", "endpoint": s3.endpoint(), "region": "us-east-1"}


def test_a_folder_needs_no_grant_and_other_places_are_refused() -> None:
    assert open_granter("/data", {}, ObjectSettings()) is None
    for url in ("ftp://x/y", "relative", "gs://bucket/x"):
        with pytest.raises(UsageError, match="cannot be kept"):
            open_store(url, {})
