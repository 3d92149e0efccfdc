"""What a task needs beyond its image: which of it is there, and what is asked of pip."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import pytest

from wherry.runtime import requirements

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize(
    ("requirement", "there"),
    [
        ("msgspec", True),
        (f"msgspec=={version('msgspec')}", True),
        ("msgspec==0.0.1", False),
        ("msgspec>=0.1", False),  # only pip can tell
        ("msgspec[yaml]", False),
        ("wherry-boulder", False),
        ("./a/path", False),
        ("https://example.org/x.whl", False),
    ],
)
def test_what_the_image_has_in_that_version_is_not_fetched(requirement: str, there: bool) -> None:
    assert requirements.is_there(requirement) is there


def test_an_image_that_has_everything_needs_no_pip() -> None:
    asked = {"python": HERE, "requirements": ["msgspec"]}
    requirements.install({requirements.VARIABLE: json.dumps(asked)})


def test_nothing_asked_is_nothing_done() -> None:
    requirements.install({requirements.VARIABLE: ""})


def test_an_image_of_another_python_than_the_map_says_is_refused() -> None:
    with pytest.raises(requirements.RequirementsError, match=rf"has Python 2\.7, but it has {HERE}"):
        requirements.install({requirements.VARIABLE: json.dumps({"python": "2.7", "requirements": []})})


def test_a_package_that_no_index_has_is_told_in_pips_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    asked = json.dumps({"requirements": ["wherry-boulder"]})
    with pytest.raises(requirements.RequirementsError, match="No matching distribution found for wherry-boulder"):
        requirements.install({requirements.VARIABLE: asked})
