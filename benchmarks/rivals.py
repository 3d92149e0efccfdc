"""The chain in other systems that a user would pick for it, each with its own interpreter and its own local state.

Called by `benchmarks.chain` and `benchmarks.hello`.  Nothing leaves the machine: state goes to a scratch folder, and
the settings that report usage are off.
"""

from __future__ import annotations

from pathlib import Path

from tests import oracles

from benchmarks.measure import FLOWS, clean_environment, run, timed

METAFLOW_HEAD = '"""A chain of steps."""\nfrom metaflow import FlowSpec, step\n\n\nclass ChainFlow(FlowSpec):\n'
METAFLOW_STEP = "    @step\n    def {name}(self):\n        self.value = {value}\n{after}\n"
METAFLOW_TAIL = 'if __name__ == "__main__":\n    ChainFlow()\n'


def metaflow_source(steps: int) -> str:
    """A flow of `steps` steps between the start and the end that Metaflow asks for; each adds one to an artifact."""
    names = ["start", *(f"add_{number}" for number in range(steps)), "end"]
    text = METAFLOW_HEAD
    for name, following in zip(names, [*names[1:], ""], strict=True):
        value = "0" if name == "start" else "self.value + 1"
        after = f"        self.next(self.{following})\n" if following else ""
        text += METAFLOW_STEP.format(name=name, value=value, after=after)
    return text + METAFLOW_TAIL


def metaflow_chain(scratch: Path, steps: int) -> float:
    """Seconds of `python flow.py run` with `steps` steps between start and end."""
    python = oracles.python("metaflow", oracles.METAFLOW)
    flow = scratch / f"chain_{steps}.py"
    flow.write_text(metaflow_source(steps))
    env = clean_environment() | {
        "HOME": str(scratch),
        "METAFLOW_HOME": str(scratch / "metaflow-home"),
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(scratch / "metaflow"),
        "METAFLOW_USER": "bench",
        "USERNAME": "bench",
    }
    return timed([python, flow, "--quiet", "--no-pylint", "run"], env=env, cwd=scratch)


def dagster_chain(scratch: Path, steps: int) -> float:
    """Seconds of `execute_job` with the multiprocess executor, as the process itself measures them."""
    python = oracles.python("dagster", oracles.DAGSTER)
    home = scratch / "dagster"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    env = clean_environment() | {"HOME": str(scratch), "DAGSTER_HOME": str(home), "CHAIN_TASKS": str(steps)}
    return float(run([python, "-W", "ignore", FLOWS / "dagster_chain.py"], env=env, cwd=scratch))
