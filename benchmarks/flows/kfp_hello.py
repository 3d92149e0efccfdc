"""The hello pipeline under kfp.local's SubprocessRunner: `python kfp_hello.py NAME ROOT [venv]`.

Run by `benchmarks.hello` with the interpreter that has kfp.  Without `venv`, in kfp's fastest mode: no environment
of its own for the task, and kfp already there.
"""

import os
import sys

os.environ["BENCH_DSL"] = "kfp"

from kfp import local

import hello

name, root, *mode = sys.argv[1:]
local.init(runner=local.SubprocessRunner(use_venv=bool(mode)), pipeline_root=root)
output = hello.hello(name=name).output
assert output == f"hello {name}", output
