"""What `import wherry` gives, and what it costs."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import wherry


@pytest.mark.parametrize(
    "package", ["wherry", "wherry.client", "wherry.ir", "wherry.dsl", "wherry.compiler", "wherry.components"]
)
def test_every_name_in_all_is_there(package: str) -> None:
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module.__all__, key=lambda name: name) or package != "wherry"
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_the_directory_is_the_public_surface() -> None:
    assert dir(wherry) == sorted(wherry.__all__)
    with pytest.raises(AttributeError, match="no attribute 'frobnicate'"):
        wherry.frobnicate  # noqa: B018


def test_importing_wherry_imports_nothing_else_of_it() -> None:
    code = "import sys, wherry; print(sorted(m for m in sys.modules if m.startswith('wherry')))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert loaded == "['wherry', 'wherry._version']"


def test_names_are_the_things_themselves() -> None:
    from wherry.client.runs import Run, run

    assert wherry.run is run
    assert wherry.Run is Run
    assert wherry.dsl is importlib.import_module("wherry.dsl")
