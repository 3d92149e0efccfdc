"""Files that commands write for their user.

Called by `wherry compile` and `wherry graph`.  Invariant: the whole file is written or nothing.
"""

from __future__ import annotations

import os

import click

from wherry.errors import UsageError


def write(output: str, text: str) -> None:
    """Writes `text` to the file `output`, or to the screen when that is `-`.  Raises `UsageError`."""
    if output == "-":
        click.echo(text, nl=False)
        return
    fresh = f"{output}.{os.getpid()}.part"
    try:
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, output)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None
