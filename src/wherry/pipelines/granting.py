"""What a pod of a task may read and write in the object store, and how it is told: pure.

Called by the launcher.  Invariants: what a pod needs follows from the pod alone, so that a server that starts again
can make it a second time; a grant is a Secret that the pod owns, and goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from wherry.kube.protocol import Object
from wherry.kube.resources import PODS
from wherry.pipelines.pods import ATTEMPT_LABEL, MANAGED_BY, RUN_LABEL, TASK_LABEL
from wherry.storage.stores import Grant, is_object_store

GRANT_VARIABLE = "WHERRY_GRANT"
"""Where the runtime finds its grant."""
SECRET_KEY = "grant"
_COPIED_LABELS = (RUN_LABEL, TASK_LABEL, ATTEMPT_LABEL)


class Access(NamedTuple):
    """The attempt's own folder, where it writes, and what it reads besides."""

    root: str
    reads: list[str]


def access(pod: Object, executor_input: bytes | None = None) -> Access | None:
    """What the task of a pod reads and writes; None where all of it lies in folders.

    `executor_input` is that of the store when the descriptor has it by reference.
    """
    descriptor = _descriptor(pod)
    given = descriptor.get("executor_input")
    if given is None and executor_input is not None:
        given = msgspec.json.decode(executor_input)
    references = [descriptor.get(key) for key in ("code", "source", "executor_input_ref")]
    reads = [reference["uri"] for reference in references if reference]
    reads += _artifact_uris(given or {})
    root: str = descriptor["root"]
    reads = sorted({uri.rstrip("/") for uri in reads if is_object_store(uri)})
    return Access(root, reads) if reads or is_object_store(root) else None


def input_reference(pod: Object) -> str | None:
    """Where the executor input lies that is too long for the pod."""
    reference = _descriptor(pod).get("executor_input_ref")
    return reference["uri"] if reference else None


def with_grant(pod: Object, grant: Grant) -> Object:
    """The pod with its grant: by reference to the Secret of its name, or as it is where nothing of it is secret."""
    variable: dict[str, Any] = {"name": GRANT_VARIABLE}
    if grant.secret:
        reference = {"name": pod["metadata"]["name"], "key": SECRET_KEY}
        variable["valueFrom"] = {"secretKeyRef": reference}
    else:
        variable["value"] = grant.text.replace("$", "\\u0024")  # JSON's escape: Kubernetes expands $(NAME)
    containers = [dict(each) for each in pod["spec"]["containers"]]
    containers[0]["env"] = [*containers[0]["env"], variable]
    return {**pod, "spec": {**pod["spec"], "containers": containers}}


def secret_of(pod: Object, grant: Grant) -> Object:
    """The Secret with the grant of a pod that the API server has made."""
    metadata = pod["metadata"]
    owner = {
        "apiVersion": "v1",
        "kind": PODS.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    labels: dict[str, str] = metadata.get("labels") or {}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {**MANAGED_BY, **{name: labels[name] for name in _COPIED_LABELS if name in labels}},
            "ownerReferences": [owner],
        },
        "stringData": {SECRET_KEY: grant.text},
    }


def waits_for_grant(pod: Object) -> bool:
    """Whether the pod was made with a Secret to come, and has not started: its server may have died in between."""
    env: list[dict[str, Any]] = pod["spec"]["containers"][0].get("env") or []
    asked = any(each.get("name") == GRANT_VARIABLE and "valueFrom" in each for each in env)
    status: dict[str, Any] = pod.get("status") or {}
    return asked and status.get("phase", "Pending") == "Pending" and "deletionTimestamp" not in pod["metadata"]


def _descriptor(pod: Object) -> dict[str, Any]:
    env: list[dict[str, Any]] = pod["spec"]["containers"][0]["env"]
    return msgspec.json.decode(next(each["value"] for each in env if each["name"] == "WHERRY_TASK"))


def _artifact_uris(executor_input: dict[str, Any]) -> Iterable[str]:
    inputs: dict[str, Any] = executor_input.get("inputs") or {}
    holders: dict[str, dict[str, list[dict[str, Any]]]] = inputs.get("artifacts") or {}
    for holder in holders.values():
        for artifact in holder.get("artifacts") or ():
            yield artifact.get("uri") or ""
