"""The command line: `wherry`.

Called by the console script and `python -m wherry.cli`.  Invariant: the command line is always a client of a server;
what a command does not use is not imported, and a server that is needed starts before anything else is loaded.
"""

from __future__ import annotations

import sys
from importlib import import_module

COMMANDS = "wherry.cli.commands"  # the lazy entry: click and the commands, loaded while a server starts


def main() -> None:
    """Runs the command in `sys.argv` and exits with its code: 0, 1, 2 or 130."""
    words = sys.argv[1:]
    begun = None
    if len(words) > 1 and words[0] == "run" and "--help" not in words:
        begun = import_module("wherry.cli.begin").begin()
    sys.exit(import_module(COMMANDS).invoke(words, begun))
