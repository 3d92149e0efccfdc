"""The bodies of requests, as records: what a client may ask for.

Decoded by `wherry.server.app`, strict about unknown fields, so that a client of another version learns at once what
this server does not know.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.targets import Target


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run to make.  `id` lets a client that lost the answer ask again without making a second run."""

    document: dict[str, Any]
    arguments: dict[str, Any] = {}
    name: str = ""
    options: SubmitOptions = SubmitOptions()
    id: str | None = None


class Prune(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which finished runs to delete: all but the `keep` newest, only those finished `older_than_s` ago or earlier; none
    when `runs` is False.  Environments that were not used for `environments_s` seconds go, unless that is None.  With
    a `target` it is about the runs there, and what they have left on the cluster."""

    keep: int = 0
    older_than_s: float = 0.0
    runs: bool = True
    environments_s: float | None = None
    target: Target | None = None
    dry_run: bool = False
