"""What the machine itself can do: the limits of the figures.  Run it isolated, with the interpreter under test.

`python -I floor.py [start] [chain] [wide]` prints JSON:
start_s    seconds for one bare `python -I -c pass`, median of 9
chain_s    seconds a task, one task after the other: fork, run a function from its source in the child, write the result
           by rename, wait for the child
wide_rate  tasks a second of the same with twice as many at once as there are CPUs
Nothing is synced to disk, and there is nothing else: no server, no queue, no record of what ran.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

FUNCTION = "def add(a, b):\n    return a + b\n"
STARTS = 9
CHAIN_TASKS = 200
WIDE_TASKS = 1500


def task(number):
    """One task in a forked child, which never returns."""
    os.setsid()
    names = {}
    exec(FUNCTION, names)
    partial = f"result-{number}.part"
    with open(partial, "w") as file:
        json.dump(names["add"](number, 1), file)
    os.rename(partial, f"result-{number}")
    os._exit(0)


def fork(number):
    """The pid of a child that runs task `number`."""
    pid = os.fork()
    if not pid:
        task(number)
    return pid


def start_s():
    """Seconds from exec to exit of an interpreter that has nothing to do."""
    seconds = []
    for _ in range(STARTS):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def chain_s():
    """Seconds a task when each waits for the one before."""
    begin = time.perf_counter()
    for number in range(CHAIN_TASKS):
        os.waitpid(fork(number), 0)
    return (time.perf_counter() - begin) / CHAIN_TASKS


def wide_rate():
    """Tasks a second when all are ready at once and the CPUs are kept busy."""
    at_once = 2 * (os.cpu_count() or 1)
    begin = time.perf_counter()
    for number in range(WIDE_TASKS):
        fork(number)
        if number >= at_once - 1:
            os.wait()
    for _ in range(at_once - 1):
        os.wait()
    return WIDE_TASKS / (time.perf_counter() - begin)


LOOPS = {"start": start_s, "chain": chain_s, "wide": wide_rate}


def main(names):
    """The JSON text of the loops `names`, all when empty."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        figures = {LOOPS[name].__name__: LOOPS[name]() for name in names or LOOPS}
        os.chdir(here)
    return json.dumps(figures)


if __name__ == "__main__":
    print(main(sys.argv[1:]))
