"""Clears away what wherry has left in a namespace: pods that are over, runtimes that no pod mounts, orphaned secrets.

Called by the service for `prune` of a target.  Invariant: nothing that a pod in the namespace still uses goes, whoever
made the pod; and nothing that does not carry wherry's labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from wherry.kube.errors import NotFound
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import CONFIGMAPS, PODS, SECRETS, Resource
from wherry.pipelines.pods import RUN_LABEL, SELECTOR
from wherry.pipelines.runtime_map import RUNTIME_LABEL
from wherry.pipelines.verdicts import made_at

_OVER = ("Succeeded", "Failed")


class Leftover(NamedTuple):
    """An object that nobody needs."""

    resource: Resource
    name: str


def leftovers(
    pods: list[Object],
    config_maps: list[Object],
    secrets: list[Object],
    *,
    live: Collection[str],
    before: float,
    keeping: Collection[str],
) -> Iterator[Leftover]:
    """What may go, of the objects of one namespace that were made `before` (epoch seconds) or earlier.

    `live` are the ids of runs that are driven from here, `keeping` are the ConfigMaps that new pods mount.
    """
    gone = {
        pod["metadata"]["name"]
        for pod in pods
        if _is_old(pod, before) and _phase(pod) in _OVER and _labels(pod).get(RUN_LABEL) not in live
    }
    yield from (Leftover(PODS, name) for name in sorted(gone))
    staying = [pod for pod in pods if pod["metadata"]["name"] not in gone]
    mounted = {name for pod in staying for name in config_maps_of(pod["spec"].get("volumes") or ())}
    for each in config_maps:
        name = each["metadata"]["name"]
        if RUNTIME_LABEL in _labels(each) and _is_old(each, before) and name not in keeping and name not in mounted:
            yield Leftover(CONFIGMAPS, name)
    names = {pod["metadata"]["name"] for pod in staying}
    for each in secrets:  # one with an owner goes with it
        if _is_old(each, before) and not each["metadata"].get("ownerReferences") and _name(each) not in names:
            yield Leftover(SECRETS, _name(each))


async def clear(
    kube: Kube, namespace: str, *, live: Collection[str], before: float, keeping: Collection[str], dry_run: bool = False
) -> list[str]:
    """Delete the leftovers of a namespace; their names, as `pod/NAME`.  Raises KubeError."""
    pods = (await kube.list(PODS, namespace)).items
    config_maps = (await kube.list(CONFIGMAPS, namespace, labels=RUNTIME_LABEL)).items
    secrets = (await kube.list(SECRETS, namespace, labels=SELECTOR)).items
    ours = [pod for pod in pods if RUN_LABEL in _labels(pod)]
    others = [pod for pod in pods if RUN_LABEL not in _labels(pod)]
    found = list(leftovers(ours, config_maps, secrets, live=live, before=before, keeping=keeping))
    mounted = {name for pod in others for name in config_maps_of(pod["spec"].get("volumes") or ())}
    cleared: list[str] = []
    for each in found:
        if each.resource is CONFIGMAPS and each.name in mounted:
            continue
        if not dry_run:
            try:
                await kube.delete(
                    each.resource, each.name, namespace, grace_period_s=0 if each.resource is PODS else None
                )
            except NotFound:
                continue
        cleared.append(f"{each.resource.kind.lower()}/{each.name}")
    return cleared


def _is_old(obj: Object, before: float) -> bool:
    return made_at(obj) <= before


def _name(obj: Object) -> str:
    return obj["metadata"]["name"]


def _labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _phase(pod: Object) -> str:
    status: dict[str, Any] = pod.get("status") or {}
    return status.get("phase") or ""


def config_maps_of(volumes: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ConfigMaps behind volumes of pods."""
    return {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
