"""`python -m benchmarks [names...]` takes the figures and prints one JSON document; it exits with 1 when one misses.

Called by `make bench`.  Each name is a module of this package with a function `figures`; without names, all of them.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from types import ModuleType

from benchmarks import chain, cluster, compiling, conformance, hello, imports, loading, objects, wide, zygote
from benchmarks.measure import Figure, floor, note, rounded

MODULES: dict[str, ModuleType] = {
    "imports": imports,
    "hello": hello,
    "zygote": zygote,
    "chain": chain,
    "wide": wide,
    "compile": compiling,
    "conformance": conformance,
    "load": loading,
    "objects": objects,
    "cluster": cluster,
}
USAGE = """usage: python -m benchmarks [NAME...]

Takes the figures of the benchmarks that are named, of all without a name, and prints one JSON document.
The exit code is 1 when a figure misses its limit.  `python -m benchmarks.soak --help` is the soak test.
"""


def usage() -> str:
    """How to call it, and each benchmark with the first line of its module."""
    lines = [f"  {name:<12} {(module.__doc__ or '').partition(chr(10))[0]}" for name, module in MODULES.items()]
    return f"{USAGE}\nbenchmarks:\n" + "\n".join(lines)


def main(names: list[str]) -> int:
    """Takes the figures of `names`, prints the document, and returns the exit code."""
    if {"-h", "--help"} & set(names):
        print(usage())
        return 0
    if unknown := [name for name in names if name not in MODULES]:
        note(f"unknown: {', '.join(unknown)}; there are {', '.join(MODULES)} (--help says what they are)")
        return 2
    begin = time.perf_counter()
    machine = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "start_s": floor("start"),
        "chain_s": floor("chain"),
        "wide_rate": floor("wide"),
    }
    taken: list[Figure] = []
    for name in names or MODULES:
        note(f"{name} ...")
        for figure in MODULES[name].figures():
            taken.append(figure)
            limit = f"at most {figure.at_most}" if figure.at_most is not None else f"at least {figure.at_least}"
            note(f"  {'ok  ' if figure.ok else 'MISS'} {figure.name}: {figure.value:.3g} {figure.unit} ({limit})")
    document = {
        "machine": rounded(machine),
        "figures": [figure.view() for figure in taken],
        "missed": [figure.name for figure in taken if not figure.ok],
        "seconds": round(time.perf_counter() - begin, 1),
    }
    print(json.dumps(document, indent=2))
    return 1 if document["missed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
