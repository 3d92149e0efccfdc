"""The replica sets of a Deployment: which one is of the present template, which revision each is, how new ones look.

Called by `deployments` and `rollouts`; pure.  Source: the documentation of Deployments (revision history, labels and
annotations).  Invariant: two templates are the same when they differ in the label pod-template-hash alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.pods import created
from wherry.kube.embedded.workload_rules import share
from wherry.kube.names import SUBDOMAIN_LENGTH
from wherry.kube.patches import same
from wherry.kube.protocol import Object

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        HISTORY,
        DESIRED,
        MOST,
    )
)
_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words by chance
_encode = msgspec.json.Encoder(order="deterministic").encode


class Sets(NamedTuple):
    """A Deployment's replica sets, the oldest first; `new` is of its present template."""

    new: Object | None
    old: list[Object]

    @property
    def all(self) -> list[Object]:
        """Both."""
        return [*self.old, *([self.new] if self.new else [])]


def sets_of(obj: Object, children: Iterable[Object]) -> Sets:
    """Tells the replica sets apart."""
    ordered = sorted(children, key=lambda child: (created(child), child["metadata"]["name"]))
    new = next((child for child in ordered if same_template(child["spec"]["template"], obj["spec"]["template"])), None)
    return Sets(new, [child for child in ordered if child is not new])


def same_template(left: Object, right: Object) -> bool:
    """Whether two templates make the same pods."""
    return same(_plain(left), _plain(right))


def _plain(template: Object) -> Object:
    metadata = dict(template.get("metadata") or {})
    said: dict[str, str] = metadata.pop("labels", None) or {}
    labels = {key: value for key, value in said.items() if key != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def template_hash(template: Object, collisions: int) -> str:
    """What names a template: the same for the same one, other after each collision of names."""
    digest = hashlib.sha256(_encode([_plain(template), collisions])).digest()
    return safe_text(digest)


def safe_text(digest: bytes) -> str:
    """The beginning of a digest as ten characters of a name."""
    return "".join(_SAFE[byte % len(_SAFE)] for byte in digest[:10])


def replicas(child: Object) -> int:
    """How many pods a replica set is to have."""
    return child["spec"].get("replicas", 1)


def has_available(child: Object) -> int:
    """How many available pods it has and is to keep."""
    return min(at(child, "status", "availableReplicas") or 0, replicas(child))


def surge(obj: Object) -> int:
    """How many pods more than wanted there may be during an update."""
    return _rolling(obj)[0]


def unavailable(obj: Object) -> int:
    """How many of the wanted pods may be missing during an update."""
    return min(_rolling(obj)[1], obj["spec"]["replicas"])


def _rolling(obj: Object) -> tuple[int, int]:
    strategy, wanted = obj["spec"]["strategy"], obj["spec"]["replicas"]
    if strategy["type"] != "RollingUpdate":
        return 0, 0
    rolling: dict[str, Any] = strategy["rollingUpdate"]
    more, less = share(rolling["maxSurge"], wanted, up=True), share(rolling["maxUnavailable"], wanted, up=False)
    return (0, 1) if more == less == 0 else (more, less)


def size_annotations(obj: Object) -> dict[str, str]:
    """What a replica set remembers of the size of its Deployment."""
    wanted: int = obj["spec"]["replicas"]
    return {DESIRED: str(wanted), MOST: str(wanted + surge(obj))}


def revision_of(obj: Object) -> int:
    """The revision that an annotation says, 0 for none."""
    text = str(at(obj, "metadata", "annotations", REVISION) or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def revision_annotations(obj: Object, sets: Sets) -> dict[str, str]:
    """The annotations of the new replica set: the Deployment's, and a revision above those of all old ones."""
    own: dict[str, str] = obj["metadata"].get("annotations") or {}
    found = {key: value for key, value in own.items() if key not in _NOT_COPIED}
    revision = max((revision_of(child) for child in sets.old), default=0) + 1
    before = revision_of(sets.new) if sets.new else 0
    if before >= revision:
        return found
    found[REVISION] = str(revision)
    if before:
        told = str(at(sets.new, "metadata", "annotations", HISTORY) or "")
        found[HISTORY] = f"{told},{before}" if told else str(before)
    return found


def new_set(obj: Object, sets: Sets, count: int) -> Object:
    """A replica set for the present template."""
    spec = obj["spec"]
    digest = template_hash(spec["template"], at(obj, "status", "collisionCount") or 0)
    template: Object = spec["template"]
    metadata: Object = template.get("metadata") or {}
    said: dict[str, str] = metadata.get("labels") or {}
    labels = {**said, HASH: digest}
    selector: Object = spec["selector"]
    name = f"{obj['metadata']['name'][: SUBDOMAIN_LENGTH - len(digest) - 1]}-{digest}"
    made: Object = {
        "replicas": count,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: digest}},
        "template": {**template, "metadata": {**metadata, "labels": labels}},
    }
    if spec.get("minReadySeconds"):
        made["minReadySeconds"] = spec["minReadySeconds"]
    annotations = {**revision_annotations(obj, sets), **size_annotations(obj)}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": made,
    }
