"""The runs that a user's file starts by itself while it is loaded.

Written by `wherry.client.kfp_names.client`, read by `wherry.client.flows` when the file has been loaded.  Invariant:
the list is of the file that was loaded last, oldest run first.
"""

from __future__ import annotations

from typing import Any

runs: list[tuple[str, Any]] = []
"""Each run's id, and its `wherry.client.flows.Flow`."""
