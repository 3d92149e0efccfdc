"""`wherry compile`: from a Python flow to KFP PipelineSpec IR.

Loaded by `wherry.cli.commands` when used.  Invariant: it needs no server, and writes the whole file or nothing.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import click

from wherry import compiler
from wherry.cli.files import write
from wherry.client import flows
from wherry.errors import UsageError
from wherry.ir import documents

CHECK = "wherry.cli.check"  # the lazy entry: explaining needs the document's records, compiling does not


@click.command("compile")
@click.argument("flow", metavar="FILE[:PIPELINE]")
@click.option("-o", "--output", metavar="OUT", help="Where to write it: .yaml, .json, or - for the screen.")
@click.option("--check", is_flag=True, help="Explain the pipeline, with warnings, instead of writing it.")
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON object.")
@click.option(
    "--disable-execution-caching-by-default", "no_cache", is_flag=True, help="Tasks are not cached unless they say so."
)
def compile_(flow: str, output: str | None, check: bool, as_json: bool, no_cache: bool) -> int:
    """Compile the pipeline in FILE and write it to OUT, or explain it: FILE may then be a compiled one too."""
    if check:
        if output is not None or no_cache:
            raise UsageError("--check writes nothing: it goes with --json only")
        return import_module(CHECK).check(flow, as_json=as_json)
    if output is None:
        raise UsageError("compile needs -o OUT, or --check")
    if as_json:
        raise UsageError("--json goes with --check")
    if output != "-" and not output.endswith(flows.SUFFIXES):
        raise UsageError(f"-o {output}: the name must end in .yaml, .yml or .json")
    document = flows.load(flow).document
    pipeline, platform = documents.split(document)
    if no_cache:
        _without_caching(pipeline)
    if output.endswith(".json"):
        text = json.dumps(document, indent=2) + "\n"
    else:
        text = compiler.yaml_text(pipeline, platform or {})
    write(output, text)
    return 0


def _without_caching(pipeline: dict[str, Any]) -> None:
    for component in [pipeline.get("root", {}), *pipeline.get("components", {}).values()]:
        for task in component.get("dag", {}).get("tasks", {}).values():
            if task.get("cachingOptions", {}).get("enableCache") is True:
                task["cachingOptions"] = {}
