"""docs/migrating-from-kubeflow.md as a reader follows it: files are written, commands run, screens compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "migrating-from-kubeflow.md"


def steps() -> list[tuple[str, str, str]]:
    """("file", name, text) and ("command", line, expected screen), in the order of the page."""
    found: list[tuple[str, str, str]] = []
    for kind, body in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        if kind == "python":
            name, _, text = body.partition("\n")
            found.append(("file", name.removeprefix("# "), text))
        else:
            assert kind == "console"
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, _, screen = part.partition("\n")
                found.append(("command", line, screen))
    return found


def normal(screen: str, ids: dict[str, str]) -> list[str]:
    """A screen without what differs from run to run: ids (numbered as they appear), times, the order of lines."""
    for word in re.findall(r"\b[0-9a-f]{8}\b", screen):
        ids.setdefault(word, f"run {len(ids)}")
    screen = re.sub(r"\b[0-9a-f]{8}\b", lambda found: ids[found[0]], screen)
    screen = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", screen)
    return sorted(re.sub(r"\s+", " ", re.sub(r"\d+\.\d\ds", "TIME", line)) for line in screen.splitlines())


def test_the_page_as_it_is_written(tmp_path: Path) -> None:
    """The interpreter of the tests has no kfp: what the page says of it must hold without."""
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "WHERRY_HOME": str(tmp_path / "home"),
        "NO_COLOR": "1",
    }
    folder = tmp_path / "project"
    folder.mkdir()
    ours: dict[str, str] = {}
    theirs: dict[str, str] = {}
    count = 0
    try:
        for kind, word, text in steps():
            if kind == "file":
                (folder / word).write_text(text)
                continue
            done = subprocess.run(
                ["sh", "-c", word], cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), word
            assert normal(done.stdout, ours) == normal(text, theirs), word
            count += 1
    finally:
        subprocess.run([sys.executable, "-m", "wherry.cli", "down"], env=environ, capture_output=True, check=False)
    assert count >= 7
