"""Every kind of place for artifacts keeps the contract, on the server's side and inside a task."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.objectstore import BUCKET, S3Server

from wherry.runtime.remote import RemoteStore
from wherry.runtime.s3 import Client
from wherry.runtime.sigv4 import Keys
from wherry.runtime.store import LocalStore as TaskLocalStore
from wherry.storage.artifacts import LocalStore
from wherry.storage.stores import open_store
from wherry.testing.artifact_contract import ArtifactContract, Places


class TestFolder(ArtifactContract):
    @pytest.fixture
    def places(self, tmp_path: Path) -> Places:
        return Places(lambda: LocalStore(tmp_path / "store"), TaskLocalStore, str(tmp_path / "outside"))


class TestSharedFolder(ArtifactContract):
    """A volume that tasks see under another path than the server's own folders: its links are resolved alike."""

    @pytest.fixture
    def places(self, tmp_path: Path) -> Places:
        (tmp_path / "volume").mkdir()
        (tmp_path / "mnt").symlink_to(tmp_path / "volume")
        root = f"file://{tmp_path}/mnt/share"
        return Places(lambda: open_store(root, {}), TaskLocalStore, str(tmp_path / "outside"))


class TestObjects(ArtifactContract):
    numbers = itertools.count()

    @pytest.fixture
    def places(self, s3: S3Server, tmp_path: Path) -> Iterator[Places]:
        root = f"s3://{BUCKET}/contract/{next(self.numbers)}"
        tasks = itertools.count()
        keys = Keys(s3.access_key, s3.secret_key)

        with ExitStack() as opened:

            def task() -> RemoteStore:
                client = Client(s3.endpoint(), "us-east-1", lambda: keys, part_bytes=5 << 20)
                store = RemoteStore(client, str(tmp_path / f"task-{next(tasks)}"))
                return opened.enter_context(closing(store))

            yield Places(lambda: open_store(f"{root}/store", s3.environ()), task, f"{root}/outside")
