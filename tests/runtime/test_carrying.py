"""A Python that is carried into a place without one: it starts, and has what the runtime needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wherry.runtime import carrying, zipapp

MAPS = """\
5581-5582 r--p 00000000 fe:00 12 /usr/bin/python3.11
7f01-7f02 r--p 00000000 fe:00 13                         /usr/lib/libz.so.1.2.13
7f02-7f03 r-xp 00001000 fe:00 13                         /usr/lib/libz.so.1.2.13
7f04-7f05 r--p 00000000 fe:00 14                         /lib64/ld-linux-x86-64.so.2
7f06-7f07 rw-p 00000000 00:00 0
7ffc-7ffd rw-p 00000000 00:00 0                          [stack]
"""


def test_the_libraries_of_a_process_are_read_off_its_maps() -> None:
    assert carrying.libraries(MAPS.splitlines()) == ["/lib64/ld-linux-x86-64.so.2", "/usr/lib/libz.so.1.2.13"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pods are Linux")
def test_a_carried_python_starts_by_a_loader_and_libraries_of_its_own(tmp_path: Path) -> None:
    folder, runtime = tmp_path / "carried", zipapp.build(tmp_path / "runtime.pyz")
    subprocess.run([sys.executable, runtime, carrying.WORD, folder], check=True)
    libraries = folder / "lib"
    program = "import ssl, json, sys, zlib; print(sys.prefix, ssl.__file__)"
    done = subprocess.run(
        [libraries / "loader", "--library-path", libraries, folder / "bin" / "python3", "-c", program],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    prefix, module = done.stdout.split()
    assert prefix == str(folder)
    assert module.startswith(f"{folder}/lib/python3")
    loaded = subprocess.run(
        [libraries / "loader", "--list", "--library-path", libraries, folder / "bin" / "python3"],
        capture_output=True,
        text=True,
        check=True,
    )
    needed = [line.split("=>")[1].split()[0] for line in loaded.stdout.splitlines() if "=>" in line]
    assert all(path.startswith(str(folder)) for path in needed), needed
