"""Pieces of the documents that are made from the code, so that they cannot drift.

Called by `tests/test_docs.py`, which compares them with the pages, and by whoever updates a page:
`python -m scripts.pages commands > docs/guides/commands.md`, or `transitions` for the table in the architecture.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from wherry.cli.commands import TABLE, Lazy
from wherry.pipelines.engine.model import BIRTH, NEXT, Phase, Trigger


def transitions(birth: Mapping[Trigger, Phase], following: Mapping[Phase, Mapping[Trigger, Phase]]) -> str:
    """The table of what a task attempt may become, as Markdown; rows are phases, columns are what happens."""
    triggers = [trigger for trigger in Trigger if any(trigger in row for row in (birth, *following.values()))]
    rows = [("(new)", birth), *((str(phase), row) for phase, row in following.items())]
    lines = [f"| phase | {' | '.join(triggers)} |", f"| --- {'| --- ' * len(triggers)}|"]
    for name, row in rows:
        cells = [str(row.get(trigger, "")) for trigger in triggers]
        lines.append(f"| {name} | {' | '.join(cells)} |" if row else f"| {name} | final {'| ' * len(triggers)}|")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """The reference of the command line, as Markdown: each command's own help, 100 columns wide."""
    root = Lazy("wherry")
    parts = ["# Commands\n\nEach command's own `--help`.\n"]
    for name in TABLE:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        context = click.Context(command, info_name=f"wherry {name}", terminal_width=100, max_content_width=100)
        parts.append(f"\n## wherry {name}\n\n```\n{command.get_help(context)}\n```\n")
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(commands() if sys.argv[1:] == ["commands"] else transitions(BIRTH, NEXT))
