"""Loads a document with kfp: `python load_kfp.py DOCUMENT` prints the seconds, less kfp's import, and the peak in MB.

Run by `benchmarks.loading` with the interpreter that has kfp.
"""

import resource
import sys
import time

from kfp import components

begin = time.perf_counter()
component = components.load_component_from_file(sys.argv[1])
seconds = time.perf_counter() - begin
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
