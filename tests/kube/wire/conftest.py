"""What the tests of the wire face share: a face over a store of its own."""

from __future__ import annotations

import asyncio

import pytest
from tests.kube.wire.asking import opened


@pytest.fixture
def on_face(tmp_path):
    """Runs an async function with a face."""

    def run(body):
        async def main():
            async with opened(tmp_path) as face:
                return await body(face)

        return asyncio.run(main())

    return run
