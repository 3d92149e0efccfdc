"""`.gitignore` as git understands it: every case here is also asked of git itself, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.client.gitignore import ignored, parse

CASES = [
    ("*.pyc", "a.pyc", True),
    ("*.pyc", "deep/er/a.pyc", True),
    ("*.pyc", "a.pyd", False),
    ("/only", "only", True),
    ("/only", "deep/only", False),
    ("a/b", "a/b", True),
    ("a/b", "x/a/b", False),
    ("**/b", "x/y/b", True),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("a/**", "a/x", True),
    ("a?c", "abc", True),
    ("a?c", "a/c", False),
    ("[ab].txt", "a.txt", True),
    ("[!ab].txt", "a.txt", False),
    ("[!ab].txt", "c.txt", True),
    ("[a-c]x", "bx", True),
    ("# comment", "# comment", False),
    ("\\#x", "#x", True),
    ("\\!x", "!x", True),
    ("*.log\n!keep.log", "keep.log", False),
    ("*.log\n!keep.log", "other.log", True),
    ("x ", "x", True),
    ("", "x", False),
    ("foo*bar", "fooxbar", True),
    ("foo*bar", "foo/bar", False),
    ("a.b", "axb", False),
    ("[+--]", ",", True),
    ("[--a]", "0", True),
    ("[!--a]", "0", False),
    ("[?--]", "a", False),
]


@pytest.mark.parametrize(("text", "path", "verdict"), CASES)
def test_the_rules(text: str, path: str, verdict: bool) -> None:
    assert ignored(path, False, [parse(text)]) is verdict


@pytest.mark.skipif(shutil.which("git") is None, reason="no git on this machine")
def test_git_says_the_same(tmp_path: Path) -> None:
    for number, (text, path, verdict) in enumerate(CASES):
        folder = tmp_path / str(number)
        (folder / path).parent.mkdir(parents=True)
        (folder / path).touch()
        (folder / ".gitignore").write_text(text)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        answer = subprocess.run(["git", "check-ignore", "-q", "--", path], cwd=folder, check=False)
        assert (answer.returncode == 0) is verdict, (text, path)


def test_folders_only() -> None:
    rules = [parse("build/")]
    assert ignored("build", True, rules)
    assert not ignored("build", False, rules)
    assert ignored("x/build", True, rules)


def test_a_file_below_counts_for_its_own_folder() -> None:
    rules = [parse("*.txt"), parse("!a.txt", "sub/")]
    assert not ignored("sub/a.txt", False, rules)
    assert ignored("a.txt", False, rules)


@given(st.text(alphabet="ab*?[]!/\\ .#\n-", max_size=12), st.text(alphabet="ab/.", min_size=1, max_size=8))
def test_no_pattern_breaks_it(text: str, path: str) -> None:
    assert ignored(path, False, [parse(text)]) in (True, False)
