"""The source of a component is the function's own, as `inspect` would find it."""

from __future__ import annotations

import inspect
import itertools
import os
import random
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from wherry.dsl import embedding, source


def decorate(*args: Any, **_: Any) -> Any:
    return args[0] if args and callable(args[0]) else decorate


# fmt: off
@decorate
def plain(a, b=(1, 2)):
    """Text.

    def not_this(): pass
    """
    # a comment
    return a  # at the end

    # the last comment

# not any more
@decorate(fn=lambda x: x, text="def f(")
def decorated(
    a: str,
    b: int = (
        3
    ),
):
    if a:
        return [
    1,
]
    else:
        def inner():
            return 2
        return inner


def one_line(): return 1
def next_line(): return 2


class Holder:
    def method(self):
        x = 1
        return x
    after = 3

    @staticmethod
    @decorate
    def static(a):
        class Inside:
            y = 1
        return Inside


def outer():
    def nested(a):
        text = """
not indented
"""
        return text
    return nested
# fmt: on


FUNCTIONS = [plain, decorated, one_line, next_line, Holder.method, Holder.static, outer, outer()]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__qualname__)
def test_the_source_is_what_inspect_finds(function: Any) -> None:
    lines = textwrap.dedent(inspect.getsource(function)).split("\n")
    expected = "\n".join(itertools.dropwhile(lambda line: not line.startswith("def"), lines))
    assert source.function_source(function) == expected


def test_a_function_without_a_source_is_refused() -> None:
    scope: dict[str, Any] = {}
    exec("def typed_in(a):\n    return a", scope)
    with pytest.raises(OSError, match="could not get source code of typed_in"):
        source.function_source(scope["typed_in"])


def test_a_folder_is_embedded_the_same_whenever_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "helper.py").write_text("VALUE = 3\n")
    text = embedding.helper_source(str(tmp_path / "folder"))
    assert text == embedding.helper_source(str(tmp_path / "folder"))
    scope: dict[str, Any] = {}
    exec(text, scope)
    unpacked = Path(sys.path.pop(0))
    assert (unpacked / "helper.py").read_text() == "VALUE = 3\n"
    assert str(unpacked) == scope["__KFP_EMBEDDED_ASSET_DIR"]
    assert "__KFP_EMBEDDED_ASSET_FILE" not in scope
    scope["__kfp_tmpdir"].cleanup()


def test_an_archive_depends_on_contents_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a")
    before = embedding.archive_text(str(file))
    os.utime(file, (1, 1))
    assert embedding.archive_text(str(file)) == before
    file.write_text("b")
    assert embedding.archive_text(str(file)) != before


def test_a_large_archive_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(random.Random(1).randbytes(1_500_000))
    with pytest.warns(UserWarning, match=r"archive is large \(1\.4MB compressed\)"):
        embedding.archive_text(str(tmp_path / "large"))


def test_an_embedded_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("VALUE = 3\n")
    scope: dict[str, Any] = {}
    exec(embedding.helper_source(str(tmp_path / "helper.py")), scope)
    assert Path(scope["__KFP_EMBEDDED_ASSET_FILE"]) == Path(sys.path.pop(0)) / "helper.py"
    scope["__kfp_tmpdir"].cleanup()
