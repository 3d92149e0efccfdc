"""What `import wherry.dsl` loads: every flow pays for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import wherry.dsl

PROGRAM = "import sys; before = set(sys.modules); import wherry.dsl; print(*sorted(set(sys.modules) - before))"
HEAVY = {"asyncio", "dataclasses", "enum", "inspect", "json", "logging", "msgspec", "re", "typing", "yaml"}


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    command = [sys.executable, "-c", PROGRAM]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_no_heavy_module_is_loaded(loaded: set[str]) -> None:
    assert loaded & HEAVY == set()


def test_only_the_dsl_the_compiler_and_the_runtimes_nouns_are_loaded(loaded: set[str]) -> None:
    ours = {name for name in loaded if name.startswith("wherry.") and name.count(".") == 1}
    assert ours == {"wherry._version", "wherry.compiler", "wherry.dsl", "wherry.errors", "wherry.runtime"}
    others = {name.partition(".")[0] for name in loaded if not name.startswith("wherry")}
    assert others <= {"__future__", "gc", "importlib", "warnings"}


def test_every_public_name_is_there() -> None:
    assert [name for name in wherry.dsl.__all__ if not hasattr(wherry.dsl, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wherry.dsl.nothing


def test_the_compiler_has_its_public_names() -> None:
    import wherry.compiler

    assert [name for name in wherry.compiler.__all__ if not hasattr(wherry.compiler, name)] == []
