"""`wherry compile`: from a Python flow to KFP PipelineSpec IR.

Loaded by `wherry.cli.commands` when used.  Invariant: it needs no server, and writes the whole file or nothing.
"""

from __future__ import annotations

import json
import os
from typing import Any

import click

from wherry import compiler
from wherry.client import flows
from wherry.errors import UsageError
from wherry.ir import documents


@click.command("compile")
@click.argument("flow", metavar="FILE[:PIPELINE]")
@click.option(
    "-o", "--output", required=True, metavar="OUT", help="Where to write it: .yaml, .json, or - for the screen."
)
@click.option(
    "--disable-execution-caching-by-default", "no_cache", is_flag=True, help="Tasks are not cached unless they say so."
)
def compile_(flow: str, output: str, no_cache: bool) -> int:
    """Compile the pipeline in FILE and write it to OUT."""
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
    if output == "-":
        click.echo(text, nl=False)
        return 0
    try:
        fresh = f"{output}.{os.getpid()}.part"
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, output)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None
    return 0


def _without_caching(pipeline: dict[str, Any]) -> None:
    for component in [pipeline.get("root", {}), *pipeline.get("components", {}).values()]:
        for task in component.get("dag", {}).get("tasks", {}).values():
            if task.get("cachingOptions", {}).get("enableCache") is True:
                task["cachingOptions"] = {}
