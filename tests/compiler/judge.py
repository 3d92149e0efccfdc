"""Reads flows from standard input and says what became of each: one JSON text a line in, one JSON object a line out.

Run by the released kfp in its own environment (`tests.compiler.flows.Judge`).  The first argument is a file with the
components that the flows use; each flow is the source of a function with @dsl.pipeline called `flow`.
"""

from __future__ import annotations

import functools
import json
import sys
import warnings


def flow_of(source, names):
    """The flow that a source defines, among the names of the components."""
    scope = dict(names)
    exec(compile(source, "flow.py", "exec", dont_inherit=True), scope)
    return scope["flow"]


def main():
    """Answer until the end of the input."""
    from outcomes import load, outcome  # beside this file, which is the first place of a script's imports

    warnings.simplefilter("ignore")
    names = vars(load(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(outcome(functools.partial(flow_of, json.loads(line), names))), flush=True)


if __name__ == "__main__":
    main()
