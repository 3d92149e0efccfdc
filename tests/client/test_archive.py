"""The code archive: the same bytes for the same files, and only the files that belong to the project."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from wherry.client import archive
from wherry.errors import UsageError


def fill(folder: Path, names: dict[str, str]) -> None:
    for name, text in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names_of(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


PROJECT = {
    "flow.py": "x",
    "lib/util.py": "y",
    "lib/data.json": "{}",
    ".gitignore": "*.log\n/out/",
    "run.log": "noise",
    "out/big": "noise",
    "lib/out/kept": "z",
    ".git/config": "secret",
    "__pycache__/flow.pyc": "noise",
    "env/pyvenv.cfg": "noise",
    "env/lib/x.py": "noise",
}


def test_what_belongs_to_the_project(tmp_path: Path) -> None:
    fill(tmp_path, PROJECT)
    assert names_of(archive.make(str(tmp_path))) == [
        ".gitignore",
        "flow.py",
        "lib/data.json",
        "lib/out/kept",
        "lib/util.py",
    ]


@pytest.mark.parametrize(
    ("include", "names"),
    [
        (["lib/"], ["lib/data.json", "lib/out/kept", "lib/util.py"]),
        (["*.py"], ["flow.py", "lib/util.py"]),
        (["lib/*.py"], ["lib/util.py"]),
        (["lib/", "!*.json"], ["lib/data.json", "lib/out/kept", "lib/util.py"]),
        (["nothing"], []),
        (["./lib/*.py"], ["lib/util.py"]),
        (["."], [".gitignore", "flow.py", "lib/data.json", "lib/out/kept", "lib/util.py"]),
        (["./"], [".gitignore", "flow.py", "lib/data.json", "lib/out/kept", "lib/util.py"]),
    ],
)
def test_include_names_what_travels(tmp_path: Path, include: list[str], names: list[str]) -> None:
    fill(tmp_path, PROJECT)
    assert names_of(archive.make(str(tmp_path), include)) == names


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    fill(tmp_path / "a", PROJECT)
    fill(tmp_path / "b", dict(reversed(PROJECT.items())))
    os.utime(tmp_path / "b" / "flow.py", (1, 1))
    (tmp_path / "b" / "flow.py").chmod(0o600)
    assert archive.make(str(tmp_path / "a")) == archive.make(str(tmp_path / "b"))
    (tmp_path / "b" / "flow.py").chmod(0o700)
    assert archive.make(str(tmp_path / "a")) != archive.make(str(tmp_path / "b"))


def test_the_rules_of_the_repository_above_count(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {".gitignore": "*.tmp\nproject/secret.py", "project/a.py": "", "project/b.tmp": "", "project/secret.py": ""},
    )
    (tmp_path / ".git").mkdir()
    assert names_of(archive.make(str(tmp_path / "project"))) == ["a.py"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, {"project/a.py": "", "outside/b.py": ""})
    (tmp_path / "project" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "project" / "loop").symlink_to(tmp_path / "project")
    (tmp_path / "project" / "broken").symlink_to(tmp_path / "none")
    (tmp_path / "project" / "one.py").symlink_to(tmp_path / "outside" / "b.py")
    assert names_of(archive.make(str(tmp_path / "project"))) == ["a.py", "one.py"]


def test_too_much_is_refused_with_what_is_big(tmp_path: Path) -> None:
    fill(tmp_path, {"a.py": ""})
    with (tmp_path / "model.bin").open("wb") as file:
        file.truncate(archive.SIZE_LIMIT + 1)
    with pytest.raises(UsageError, match=r"too big to travel(.|\n)*model\.bin \(60\.0 MiB\)"):
        archive.make(str(tmp_path))
