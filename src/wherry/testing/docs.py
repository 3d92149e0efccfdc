"""Pieces of the documents that are made from the code, so that they cannot drift.

Called by `tests/test_docs.py`, which compares them with the pages, and by whoever updates a page:
`python -m wherry.testing.docs`.
"""

from __future__ import annotations

from collections.abc import Mapping

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


if __name__ == "__main__":
    print(transitions(BIRTH, NEXT))  # noqa: T201  (its output is its purpose)
