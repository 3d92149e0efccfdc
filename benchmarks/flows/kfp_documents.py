"""Compiled documents in kfp.local's fastest mode (no environment made for a task), one after another in this process.

Started by `benchmarks.conformance` with the path of a JSON list of `[name, file, arguments]` and the path of the
answer: the seconds of each that ended well, by name.
"""

import json
import sys
import time
from pathlib import Path

from kfp import components, local

local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root="outputs")
seconds = {}
for name, file, arguments in json.loads(Path(sys.argv[1]).read_text()):
    begin = time.perf_counter()
    try:
        components.load_component_from_file(file)(**arguments)
    except Exception:  # noqa: BLE001 - what it cannot run is left out of the comparison
        continue
    seconds[name] = time.perf_counter() - begin
Path(sys.argv[2]).write_text(json.dumps(seconds))
