"""The documents say what is so: names in them resolve, links lead somewhere, tables are the code's own."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from scripts.pages import commands, transitions

from wherry.pipelines.engine.model import BIRTH, NEXT

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PAGE = {str(page.relative_to(ROOT)): page for page in PAGES}


@pytest.mark.parametrize("name", PAGE)
def test_links_lead_somewhere(name: str) -> None:
    page = PAGE[name]
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name} links to {target}"


@pytest.mark.parametrize("name", PAGE)
def test_modules_that_are_named_exist(name: str) -> None:
    for dotted in set(re.findall(r"`(wherry(?:\.\w+)+)`", PAGE[name].read_text())):
        if dotted.endswith(".toml"):
            continue
        module, _, attribute = dotted, "", ""
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, attribute = dotted.rpartition(".")
            owner = importlib.import_module(module)
            assert hasattr(owner, attribute), f"{name} names {dotted}"


def test_the_table_of_transitions_is_the_engines() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    shown = page.split("<!-- transitions -->")[1].split("<!-- /transitions -->")[0].strip()
    assert shown == transitions(BIRTH, NEXT).strip()


def test_the_reference_of_the_commands_is_their_help() -> None:
    assert (ROOT / "docs" / "guides" / "commands.md").read_text() == commands()


def test_every_setting_is_in_the_guides() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    for variable in set(re.findall(r"\bWHERRY_[A-Z_]+\b", (ROOT / "src/wherry/settings.py").read_text())):
        assert variable in text, f"no page speaks of {variable}"
