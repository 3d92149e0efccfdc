"""What travels with a run besides its document: the target's images, the code archive, how it is to go.

Called by `wherry.client.runs` and the command line.  Invariant: everything that `wherry.toml` says is settled here, on
the client's side; the server never reads it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from wherry import settings
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
    _check_known(target)
    if wishes.parallelism is not None and wishes.parallelism < 1:
        raise UsageError(f"parallelism must be at least 1, not {wishes.parallelism}")
    found: dict[str, Any] = {
        "cache": wishes.cache,
        "keep_going": wishes.keep_going,
        "parallelism": wishes.parallelism,
        "images": [_rule(rule) for rule in project.image_rules(target)],
    }
    if target.context is not None:
        found["target"] = cluster(target, os.environ)
        found["code"] = _code(client, project)
        return found
    found["code"] = _code(client, project)
    if target.artifacts is not None and is_object_store(target.artifacts):
        found["target"] = at_home(target)
        return found
    if target.artifacts is not None:
        found["pipeline_root"] = artifact_folder(target.artifacts)
    if target.namespace is not None:
        found["namespace"] = target.namespace
    return found


def cluster_named(name: str) -> dict[str, Any]:
    """The cluster that a target of the current folder's `wherry.toml` names, as the server takes it.

    Raises `UsageError` for a target that is none.
    """
    target = settings.project(os.getcwd()).target(name)
    if target.context is None:
        raise UsageError(f"target {name!r} is no cluster: it has no context")
    return cluster(target, os.environ)


def cluster(target: Target, environ: Mapping[str, str]) -> dict[str, Any]:
    """The target as the server keeps it with the run: all that it takes to find the cluster again, nothing secret.

    Raises `UsageError`.
    """
    name = target.name
    if target.artifacts is None:
        raise UsageError(
            f"target {name!r} says no place for artifacts", hint='artifacts = "/a/folder" that its pods can mount'
        )
    if "://" not in target.artifacts and target.volume is None:
        raise UsageError(
            f"target {name!r} keeps artifacts in the folder {target.artifacts}, but does not say how pods mount it",
            hint='volume = {claim = "NAME"}, {host_path = "/PATH"} or {nfs = {server = "HOST", path = "/PATH"}}',
        )
    files = [target.kubeconfig] if target.kubeconfig else environ.get("KUBECONFIG", "").split(os.pathsep)
    found: dict[str, Any] = {
        "name": name,
        "context": target.context or "",
        "kubeconfig": os.pathsep.join(os.path.abspath(file) for file in files if file),
        "namespace": target.namespace or "",
        "artifacts": os.path.normpath(target.artifacts) if "://" not in target.artifacts else target.artifacts,
        "service_account": target.service_account or "",
        "pull_secrets": list(target.pull_secrets),
        "python_image": target.python_image,
        "pending_limit_s": target.pending_limit_s,
    }
    found |= _object_settings(target)
    for key, volume in (("volume", target.volume), ("wheels", target.wheels)):
        if volume is not None:
            found[key] = volume._asdict()
    return found


def at_home(target: Target) -> dict[str, Any]:
    """The target, whose pods run on the home's own node and whose artifacts lie in an object store, as the server keeps
    it."""
    return {
        "name": target.name,
        "namespace": target.namespace or "default",
        "artifacts": target.artifacts,
        "home": True,
        **_object_settings(target),
    }


def is_object_store(place: str) -> bool:
    """Whether a place for artifacts is no folder, but one that the server opens."""
    return "://" in place and not place.startswith("file://")


def _object_settings(target: Target) -> dict[str, Any]:
    return {key: getattr(target, key) for key in ("endpoint", "grant", "grant_role", "grant_hours")}


def _check_known(target: Target) -> None:
    if target.server is not None:
        raise UsageError(
            f"target {target.name!r} is a remote server, which this version of wherry cannot use",
            hint="name a target that has a context, or neither context nor server",
        )


def artifact_folder(place: str) -> str:
    """The folder that a place for artifacts names.  Raises `UsageError` for one that is no folder."""
    if is_object_store(place):
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
        "without_python": rule.without_python,
    }


def _code(client: Client, project: Project) -> str | None:
    if project.code is None or project.folder is None:
        return None
    return client.put_code(import_module(ARCHIVE).make(project.folder, project.code.include))
