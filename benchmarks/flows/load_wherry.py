"""Loads a document with wherry: `python load_wherry.py DOCUMENT` prints seconds, less its import, and the peak in MB.

Run by `benchmarks.loading`.  What is loaded is checked: a run could begin with it.
"""

import resource
import sys
import time

from wherry.ir import reader, yaml  # noqa: F401 - loaded on first use, and their import is not loading

begin = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    document = reader.load(file.read())
seconds = time.perf_counter() - begin
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
