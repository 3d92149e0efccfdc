from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from tests.runtime.tasks import Workshop

from wherry.runtime import zipapp


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zipapp.build(tmp_path_factory.mktemp("runtime") / "runtime.pyz", compiled=True)  # as a home has it


@pytest.fixture
def workshop(tmp_path: Path, pyz: Path) -> Workshop:
    return Workshop(tmp_path, pyz)


settings.register_profile("loaded-machine", deadline=None)
settings.load_profile("loaded-machine")
