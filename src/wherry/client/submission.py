"""What travels with a run besides its document: the target's images, the code archive, how it is to go.

Called by `wherry.client.runs` and the command line.  Invariant: everything that `wherry.toml` says is settled here, on
the client's side; the server never reads it.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, NamedTuple

from wherry.client.api import Client
from wherry.errors import UsageError
from wherry.settings import ImageRule, Project, Target

ARCHIVE = "wherry.client.archive"  # the lazy entry: only projects with a [code] table need it


class Wishes(NamedTuple):
    """How a run is to go; the same for the command line and `wherry.run`."""

    cache: bool = True
    keep_going: bool = False
    parallelism: int | None = None
    on: str | None = None


def options(client: Client, project: Project, wishes: Wishes) -> dict[str, Any]:
    """The `options` of a submission; puts the project's code into the server's store first.  Raises `UsageError`."""
    target = project.target(wishes.on)
    _check_local(target)
    if wishes.parallelism is not None and wishes.parallelism < 1:
        raise UsageError(f"parallelism must be at least 1, not {wishes.parallelism}")
    found: dict[str, Any] = {
        "cache": wishes.cache,
        "keep_going": wishes.keep_going,
        "parallelism": wishes.parallelism,
        "images": [_rule(rule) for rule in project.image_rules(target)],
        "code": _code(client, project),
    }
    if target.artifacts is not None:
        found["pipeline_root"] = artifact_folder(target.artifacts)
    if target.namespace is not None:
        found["namespace"] = target.namespace
    return found


def _check_local(target: Target) -> None:
    if not target.is_local:
        what = "a Kubernetes context" if target.context is not None else "a remote server"
        raise UsageError(
            f"target {target.name!r} is {what}, and this version of wherry runs on this machine only",
            hint="leave --on away, or name a target that has neither context nor server",
        )


def artifact_folder(place: str) -> str:
    """The folder that a place for artifacts names.  Raises `UsageError` for one that is no folder."""
    if "://" in place and not place.startswith("file://"):
        raise UsageError(
            f"artifacts = {place!r}: this version of wherry keeps artifacts in a folder", hint="name a folder"
        )
    return os.path.abspath(place.removeprefix("file://"))


def _rule(rule: ImageRule) -> dict[str, Any]:
    return {
        "pattern": rule.pattern,
        "requirements": list(rule.requirements),
        "python": rule.python,
        "image": rule.image,
    }


def _code(client: Client, project: Project) -> str | None:
    if project.code is None or project.folder is None:
        return None
    return client.put_code(import_module(ARCHIVE).make(project.folder, project.code.include))
