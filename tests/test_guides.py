"""What the guides show is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.homes import run_wherry

PAGE = Path(__file__).resolve().parent.parent / "docs" / "guides" / "before-a-run.md"
SHOWN = re.findall(r"```console\n\$ wherry ([^\n]*)\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize(("words", "output"), SHOWN, ids=[words for words, _ in SHOWN])
def test_a_command_prints_what_its_page_shows(tmp_path: Path, words: str, output: str) -> None:
    (flow,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "train.py").write_text(flow)
    done = run_wherry(*words.split(), cwd=tmp_path, home=tmp_path / "home", environ={"COLUMNS": "80"})
    assert (done.code, done.out) == (0, output), done.err


def test_every_warning_has_its_line() -> None:
    source = (PAGE.parent.parent.parent / "src/wherry/pipelines/explanation.py").read_text()
    codes = set(re.findall(r'Warned\(\s*"([a-z-]+)"', source))
    assert codes == set(re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.MULTILINE))
