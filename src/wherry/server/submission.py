"""The bodies of requests, as records: what a client may ask for.

Decoded by `wherry.server.app`, strict about unknown fields, so that a client of another version learns at once what
this server does not know.
"""

from __future__ import annotations

from typing import Any

import msgspec


class ImageRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an image pattern stands for on this target: `requirements` and `python`, or another `image`."""

    pattern: str
    requirements: list[str] = []
    python: str | None = None
    image: str | None = None


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run is to go."""

    cache: bool = True
    keep_going: bool = False
    parallelism: int | None = None
    images: list[ImageRule] = []
    code: str | None = None  # sha256 of an archive that was put
    pipeline_root: str | None = None
    namespace: str = "default"


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run to make.  `id` lets a client that lost the answer ask again without making a second run."""

    document: dict[str, Any]
    arguments: dict[str, Any] = {}
    name: str = ""
    options: Options = Options()
    id: str | None = None


class Prune(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which finished runs to delete: all but the `keep` newest, only those finished `older_than_s` ago or earlier."""

    keep: int = 0
    older_than_s: float = 0.0
    dry_run: bool = False
