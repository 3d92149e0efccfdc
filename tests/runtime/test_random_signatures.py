"""Our executor beside kfp's own on random functions: arguments seen, output, files and errors are the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests import oracles
from tests.runtime import signatures

from wherry.runtime import main

COUNT = 600

PROGRAM = """
import json, os, sys, types
cases, folder, which = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]
if which == "kfp":
    from kfp.dsl.executor import Executor
else:
    sys.path[:0] = sys.argv[4:]
    from wherry.runtime.executor import Executor

def show(value):
    if isinstance(value, list):
        return [show(item) for item in value]
    if hasattr(value, "schema_title"):
        return [type(value).__name__, value.name, value.uri, value.path, value.metadata]
    return [type(value).__name__, repr(value)]

answers = []
for number, case in enumerate(cases):
    root, seen = f"{folder}/{number}", []
    os.makedirs(root)
    module = types.ModuleType(f"m{number}")
    module.__dict__.update(SEEN=seen, show=show)
    outputs = {"outputFile": f"{root}/out.json",
               "parameters": {name: {"outputFile": f"{root}/parameters/{name}"} for name in case["files"]},
               "artifacts": {name: {"artifacts": [{"name": name, "type": {"schemaTitle": title},
                                                   "uri": f"{root}/{name}", "metadata": {}}]}
                             for name, title in case["makes"].items()}}
    executor_input = {"inputs": {"parameterValues": case["parameters"], "artifacts": case["artifacts"]},
                      "outputs": outputs}
    try:
        exec(compile(case["source"], "component.py", "exec"), module.__dict__)
        executor = Executor(executor_input, module.f)
        answer = json.load(open(executor.execute())) if which == "kfp" else json.loads(json.dumps(executor.run()))
        answer = ["ok", answer]
    except Exception as error:
        answer = ["error", type(error).__name__, str(error)]
    files = {}
    for where, _, names in os.walk(root):
        files.update({os.path.join(where, name)[len(root):]: open(os.path.join(where, name)).read()
                      for name in names if name != "out.json"})
    answers.append(json.loads(json.dumps([answer, files, seen]).replace(folder, "FOLDER")))
print(json.dumps(answers))
"""


def ask(python: Path | str, cases: Path, folder: Path, *arguments: str) -> list[Any]:
    done = subprocess.run(
        [python, "-W", "ignore", "-c", PROGRAM, cases, folder, *arguments],
        capture_output=True,
        text=True,
        env={"_KFP_RUNTIME": "true", "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def plain(answer: list[Any]) -> list[Any]:
    """An answer without what our messages say beyond kfp's."""
    if answer[0][0] == "error":
        answer[0][2] = re.sub(r" for output `\w+`$| \(Function `f` returned a \w+\.\)$", "", answer[0][2])
    return answer


@pytest.mark.oracle
def test_random_functions_do_the_same_as_with_the_released_kfp(tmp_path: Path) -> None:
    cases = [signatures.case(seed) for seed in range(COUNT)]
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    theirs = ask(oracles.python("kfp", oracles.KFP), file, tmp_path / "theirs", "kfp")
    package = str(Path(main.__file__).parents[2])
    ours = ask(sys.executable, file, tmp_path / "ours", "wherry", package, main.IMPORT_PATH)
    assert sum(answer[0][0] == "ok" for answer in theirs) > COUNT / 2
    different = [
        (case["source"], case, them, us)
        for case, them, us in zip(cases, map(plain, theirs), map(plain, ours), strict=True)
        if them != us
    ]
    assert different == []
