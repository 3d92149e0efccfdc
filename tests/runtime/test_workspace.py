"""Artifacts that belong into the workspace: copied once, whole, by whoever comes first."""

from __future__ import annotations

import threading
from pathlib import Path

from wherry.runtime import workspace


def artifacts(*uris: str, mark: object = True) -> dict[str, object]:
    return {"x": {"artifacts": [{"uri": uri, "metadata": {"_kfp_workspace": mark}} for uri in uris]}}


def place(root: Path, source: Path) -> Path:
    return root / ".artifacts" / str(source).lstrip("/")


def test_files_and_folders_are_copied_once(tmp_path: Path) -> None:
    root, file, folder = tmp_path / "root", tmp_path / "file", tmp_path / "folder"
    file.write_bytes(b"x" * 3_000_000)
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "note").write_text("note")
    given = artifacts(str(file), str(folder))
    workspace.download(given, str(root))
    assert place(root, file).read_bytes() == file.read_bytes()
    assert (place(root, folder) / "inner" / "note").read_text() == "note"
    (place(root, folder) / "inner" / "note").write_text("changed by a task")
    workspace.download(given, str(root))
    assert (place(root, folder) / "inner" / "note").read_text() == "changed by a task"


def test_others_stay_where_they_are(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for mark in (False, "yes", None):
        workspace.download(artifacts(str(file), mark=mark), str(tmp_path / "root"))
    workspace.download(artifacts("nowhere://b/x"), str(tmp_path / "root"))
    workspace.download({"x": {"artifacts": [{"uri": str(file)}]}, "y": {}}, str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_many_at_once_make_one_whole_copy(tmp_path: Path) -> None:
    folder, root = tmp_path / "folder", tmp_path / "root"
    folder.mkdir()
    for index in range(50):
        (folder / str(index)).write_text(str(index))
    seen: list[int] = []

    def come() -> None:
        workspace.download(artifacts(str(folder)), str(root))
        seen.append(len(list(place(root, folder).iterdir())))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [50] * 8
    assert [path.name for path in place(root, folder).parent.iterdir() if ".part-" in path.name] == []
