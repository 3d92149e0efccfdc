"""The smallest pipeline: one Python component, one parameter, one output.

Run by `benchmarks.hello` under wherry, and under kfp.local with the same component (BENCH_DSL=kfp).
"""

import importlib
import os

dsl = importlib.import_module(os.environ.get("BENCH_DSL", "wherry") + ".dsl")


@dsl.component
def greet(name: str) -> str:
    return f"hello {name}"


@dsl.pipeline
def hello(name: str = "world") -> str:
    return greet(name=name).output
