"""The home: fit or not, and whose."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from wherry._version import __version__
from wherry.errors import WherryError
from wherry.home import Home
from wherry.server import home as homes

MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/share rw - nfs4 server:/x rw
31 22 0:41 / /mnt/share/local rw - ext4 /dev/sdb1 rw
32 22 0:42 / /mnt/with\\040space rw shared:1 - cifs //host/y rw
33 22 0:43 / /mnt/ssh rw - fuse.sshfs host: rw
34 22 0:44 / /mnt/over rw - ext4 /dev/sdc rw
35 34 0:45 / /mnt/over rw - nfs server:/z rw
broken line
"""


@pytest.fixture
def mounts(tmp_path: Path) -> str:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return str(path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me", "ext4"),
        ("/mnt/share/home", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/share/local/home", "ext4"),
        ("/mnt/with space/home", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/mnt/over/home", "nfs"),
    ],
)
def test_the_file_system_is_that_of_the_deepest_last_mount(mounts: str, path: str, kind: str) -> None:
    assert homes.filesystem(path, mounts) == kind


def test_no_table_of_mounts_is_no_objection(tmp_path: Path) -> None:
    assert homes.filesystem("/home", str(tmp_path / "none")) == ""
    homes.prepare(Home(str(tmp_path / "home")), str(tmp_path / "none"))


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p", "lustre", "fuse.s3fs"])
def test_a_network_file_system_is_refused_with_what_to_do(tmp_path: Path, kind: str) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - {kind} x rw\n")
    with pytest.raises(WherryError, match=rf"network file system \({kind}\)(.|\n)*WHERRY_HOME"):
        homes.prepare(Home(str(tmp_path / "home")), str(table))


def test_a_home_is_private(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "deep" / "home"))
    homes.prepare(home)
    assert stat.S_IMODE(os.stat(home.path).st_mode) == 0o700


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WherryError, match=r"file/home cannot be written: Not a directory"):
        homes.prepare(Home(str(tmp_path / "file" / "home")))


def test_one_server_has_the_lock(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    held = homes.lock(home)
    with pytest.raises(homes.Occupied):
        homes.lock(home)
    os.close(held)
    os.close(homes.lock(home))


def test_a_second_server_joins_the_one_that_answers(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    held = homes.lock(home)
    answers = iter([False, False, True])
    assert homes.lock_or_join(home, lambda: next(answers)) is None
    os.close(held)


def test_a_second_server_takes_over_when_the_first_leaves(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    held = homes.lock(home)
    asked = threading.Event()

    def leaves() -> None:
        asked.wait(10)
        os.close(held)

    first = threading.Thread(target=leaves)
    first.start()
    taken = homes.lock_or_join(home, lambda: bool(asked.set()))
    first.join()
    assert taken is not None
    os.close(taken)


def test_a_holder_that_never_answers_is_given_up(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    held = homes.lock(home)
    with pytest.raises(WherryError, match="does not answer"):
        homes.lock_or_join(home, lambda: False, limit_s=0.0)
    os.close(held)


def test_the_record_tells_who_lives_here(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    homes.write_record(home, ["unix:x"])
    record = json.loads(Path(home.record).read_text())
    assert (record["pid"], record["version"], record["addresses"]) == (os.getpid(), __version__, ["unix:x"])
    assert os.listdir(tmp_path) == ["server.json"]
