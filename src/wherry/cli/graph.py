"""`wherry graph`: a picture of a pipeline, as SVG or in the terminal.

Loaded by `wherry.cli.commands` when used.  Invariant: it needs no server and no other program.
"""

from __future__ import annotations

import shutil

import click

from wherry import drawing, ir
from wherry.cli.files import write
from wherry.client import flows
from wherry.errors import UsageError


@click.command()
@click.argument("flow", metavar="FILE[:PIPELINE]")
@click.option("-o", "--output", metavar="OUT", help="Write it as SVG to OUT.svg, or to the screen with -.")
def graph(flow: str, output: str | None) -> None:
    """Draw the pipeline in FILE, a .py file or a compiled .yaml or .json file: in the terminal, or as SVG."""
    if output is not None and output != "-" and not output.endswith(".svg"):
        raise UsageError(f"-o {output}: the name must end in .svg")
    loaded = flows.load(flow)
    with flows.named(flow):
        pipeline = drawing.nodes_of(ir.from_builtins(loaded.document))
    if output is not None:
        write(output, drawing.as_svg(pipeline))
        return
    for line in drawing.as_text(pipeline, width=shutil.get_terminal_size().columns):
        click.echo(line)
