from __future__ import annotations

import pytest
from tests.kube.node.driving import driver

from wherry.runtime import zipapp


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    return zipapp.build(tmp_path_factory.mktemp("runtime"))


@pytest.fixture
def zygote(tmp_path, runtime):
    with driver(tmp_path, runtime) as running:
        yield running
