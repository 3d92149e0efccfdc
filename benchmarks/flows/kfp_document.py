"""One compiled document in kfp.local's fastest mode (no environment made for a task): `FILE ARGUMENTS ANSWER`.

Started by `benchmarks.conformance` with JSON arguments and the path of a file for the answer: the seconds of the
document alone, kfp being loaded.  What kfp writes (gigabytes, of loops) goes nowhere.
"""

import json
import os
import sys
import time
from pathlib import Path

from kfp import components, local

file, arguments, answer = sys.argv[1:]
nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 1)
local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root="outputs")
begin = time.perf_counter()
components.load_component_from_file(file)(**json.loads(arguments))
Path(answer).write_text(json.dumps(time.perf_counter() - begin))
