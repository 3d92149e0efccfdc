"""What a StatefulSet's pods are called, keep and are made from: ordinals, claims, revisions.

Called by `statefulsets`; pure.  Source: the documentation of StatefulSets (pod identity, persistentVolumeClaim
retention) and of ControllerRevisions.  Invariant: a name tells the set and the ordinal, and nothing else does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from wherry.kube.controller import Change, controller_of
from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.pods import chosen_by, deleting, from_template
from wherry.kube.embedded.controllers.revisions import safe_text
from wherry.kube.embedded.workload_rules import mapping
from wherry.kube.names import SUBDOMAIN_LENGTH
from wherry.kube.patches import same
from wherry.kube.protocol import Object

REVISION_LABEL = "controller-revision-hash"
POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_HASH = "controller.kubernetes.io/hash"
_encode = msgspec.json.Encoder(order="deterministic").encode


class Set:
    """A StatefulSet as its controller reads it."""

    def __init__(self, obj: Object) -> None:
        self.obj = obj
        spec = obj["spec"]
        self.name: str = obj["metadata"]["name"]
        self.start: int = mapping(spec.get("ordinals")).get("start", 0)
        self.ordinals = range(self.start, self.start + spec["replicas"])
        self.ordered: bool = spec["podManagementPolicy"] == "OrderedReady"
        self.least_s: int = spec.get("minReadySeconds") or 0
        self.chosen = chosen_by(obj)
        self.retention: Object = spec.get("persistentVolumeClaimRetentionPolicy") or {}


def ordinal_of(obj: Object, child: Object) -> int:
    """The ordinal in the name of a pod, -1 when it is none of this set."""
    return _ordinal(child["metadata"]["name"], obj["metadata"]["name"])


def _ordinal(name: str, prefix: str) -> int:
    head, dash, digits = name.rpartition("-")
    if head != prefix or not dash or not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        return -1
    return int(digits) if str(int(digits)) == digits else -1


def _claim_ordinal(obj: Object, name: str) -> int:
    """The ordinal in the name of a claim, -1 when it is made from none of the templates."""
    own: str = obj["metadata"]["name"]
    prefixes = [f"{claim['metadata']['name']}-{own}" for claim in objects(obj["spec"], "volumeClaimTemplates")]
    return next((found for prefix in prefixes if (found := _ordinal(name, prefix)) >= 0), -1)


def related(obj: Object, child: Object) -> bool:
    """Whether something that nobody controls is of this set: by its labels, pods and claims by their names, too."""
    if not chosen_by(obj)(child):
        return False
    if child["kind"] == "PersistentVolumeClaim":
        return _claim_ordinal(obj, child["metadata"]["name"]) >= 0
    if deleting(child):
        return False
    return child["kind"] == "ControllerRevision" or ordinal_of(obj, child) >= 0


def revision_of(pod: Object) -> str:
    """The revision that the pod was made from."""
    return str(at(pod, "metadata", "labels", REVISION_LABEL) or "")


# --- revisions


class History(NamedTuple):
    """Revisions of the template: `update` is the present one, `current` the one before an update is complete."""

    obj: Object
    current: str
    update: str
    stored: list[Object]
    create: Sequence[Object]
    change: Sequence[Change]

    def template(self, name: str) -> Object:
        """The template of a revision; the present one when that is no longer known."""
        found = next((item for item in self.stored if item["metadata"]["name"] == name), None)
        if name == self.update or found is None:
            return self.obj["spec"]["template"]
        return {key: value for key, value in found["data"]["spec"]["template"].items() if key != "$patch"}

    def outdated(self, pods: Iterable[Object]) -> list[Object]:
        """Revisions that nobody uses, beyond those that are kept; the oldest first."""
        used = {self.current, self.update, *map(revision_of, pods)}
        idle = [item for item in self.stored if item["metadata"]["name"] not in used]
        limit: int = self.obj["spec"].get("revisionHistoryLimit", 10)
        return idle[: max(0, len(idle) - limit)]


def history_of(obj: Object, children: Iterable[Object]) -> History:
    """The revisions there are, and what has to be made or renumbered for the present template."""
    uid = obj["metadata"]["uid"]
    mine = [child for child in children if controller_of(child) == uid]
    stored = sorted(mine, key=lambda item: (item.get("revision", 0), item["metadata"]["name"]))
    data = {"spec": {"template": {**obj["spec"]["template"], "$patch": "replace"}}}
    number = stored[-1]["revision"] + 1 if stored else 1
    known = next((item for item in reversed(stored) if same(item.get("data"), data)), None)
    create, change = list[Object](), list[Change]()
    if known is None:
        made = _new_revision(obj, data, number)
        create.append(made)
        update: str = made["metadata"]["name"]
    else:
        update = known["metadata"]["name"]
        if known is not stored[-1]:
            change.append(Change(known, {"revision": number}))
    current = at(obj, "status", "currentRevision") or update
    return History(obj, current, update, stored, create, change)


def _new_revision(obj: Object, data: Object, number: int) -> Object:
    digest = safe_text(hashlib.sha256(_encode(data)).digest())
    labels: dict[str, str] = at(obj, "spec", "template", "metadata", "labels") or {}
    name = f"{obj['metadata']['name'][: SUBDOMAIN_LENGTH - len(digest) - 1]}-{digest}"
    metadata = {"name": name, "labels": {**labels, _HASH: digest}}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": data,
        "revision": number,
    }


# --- pods


def new_pod(own: Set, ordinal: int, history: History) -> Object:
    """The pod of an ordinal: below the partition of an update it is still of the current revision."""
    strategy = own.obj["spec"]["updateStrategy"]
    partition = mapping(strategy.get("rollingUpdate")).get("partition", 0)
    revision = history.current if ordinal < own.start + partition else history.update
    name = f"{own.name}-{ordinal}"
    labels = {REVISION_LABEL: revision, POD_NAME: name, POD_INDEX: str(ordinal)}
    made = from_template(history.template(revision), labels)
    spec: Object = {**made["spec"], "hostname": name}
    if own.obj["spec"].get("serviceName"):
        spec["subdomain"] = own.obj["spec"]["serviceName"]
    claims = claims_of(own, ordinal)
    if claims:
        volumes = {
            template["metadata"]["name"]: {"claimName": claim["metadata"]["name"]}
            for template, claim in zip(objects(own.obj["spec"], "volumeClaimTemplates"), claims, strict=True)
        }
        others = [volume for volume in objects(spec, "volumes") if volume["name"] not in volumes]
        spec["volumes"] = [*({"name": key, "persistentVolumeClaim": value} for key, value in volumes.items()), *others]
    return {**made, "metadata": {**made["metadata"], "name": name}, "spec": spec}


# --- claims


def claims_of(own: Set, ordinal: int) -> list[Object]:
    """The claims of an ordinal, one of each template; they outlive the pod, and by default the set."""
    found: list[Object] = []
    chosen: dict[str, str] = mapping(own.obj["spec"]["selector"]).get("matchLabels") or {}
    for template in objects(own.obj["spec"], "volumeClaimTemplates"):
        said: Object = template["metadata"]
        metadata: Object = {key: said[key] for key in ("labels", "annotations") if said.get(key)}
        metadata["name"] = f"{said['name']}-{own.name}-{ordinal}"
        metadata["labels"] = {**(metadata.get("labels") or {}), **chosen}
        owners = _owners(own, ordinal, None)
        if owners:
            metadata["ownerReferences"] = owners
        made = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
        found.append(made)
    return found


class Kept(NamedTuple):
    """Claims that get other owners, and claims that go."""

    change: list[Change]
    delete: list[Object]


def keep_claims(own: Set, pods: dict[int, Object], claims: Iterable[Object]) -> Kept:
    """Brings the owners of claims to what the retention policy says: the set, or a pod that is to go."""
    kept = Kept([], [])
    uids = {own.obj["metadata"]["uid"], *(pod["metadata"]["uid"] for pod in pods.values())}
    for claim in claims:
        ordinal = _claim_ordinal(own.obj, claim["metadata"]["name"])
        surplus = ordinal not in own.ordinals and own.retention.get("whenScaled") == "Delete"
        pod = pods.get(ordinal)
        if surplus and pod is None and not deleting(claim):
            kept.delete.append(claim)
            continue
        references: list[dict[str, Any]] = claim["metadata"].get("ownerReferences") or []
        foreign = [item for item in references if item["uid"] not in uids and item["kind"] not in ("Pod",)]
        wanted = [*foreign, *_owners(own, ordinal, pod)]
        if not same(wanted, references) and not deleting(claim):
            kept.change.append(Change(claim, {"metadata": {"ownerReferences": wanted or None}}))
    return kept


def _owners(own: Set, ordinal: int, pod: Object | None) -> list[Any]:
    found: list[Any] = []
    if own.retention.get("whenDeleted") == "Delete":
        found.append(_reference(own.obj))
    if pod is not None and ordinal not in own.ordinals and own.retention.get("whenScaled") == "Delete":
        found.append(_reference(pod))
    return found


def _reference(obj: Object) -> Object:
    metadata = obj["metadata"]
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": metadata["name"], "uid": metadata["uid"]}
