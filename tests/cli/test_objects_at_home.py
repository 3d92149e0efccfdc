"""Artifacts in an object store, tasks on the home's own node: the same flow, outputs and digests as in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.homes import RealHome
from tests.objectflow import configure, digests, finished, outputs
from tests.objectstore import BUCKET, S3Server

from wherry.storage.stores import open_store


@pytest.fixture
def place(s3: S3Server, tmp_path: Path) -> Iterator[RealHome]:
    found = RealHome(tmp_path)
    found.environ |= {**s3.environ(), "HOME": str(tmp_path)}
    del found.environ["AWS_ENDPOINT_URL"]
    configure(found, "at-home", s3.endpoint())
    yield found
    found.end()


def test_a_run_in_an_object_store_is_as_one_in_a_folder(place: RealHome, s3: S3Server) -> None:
    store = open_store(f"s3://{BUCKET}/at-home", s3.environ())
    asyncio.run(store.put(f"{store.root}/given", b"imported"))
    (place.work / "given").write_text("imported")
    pad = f"pad={'x' * 70_000}"  # more than a pod can carry
    far = finished(place, "--on", "test", "-p", pad, "-p", f"uri={store.root}/given")
    near = finished(place, "-p", pad, "-p", f"uri={place.work / 'given'}")
    assert far["outputs"] == near["outputs"] == {"Output": "HELLO 780 imported 70000"}
    assert digests(place, far["run"]) == digests(place, near["run"])
    assert len(digests(place, far["run"])) == 4
    seen = outputs(place, far["run"])["make"]["parameters"]["Output"]
    assert seen.startswith("mine:")
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert "WHERRY_GRANT" not in seen
    assert place.run("logs", far["run"], "make").code == 0
    again = finished(place, "--on", "test", "-p", pad, "-p", f"uri={store.root}/given")
    assert again["outputs"] == far["outputs"]
    assert place.run("rm", again["run"], far["run"]).code == 0
    assert not asyncio.run(store.exists(f"{store.root}/objects/{far['run']}"))


def test_credentials_that_are_missing_are_told(place: RealHome) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        place.environ[name] = ""
    done = place.run("run", "flow.py", "--on", "test", "-p", "pad=x", "-p", "uri=s3://x/y")
    assert done.code != 0
    assert "there are no credentials for the object store" in done.err
    assert "AWS_ACCESS_KEY_ID" in done.err


def test_credentials_that_are_wrong_are_told_before_the_run_is_made(place: RealHome) -> None:
    place.environ["AWS_SECRET_ACCESS_KEY"] = "wrong"
    done = place.run("run", "flow.py", "--on", "test", "-p", "pad=x", "-p", "uri=s3://x/y")
    assert done.code == 1
    assert "the target 'test' cannot be used" in done.err
    assert "cannot be written" in done.err
    assert place.run("ls", "--json").out == ""


def test_an_importer_that_finds_nothing_is_told(place: RealHome, s3: S3Server) -> None:
    done = place.run("run", "flow.py", "--on", "test", "-p", "pad=x", "-p", f"uri=s3://{BUCKET}/at-home/none")
    assert done.code == 1
    assert f"finds nothing at s3://{BUCKET}/at-home/none" in done.out + done.err
