from __future__ import annotations

import hashlib
import os
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.runtime import task_dsl, unpacking
from wherry.runtime.descriptor import DescriptorError
from wherry.runtime.source import CodeError, code_folder, load_main, narrowed


@pytest.fixture(autouse=True)
def main_restored() -> Iterator[None]:
    before, argv = sys.modules["__main__"], sys.argv
    yield
    sys.modules["__main__"], sys.argv = before, argv


def archive(path: Path, members: dict[str, str], *, mode: int = 0) -> dict[str, str]:
    with zipfile.ZipFile(path, "w") as out:
        for name, text in members.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # as it is: the constructor would cut it at a NUL
            info.external_attr = mode << 16
            out.writestr(info, text)
    return {"uri": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_an_archive_is_extracted_once(tmp_path: Path) -> None:
    code = archive(tmp_path / "code.zip", {"a/b.py": "x = 1\n", "c.txt": "c"})
    env = {"WHERRY_CACHE": str(tmp_path / "cache")}
    folder = code_folder(code, env)
    assert (Path(folder) / "a" / "b.py").read_text() == "x = 1\n"
    (tmp_path / "code.zip").unlink()
    assert code_folder(code, env) == folder
    leftovers = {path.name for path in (tmp_path / "cache" / "code").iterdir()}
    assert leftovers == {code["sha256"], f"{code['sha256']}.lock"}


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil", "\\\\host\\share", "a/.."]
)
def test_members_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    code = archive(tmp_path / "code.zip", {"fine.py": "", name: "x"})
    with pytest.raises(CodeError, match="would leave its folder"):
        code_folder(code, {"WHERRY_CACHE": str(tmp_path / "cache")})
    assert [path.name for path in (tmp_path / "cache" / "code").iterdir()] == [f"{code['sha256']}.lock"]
    assert not (tmp_path / "evil.py").exists()


def test_links_and_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"WHERRY_CACHE": str(tmp_path / "cache")}
    link = archive(tmp_path / "link.zip", {"l": "/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    with pytest.raises(CodeError, match="no file or folder"):
        code_folder(link, env)
    monkeypatch.setattr(unpacking, "CODE_LIMIT_BYTES", 10)
    with pytest.raises(CodeError, match="unpacks to more than 10 bytes"):
        code_folder(archive(tmp_path / "big.zip", {"a": "x" * 11}), env)


def test_archives_that_are_not(tmp_path: Path) -> None:
    env = {"WHERRY_CACHE": str(tmp_path / "cache")}
    with pytest.raises(CodeError, match="is gone"):
        code_folder({"uri": str(tmp_path / "none"), "sha256": "ab"}, env)
    (tmp_path / "text").write_text("no zip")
    sha256 = hashlib.sha256(b"no zip").hexdigest()
    with pytest.raises(CodeError, match="is not a zip file"):
        code_folder({"uri": str(tmp_path / "text"), "sha256": sha256}, env)
    with pytest.raises(CodeError, match="does not have the digest"):
        code_folder({"uri": str(tmp_path / "text"), "sha256": "ab"}, env)
    with pytest.raises(CodeError, match="is not a digest"):
        code_folder({"uri": str(tmp_path / "text"), "sha256": "../../x"}, env)


def test_a_cache_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    shared = tmp_path / f"wherry-cache-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    code = archive(tmp_path / "code.zip", {"a.py": ""})
    folder = code_folder(code, {"TMPDIR": str(tmp_path)})
    assert not folder.startswith(str(shared))
    shared.chmod(0o700)
    assert code_folder(code, {"TMPDIR": str(tmp_path)}).startswith(str(shared))


def kept(path: Path, text: str) -> dict[str, str]:
    path.write_text(text)
    return {"uri": str(path), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def test_compiled_sources_are_kept_and_checked(tmp_path: Path) -> None:
    env = {"WHERRY_CACHE": str(tmp_path / "cache")}
    reference = kept(tmp_path / "a.py", "x = 1\n")
    assert load_main(reference, env).x == 1
    compiled = next((tmp_path / "cache").glob("*.code"))
    assert load_main(reference, env).x == 1
    for damage in (b"", b"junk", compiled.read_bytes()[:-5], b"i\x01\x00\x00\x00"):
        compiled.write_bytes(damage)
        assert load_main(reference, env).x == 1
    moved = kept(tmp_path / "b.py", "x = 1\n")
    module = load_main(moved, env)
    assert module.__file__ == str(tmp_path / "b.py")
    assert sys.modules["__main__"] is module
    (tmp_path / "b.py").unlink()
    with pytest.raises(DescriptorError, match="is gone"):
        load_main({"uri": str(tmp_path / "b.py"), "sha256": "00"}, env)


def test_a_cache_that_cannot_be_written_is_only_slower(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    reference = kept(tmp_path / "a.py", "x = 2\n")
    cache.mkdir()
    (cache / f"{reference['sha256']}-{sys.implementation.cache_tag}.code").mkdir()
    assert load_main(reference, {"WHERRY_CACHE": str(cache)}).x == 2


def test_star_imports_are_narrowed_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kfp.dsl", task_dsl)
    text = (
        b"\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n\ndef f(a: List[int], b: Output): Any\n"
    )
    narrow = narrowed(text)
    assert b"from typing import Any, List\n" in narrow
    assert b"from kfp.dsl import Output\n" in narrow
    assert narrow.count(b"\n") == text.count(b"\n")
    assert narrowed(b"\nfrom typing import *\n\nx = 1\n") == b"\n\n\nx = 1\n"
    assert narrowed(b"x = 1\n") == b"x = 1\n"
