"""What all tests share: where the real cluster and the shared folder are, and what their absence means.

Invariant: a test that needs the cluster is skipped with a reason where there is none, and fails where
`WHERRY_REQUIRE_CLUSTER=1` says that there must be one (as `.ci/run` does).
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import objectstore

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("WHERRY_SHARED", ROOT.parent / "shared"))


@pytest.fixture(autouse=True)
def turn_on_the_cluster(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that stop a part of the cluster run while no other process of the tests is at one."""
    if request.node.get_closest_marker("cluster") is None:
        yield
        return
    alone = request.node.get_closest_marker("alone") is not None
    with open(Path(tempfile.gettempdir()) / "wherry-cluster-tests.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The kubeconfig of a real Kubernetes that tests may fill and empty."""
    named = os.environ.get("KUBECONFIG", "")
    if named and Path(named).is_file():
        return Path(named)
    reason = f"no real cluster: KUBECONFIG={named!r} names no file"
    if os.environ.get("WHERRY_REQUIRE_CLUSTER") == "1":
        pytest.fail(f"{reason}, and WHERRY_REQUIRE_CLUSTER=1 says that there must be one")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder with Kubeflow's own documents; a stranger to the project may have none."""
    folder = SHARED / "conformance"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: WHERRY_SHARED names the folder with Kubeflow's documents")
    return folder


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[objectstore.S3Server]:
    """A real object store, started once."""
    with objectstore.serve(tmp_path_factory.mktemp("s3")) as server:
        yield server
