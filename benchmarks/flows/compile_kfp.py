"""Compiles `chain.py` with kfp's own compiler: `python compile_kfp.py OUTPUT` prints the seconds, less its import.

Run by `benchmarks.compiling` with the interpreter that has kfp.  The pipeline's body runs when its module is imported.
"""

import os
import sys
import time

os.environ["BENCH_DSL"] = "kfp"

from kfp import compiler, dsl  # noqa: F401 - the module below uses it, and its import is not compilation

begin = time.perf_counter()
import chain  # noqa: E402

compiler.Compiler().compile(chain.chain, sys.argv[1])
print(time.perf_counter() - begin)
