"""The soak finds the processes of its home, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.soak import processes

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
WAIT = [sys.executable, "-I", "-c", "import sys; print('up', flush=True); sys.stdin.read()"]


@pytest.mark.parametrize(
    ("cwd", "env", "words", "kind"),
    [
        ("home/pods/uid", {}, [], "task"),
        (".", {"WHERRY_HOME": "home"}, ["x/bin/wherry ls"], "client"),
        (".", {}, ["wherry.server", "home"], "server"),
        (".", {}, ["zygote.py", "home"], "zygote"),
        (".", {"WHERRY_HOME": "home"}, [], "other"),
    ],
)
def test_each_kind_is_told_apart(tmp_path, cwd, env, words, kind):
    home = tmp_path / "home"
    (home / "pods/uid").mkdir(parents=True)

    def absolute(word):
        return str(home) if word == "home" else word

    environ = {"PATH": os.environ["PATH"], **{name: absolute(value) for name, value in env.items()}}
    argv = [*WAIT, *map(absolute, words)]
    with subprocess.Popen(
        argv, cwd=tmp_path / cwd, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        found = [(each.pid, each.kind) for each in processes.of_home(home)]
        elsewhere = list(processes.of_home(tmp_path / "another"))
        process.communicate()
    assert found == [(process.pid, kind)]
    assert elsewhere == []
    assert list(processes.of_home(home)) == []
