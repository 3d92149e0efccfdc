"""Pods: their defaults, what may change, how long they take to end.

The pod row of the registry; whole-object validation is in `pod_rules`.  Invariant: a stored pod has every default
that a node agent reads, so that nothing below has to know them.
"""

from __future__ import annotations

from typing import Any, cast

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.kinds import METADATA_FIELDS, Kind
from wherry.kube.embedded.pod_columns import POD_COLUMNS
from wherry.kube.embedded.pod_rules import validate_pod
from wherry.kube.errors import Cause
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.resources import PODS

GRACE_S = 30
FINAL_PHASES = ("Succeeded", "Failed")

_SPEC_DEFAULTS: dict[str, Any] = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": GRACE_S,
}
_PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_FILE_MODE = 0o644


def _default_pod(obj: Object) -> None:
    default_template(obj)
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    fields = cast("dict[str, Any]", spec)
    if fields.get("enableServiceLinks") is None:
        fields["enableServiceLinks"] = True
    for container in (*objects(fields, "containers"), *objects(fields, "initContainers")):
        resources = container.get("resources")
        if isinstance(resources, dict):
            _default_requests(cast("dict[str, Any]", resources))


def default_template(template: Object) -> None:
    """Completes the spec in a pod, or in the template of one, as far as both have the same defaults."""
    spec = template.get("spec")
    if not isinstance(spec, dict):
        return
    fields = cast("dict[str, Any]", spec)
    for key, value in _SPEC_DEFAULTS.items():
        if fields.get(key) is None:
            fields[key] = value
    fields.setdefault("securityContext", {})
    for container in (*objects(fields, "containers"), *objects(fields, "initContainers")):
        _default_container(container)
    for volume in objects(fields, "volumes"):
        _default_volume(volume)


def _default_container(container: dict[str, Any]) -> None:
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = _pull_policy(str(container.get("image") or ""))
    container.setdefault("resources", {})
    for port in objects(container, "ports"):
        port.setdefault("protocol", "TCP")
    for variable in objects(container, "env"):
        source: Any = variable.get("valueFrom")
        if isinstance(source, dict) and "fieldRef" in source:
            reference: Any = cast("dict[str, Any]", source)["fieldRef"]
            if isinstance(reference, dict):
                cast("dict[str, Any]", reference).setdefault("apiVersion", "v1")
    for probe in _PROBES:
        if isinstance(container.get(probe), dict):
            container[probe] = {**_PROBE_DEFAULTS, **container[probe]}


def _default_requests(resources: dict[str, Any]) -> None:
    """What is limited is requested, unless something else is requested of it."""
    limits: Any = resources.get("limits")
    if isinstance(limits, dict) and limits:
        requests: Any = resources.get("requests")
        if requests is None or isinstance(requests, dict):
            resources["requests"] = {**cast("dict[str, Any]", limits), **cast("dict[str, Any]", requests or {})}


def _pull_policy(image: str) -> str:
    """Always for the tag `latest`, said or meant; IfNotPresent for other tags and digests."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def _default_volume(volume: dict[str, Any]) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if isinstance(volume.get(source), dict):
            volume[source].setdefault("defaultMode", _FILE_MODE)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")


def _begin_pod(obj: Object) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": _qos_class(obj["spec"])}


def _qos_class(spec: dict[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort, by the cpu and memory of all containers (pods, quality of service)."""
    guaranteed, any_request = True, False
    for container in (*objects(spec, "containers"), *objects(spec, "initContainers")):
        resources: dict[str, Any] = container.get("resources") or {}
        requests: dict[str, Any] = resources.get("requests") or {}
        limits: dict[str, Any] = resources.get("limits") or {}
        for name in ("cpu", "memory"):
            any_request = any_request or name in requests or name in limits
            guaranteed = guaranteed and name in limits and requests.get(name) == limits[name]
    if not any_request:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _update_pod(old: Object, new: Object) -> list[Cause]:
    """A pod's spec is fixed but for images, deadlines, and more tolerations ("Pod update and replacement")."""
    before, after = old["spec"], new.get("spec")
    if not isinstance(after, dict):
        return []
    causes: list[Cause] = []
    spec = dict(cast("dict[str, Any]", after))
    for field in ("containers", "initContainers"):
        olds, news = objects(before, field), objects(spec, field)
        if len(olds) != len(news):
            return [
                Cause(f"spec.{field}", "Forbidden: pod updates may not add or remove containers", "FieldValueForbidden")
            ]
        if news:
            spec[field] = [{**n, "image": o.get("image")} for o, n in zip(olds, news, strict=True)]
    causes += _deadline_causes(before.get("activeDeadlineSeconds"), spec.pop("activeDeadlineSeconds", None))
    if "activeDeadlineSeconds" in before:
        spec["activeDeadlineSeconds"] = before["activeDeadlineSeconds"]
    tolerations = objects(before, "tolerations")
    if all(toleration in objects(spec, "tolerations") for toleration in tolerations):
        spec.pop("tolerations", None)
        if "tolerations" in before:
            spec["tolerations"] = tolerations
    if not same(before, spec):
        causes.append(
            Cause(
                "spec",
                "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
                "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                "`spec.tolerations` (only additions to existing tolerations),"
                "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
                "FieldValueForbidden",
            )
        )
    return causes


def _deadline_causes(old: Any, new: Any) -> list[Cause]:
    """A deadline may be set or brought nearer."""
    field = "spec.activeDeadlineSeconds"
    if old == new or (old is None and isinstance(new, int)):
        return []
    if not isinstance(new, int):
        return [Cause(field, f"Invalid value: {new!r}: must not update from a positive integer to nil value")]
    if isinstance(old, int) and new > old:
        return [Cause(field, f"Invalid value: {new}: must be less than or equal to previous value")]
    return []


def scheduled(pod: Object) -> bool:
    """Whether a node has the pod: only then does its end take time."""
    return bool(pod["spec"].get("nodeName"))


def _grace_s(pod: Object, requested_s: int | None) -> int:
    """The grace period of a deletion (podStrategy.CheckGracefulDelete)."""
    if not scheduled(pod) or pod.get("status", {}).get("phase") in FINAL_PHASES:
        return 0
    period: Any = pod["spec"].get("terminationGracePeriodSeconds", GRACE_S) if requested_s is None else requested_s
    return 1 if period < 0 else period


POD = Kind(
    PODS,
    fields={
        **METADATA_FIELDS,
        "spec.nodeName": ("spec", "nodeName"),
        "spec.restartPolicy": ("spec", "restartPolicy"),
        "spec.schedulerName": ("spec", "schedulerName"),
        "spec.serviceAccountName": ("spec", "serviceAccountName"),
        "status.phase": ("status", "phase"),
        "status.podIP": ("status", "podIP"),
        "status.nominatedNodeName": ("status", "nominatedNodeName"),
    },
    short_names=("po",),
    categories=("all",),
    columns=POD_COLUMNS,
    has_status=True,
    has_generation=True,
    default=_default_pod,
    begin=_begin_pod,
    validate=validate_pod,
    validate_update=_update_pod,
    grace_s=_grace_s,
)
