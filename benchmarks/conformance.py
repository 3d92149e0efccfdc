"""Kubeflow's own compiled documents, as many as both can run: `wherry run` and kfp.local's SubprocessRunner.

Twice, like beside like: commands (a process that imports kfp, loads a document and runs it; `wherry run FILE
--no-cache`), and the documents alone (kfp's call in that process; the run's own seconds).  Fair to the other side: it
runs in its mode without environments and without pip lines, and what takes it longer than a minute is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from scripts.conformance import PACKAGES, Case, index
from tests import oracles

from benchmarks.measure import FLOWS, Figure, clean_environment, new_home, note

LIMIT_S = 60

Work = tuple[str, str, dict[str, Any]]


class Taken(NamedTuple):
    """Seconds of a command, and of the document alone."""

    command_s: float
    alone_s: float


def figures() -> list[Figure]:
    """Seconds of all documents that both run, theirs over ours: as commands, and alone; none without documents."""
    try:
        cases = [case for case in index() if case.runs and case.state == "SUCCEEDED" and case.name not in PACKAGES]
    except FileNotFoundError:
        note("  no documents here: WHERRY_SHARED names the folder that has them")
        return []
    scratch = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    theirs = kfp_local([offline(case, scratch) for case in cases], scratch)
    ours = wherry_run([case for case in cases if case.name in theirs], scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return [
        compared("conformance_commands", {name: (theirs[name].command_s, ours[name].command_s) for name in ours}),
        compared("conformance_alone", {name: (theirs[name].alone_s, ours[name].alone_s) for name in ours}),
    ]


def compared(name: str, pairs: dict[str, tuple[float, float]]) -> Figure:
    """How much faster we are, of the sums, from the seconds of each document, theirs and ours."""
    theirs, ours = (sum(pair[side] for pair in pairs.values()) for side in (0, 1))
    raw = {
        "documents": len(pairs),
        "kfp_local_s": theirs,
        "wherry_s": ours,
        "median_of_ratios": statistics.median(pair[0] / pair[1] for pair in pairs.values()),
        "slowest_s": dict(sorted(pairs.items(), key=lambda item: -item[1][0])[:5]),
        "version": oracles.KFP,
    }
    return Figure(name, theirs / ours, at_least=5, unit="times faster than kfp.local", raw=raw)


def offline(case: Case, scratch: Path) -> Work:
    """The document without its pip lines, which would install into kfp's own environment, and its arguments."""
    parts: list[Any] = list(yaml.safe_load_all(case.file.read_text()))
    for part in parts:
        for executor in ((part or {}).get("deploymentSpec") or {}).get("executors", {}).values():
            command = executor.get("container", {}).get("command", [])
            if command[:2] == ["sh", "-c"] and len(command) > 3 and "pip install" in command[2]:
                del command[:3]
    file = scratch / case.name
    file.write_text(yaml.safe_dump_all(parts, sort_keys=False))
    fresh = scratch / "kfp"
    fresh.mkdir(exist_ok=True)
    return case.name, str(file), case.arguments(fresh)


def kfp_local(work: list[Work], scratch: Path) -> dict[str, Taken]:
    """The seconds of each document that kfp.local runs to a good end within the limit, by name."""
    python = oracles.python("kfp", oracles.KFP)
    env = clean_environment()
    env["PATH"] = f"{python.parent}:{env['PATH']}"
    taken: dict[str, Taken] = {}
    for name, file, arguments in work:
        answer = scratch / f"{name}.seconds"
        argv = [python, "-W", "ignore", FLOWS / "kfp_document.py", file, json.dumps(arguments), answer]
        begin = time.perf_counter()
        with subprocess.Popen(argv, env=env, cwd=scratch, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                note(f"  kfp.local ran {name} for {LIMIT_S} s: left out")
                os.killpg(process.pid, signal.SIGKILL)
        if answer.exists():
            taken[name] = Taken(time.perf_counter() - begin, float(answer.read_text()))
    return taken


def wherry_run(cases: list[Case], scratch: Path) -> dict[str, Taken]:
    """The seconds of `wherry run` of each document, by name; the first starts the home's server."""
    fresh = scratch / "wherry"
    fresh.mkdir()
    taken: dict[str, Taken] = {}
    with new_home({"CUDA_VISIBLE_DEVICES": "0"}) as home:  # one document asks for a GPU, which kfp.local does not heed
        for case in cases:
            arguments = case.arguments(fresh).items()
            words = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in arguments]
            seconds, last = home.run(str(case.file), "--no-cache", *(word for given in words for word in ("-p", given)))
            taken[case.name] = Taken(seconds, last["seconds"])
    return taken
