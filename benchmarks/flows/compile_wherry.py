"""Compiles `chain.py` with wherry's compiler: `python compile_wherry.py OUTPUT` prints the seconds, less its import.

Run by `benchmarks.compiling`.  The pipeline's body runs when its module is imported.
"""

import sys
import time

from wherry import compiler, dsl  # noqa: F401 - the module below uses it, and its import is not compilation

begin = time.perf_counter()
import chain  # noqa: E402

compiler.Compiler().compile(chain.chain, sys.argv[1])
print(time.perf_counter() - begin)
