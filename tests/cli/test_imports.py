"""What each command imports: the cost of a command is what it loads, and this is the list."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import HELLO
from tests.server.scripted import Script

# Packages that cost tens of milliseconds; a command may load those that stand beside it.
_SERVERS = ("asyncio", "msgspec", "anyio", "starlette", "uvicorn", "sqlite3", "logging")
_HTTP = ("ssl", "email", "http.client", "urllib.request")
_OTHERS = ("rich", "yaml", "tomllib", "uv", "zipfile", "subprocess", "tempfile", "multiprocessing")
HEAVY = frozenset((*_SERVERS, *_HTTP, *_OTHERS))
ALLOWED: dict[str, set[str]] = {
    "run hello.py": set(),
    "run hello.yaml": {"yaml"},
    "compile hello.py -o out.yaml": {"yaml"},
    "compile --check hello.py": {"msgspec"},
    "graph hello.py": {"msgspec"},
    "graph hello.py -o out.svg": {"msgspec"},
    "ls": set(),
    "show latest": set(),
    "logs latest": set(),
    "artifacts latest": set(),
    "cancel latest": set(),
    "retry latest": set(),
    "rm latest": set(),
    "prune --keep 1": set(),
    "get pods": set(),
    "apply -f hello.yaml": {"yaml"},
    "status": set(),
    "down": set(),
    # It asks the node agent's own code, and tries to mount.
    "doctor": {"asyncio", "logging", "msgspec", "sqlite3", "ssl", "subprocess", "tempfile", "uv"},
    "--help": set(),
}
PROBE = """
import sys, json
try:
    sys.argv[1:] = {words!r}
    from wherry.cli import main
    main()
except SystemExit:
    pass
sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("command", ALLOWED)
def test_a_command_loads_what_it_needs(tmp_path: Path, script: Script, command: str) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    (tmp_path / "hello.yaml").write_text("pipelineInfo: {name: hello}\nroot: {}\n")
    script.runs.runs["latest"] = {"id": "latest", "pipeline": "p", "name": "n", "state": "FAILED", "tasks": []}
    script.runs.runs["latest"] |= {"created_at": 0.0, "finished_at": 1.0, "started_at": 0.0}
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(words=command.split())],
        cwd=tmp_path,
        env={"WHERRY_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert loaded & HEAVY == ALLOWED[command], done.stderr
    commands = {name for name in loaded if name.startswith("wherry.cli.")}
    if command.split()[0] in ("ls", "status", "--help"):
        assert "wherry.dsl" not in loaded
        assert len(commands) <= 5
