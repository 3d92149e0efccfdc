"""What the handlers of the KFP API work with, and what all of them do alike.

Made by `wherry.pipelines.rest.app`.  Invariant: a handler gets a message and gives plain values; requests, bodies and
answers are the app's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from wherry.pipelines.service import Pipelines
from wherry.seams import Clock, Ids, iso
from wherry.storage.artifacts import ArtifactStore
from wherry.storage.database import Database


class Alarm(Protocol):
    """The scheduler, as far as the API needs it."""

    def poke(self) -> None:
        """Look at the schedules anew."""
        ...


class Context(NamedTuple):
    """The server's parts; `fetch` gets the text at a URL (for versions by URL)."""

    db: Database
    runs: Pipelines
    store: ArtifactStore
    clock: Clock
    ids: Ids
    alarm: Alarm
    fetch: Callable[[str], str]


class Asked(NamedTuple):
    """One request: what its path names, its query, and its body."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


def compact(message: dict[str, Any]) -> dict[str, Any]:
    """The message without its zero values, as protobuf's JSON is written."""
    return {
        key: value
        for key, value in message.items()
        if value not in (None, "", 0, False) and value != {} and value != []
    }


def time(seconds: float | None) -> str:
    """A timestamp; empty for none."""
    return iso(seconds) if seconds is not None else ""


def decoded(text: str | None) -> Any:
    """A JSON text of the database."""
    return msgspec.json.decode(text) if text else None
