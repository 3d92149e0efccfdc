"""The soak in short: a few kills, every check.  `make soak` is the long form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the soak finds processes in /proc")
def test_runs_complete_though_their_server_is_killed():
    argv = [sys.executable, "-m", "benchmarks.soak", "--kills", "3", "--at-once", "1", "--seed", "7"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["server_kills"] >= 3
    assert set(verdict["states"]) == {"SUCCEEDED"}
    assert verdict["left_behind"] == 0
