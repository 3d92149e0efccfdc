"""Kubeflow's own compiled documents, as many as both can run: `wherry run` and kfp.local's SubprocessRunner.

Fair to the other side: each runs in a process that has loaded kfp before the clock starts, in its mode without
environments, without pip lines, and what takes it longer than a minute is left out; for each of ours, a user types
`wherry run FILE --no-cache`, and the whole command is timed.  The home is new, and starting its server counts.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml
from scripts.conformance import PACKAGES, Case, index
from tests import oracles

from benchmarks.measure import BIN, FLOWS, Figure, clean_environment, new_home, note, timed

LIMIT_S = 60

Work = tuple[str, str, dict[str, Any]]


def figures() -> list[Figure]:
    """`conformance_vs_kfp_local`: seconds of all documents that both run, theirs over ours; none without documents."""
    try:
        cases = [case for case in index() if case.runs and case.state == "SUCCEEDED" and case.name not in PACKAGES]
    except FileNotFoundError:
        note("  no documents here: WHERRY_SHARED names the folder that has them")
        return []
    scratch = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    theirs = kfp_local([offline(case, scratch) for case in cases], scratch)
    ours = wherry_run([case for case in cases if case.name in theirs], scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    raw = {
        "documents": len(ours),
        "kfp_local_s": sum(theirs.values()),
        "wherry_s": sum(ours.values()),
        "median_of_ratios": statistics.median(theirs[name] / ours[name] for name in ours),
        "slowest_s": {name: [theirs[name], ours[name]] for name in sorted(ours, key=lambda name: -ours[name])[:5]},
        "version": oracles.KFP,
    }
    ratio = sum(theirs.values()) / sum(ours.values())
    return [Figure("conformance_vs_kfp_local", ratio, at_least=5, unit="times faster than kfp.local", raw=raw)]


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


def kfp_local(work: list[Work], scratch: Path) -> dict[str, float]:
    """The seconds of each document that kfp.local runs to a good end within the limit, by name."""
    python = oracles.python("kfp", oracles.KFP)
    env = clean_environment()
    env["PATH"] = f"{python.parent}:{env['PATH']}"
    seconds: dict[str, float] = {}
    for name, file, arguments in work:
        answer = scratch / f"{name}.seconds"
        argv = [python, "-W", "ignore", FLOWS / "kfp_document.py", file, json.dumps(arguments), answer]
        with subprocess.Popen(argv, env=env, cwd=scratch, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                note(f"  kfp.local ran {name} for {LIMIT_S} s: left out")
                os.killpg(process.pid, signal.SIGKILL)
        if answer.exists():
            seconds[name] = float(answer.read_text())
    return seconds


def wherry_run(cases: list[Case], scratch: Path) -> dict[str, float]:
    """The seconds of `wherry run` of each document, by name; the first starts the home's server."""
    fresh = scratch / "wherry"
    fresh.mkdir()
    seconds: dict[str, float] = {}
    with new_home({"CUDA_VISIBLE_DEVICES": "0"}) as home:  # one document asks for a GPU, which kfp.local does not heed
        for case in cases:
            arguments = case.arguments(fresh).items()
            words = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in arguments]
            argv = [
                BIN / "wherry",
                "run",
                case.file,
                "--no-cache",
                *(word for given in words for word in ("-p", given)),
            ]
            seconds[case.name] = timed(argv, env=home.env)
    return seconds
