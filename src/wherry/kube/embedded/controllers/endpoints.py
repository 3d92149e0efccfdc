"""Endpoints and EndpointSlices: where the pods of each service are, and which of them are ready.

Loaded by `starting` with the first Service.  Source: the documentation of Services and EndpointSlices.  Invariant: what
is written follows from the service and its pods, or from the Endpoints that somebody made for a service that selects
nothing, which are left alone and mirrored; no slice has more endpoints than the API server takes, and an endpoint stays
in its slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from wherry.kube.controller import Change, Controller, Plan, controller_of
from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.mirroring import MANAGED_BY, SERVICE_NAME, paired, wanted
from wherry.kube.embedded.controllers.pods import condition, deleting, finished
from wherry.kube.patches import merge_patch
from wherry.kube.protocol import Object
from wherry.kube.resources import ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES

HEADLESS = "service.kubernetes.io/headless"
_CONTROLLER = "endpointslice-controller.k8s.io"
IN_SLICE = 100  # endpoints, as upstream's --max-endpoints-per-slice
IN_ENDPOINTS = 1000  # addresses; what is above is left out, and said so
_OVER = "endpoints.kubernetes.io/over-capacity"

Ports = tuple[tuple[str, int | None, str, str | None], ...]
"""Name, number, protocol and application protocol of each port."""


class Endpoint(NamedTuple):
    """One pod of a service."""

    pod: Object
    address: str
    ports: Ports
    ready: bool
    serving: bool
    terminating: bool
    hostname: str

    @property
    def reference(self) -> Object:
        """What the address stands for."""
        metadata = self.pod["metadata"]
        return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def selects(service: Object, pod: Object) -> bool:
    """Whether the service is about the pod."""
    selector: Mapping[str, str] | None = at(service, "spec", "selector")
    if not selector or at(service, "spec", "type") == "ExternalName":
        return False
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _is_of(service: Object, other: Object) -> bool:
    """Whether these Endpoints, which nobody controls, stand where the service's would."""
    return other["kind"] == "Endpoints" and other["metadata"]["name"] == service["metadata"]["name"]


def plan(service: Object, children: Sequence[Object], now: datetime) -> Plan:
    """Brings the service's Endpoints and its slices to what its pods say."""
    if not at(service, "spec", "selector") or at(service, "spec", "type") == "ExternalName":
        return _mirrored(service, children)
    found = [each for each in (_endpoint(service, pod) for pod in children if pod["kind"] == "Pod") if each]
    create: list[Object] = []
    change: list[Change] = []
    delete: list[Object] = []
    mine = [each for each in children if each["kind"] == "EndpointSlice"]
    wanted = _endpoints(service, found)
    known = next((each for each in children if each["kind"] == "Endpoints"), None)
    if known is None:
        create.append(wanted)
    elif patch := _difference(known, wanted):
        change.append(Change(known, patch))
    for slice, endpoints, ports in _slices(found, mine):
        if slice is None:
            create.append(_slice(service, endpoints, ports))
        elif not endpoints and len(mine) - len(delete) > 1:
            delete.append(slice)
        elif patch := _difference(slice, _slice(service, endpoints, ports)):
            change.append(Change(slice, patch))
    return Plan(change=change, create=create, delete=delete)


def _mirrored(service: Object, children: Sequence[Object]) -> Plan:
    """Brings the slices to what hand-made Endpoints say; what was made while the service had a selector goes."""
    mine = [each for each in children if each["kind"] != "Pod" and controller_of(each) == service["metadata"]["uid"]]
    slices = [each for each in mine if each["kind"] == "EndpointSlice"]
    hand_made = (each for each in children if each["kind"] == "Endpoints" and not controller_of(each))
    external = at(service, "spec", "type") == "ExternalName"
    shall_be = wanted(service, None if external else next(hand_made, None))
    create: list[Object] = []
    change: list[Change] = []
    delete = [each for each in mine if each["kind"] == "Endpoints"]
    for known, slice in paired(shall_be, slices):
        if slice is None:
            delete += [known] if known else []
        elif known is None:
            create.append(slice)
        elif patch := _difference(known, slice):
            change.append(Change(known, patch))
    return Plan(create=create, change=change, delete=delete)


def _endpoint(service: Object, pod: Object) -> Endpoint | None:
    """The pod as an endpoint; None while it has no address, and when it is over."""
    address: Any = at(pod, "status", "podIP")
    if not address or finished(pod):
        return None
    ready = (condition(pod, "Ready") or {}).get("status") == "True"
    terminating = deleting(pod)
    published = at(service, "spec", "publishNotReadyAddresses") is True
    spec = pod["spec"]
    named = spec.get("hostname") if spec.get("subdomain") == service["metadata"]["name"] else ""
    return Endpoint(
        pod,
        address,
        _ports(service, pod),
        ready=published or (ready and not terminating),
        serving=ready,
        terminating=terminating,
        hostname=named or "",
    )


def _ports(service: Object, pod: Object) -> Ports:
    """The service's ports as this pod has them; a name that none of its containers' ports has is left out."""
    found: list[tuple[str, int | None, str, str | None]] = []
    for port in objects(service["spec"], "ports"):
        number = _target(port, pod)
        if number is not None:
            found.append((port.get("name") or "", number, port["protocol"], port.get("appProtocol")))
    return tuple(found)


def _target(port: Object, pod: Object) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    sidecars = [each for each in objects(spec, "initContainers") if each.get("restartPolicy") == "Always"]
    for container in (*objects(spec, "containers"), *sidecars):
        for declared in objects(container, "ports"):
            if declared.get("name") == target and declared.get("protocol", "TCP") == port["protocol"]:
                return int(declared["containerPort"])
    return None


def _labels(service: Object) -> dict[str, str]:
    """A service's own labels are those of its endpoints."""
    labels: dict[str, str] = dict(service["metadata"].get("labels") or {})
    if at(service, "spec", "clusterIP") == "None":
        labels[HEADLESS] = ""
    return labels


def _endpoints(service: Object, found: Iterable[Endpoint]) -> Object:
    subsets: dict[Ports, dict[str, list[Object]]] = {}
    counted = [each for each in found if not each.terminating or each.ready]
    for each in sorted(counted, key=lambda each: each.address)[:IN_ENDPOINTS]:
        address: Object = {
            "ip": each.address,
            "nodeName": each.pod["spec"].get("nodeName"),
            "targetRef": each.reference,
        }
        if each.hostname:
            address["hostname"] = each.hostname
        group = subsets.setdefault(each.ports, {})
        group.setdefault("addresses" if each.ready else "notReadyAddresses", []).append(address)
    metadata: Object = {"name": service["metadata"]["name"], "labels": _labels(service)}
    if len(counted) > IN_ENDPOINTS:
        metadata["annotations"] = {_OVER: "truncated"}
    listed = [
        {**group, "ports": _shown(ports)} if ports else group for ports, group in sorted(subsets.items(), key=str)
    ]
    wanted: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    return {**wanted, "subsets": listed} if listed else wanted


def _shown(ports: Ports) -> list[Object]:
    found: list[Object] = []
    for name, number, protocol, application in ports:
        port: Object = {"port": number, "protocol": protocol}
        if name:
            port["name"] = name
        if application:
            port["appProtocol"] = application
        found.append(port)
    return found


def _slices(
    found: Sequence[Endpoint], there: Sequence[Object]
) -> Iterable[tuple[Object | None, list[Endpoint], Ports]]:
    """Each slice with what it shall hold: what it holds already, then what is new where there is room, then new
    slices.  A service without endpoints has one empty slice."""
    left = {each.pod["metadata"]["uid"]: each for each in found}
    held: list[tuple[Object, Ports, list[Endpoint]]] = []
    for slice in there:
        ports = _ports_of(slice)
        uids = [at(each, "targetRef", "uid") for each in objects(slice, "endpoints")]
        kept = [left.pop(uid) for uid in uids if uid in left and left[uid].ports == ports]
        held.append((slice, ports, kept))
    groups: dict[Ports, list[Endpoint]] = {}
    for each in left.values():
        groups.setdefault(each.ports, []).append(each)
    for slice, ports, kept in held:
        if not kept and ports not in groups and groups:
            ports = next(iter(groups))
        room = groups.get(ports, [])
        taken, groups[ports] = room[: IN_SLICE - len(kept)], room[IN_SLICE - len(kept) :]
        if not groups[ports]:
            del groups[ports]
        yield slice, [*kept, *taken], ports
    for ports, new in groups.items():
        for first in range(0, len(new), IN_SLICE):
            yield None, new[first : first + IN_SLICE], ports
    if not there and not found:
        yield None, [], ()


def _ports_of(slice: Object) -> Ports:
    ports = objects(slice, "ports")
    return tuple(
        (each.get("name") or "", each.get("port"), each.get("protocol", "TCP"), each.get("appProtocol"))
        for each in ports
    )


def _slice(service: Object, endpoints: Iterable[Endpoint], ports: Ports) -> Object:
    name: str = service["metadata"]["name"]
    labels = _labels(service) | {SERVICE_NAME: name, MANAGED_BY: _CONTROLLER}
    items: list[Object] = []
    for each in endpoints:
        conditions = {"ready": each.ready, "serving": each.serving, "terminating": each.terminating}
        item: Object = {"addresses": [each.address], "conditions": conditions, "targetRef": each.reference}
        item["nodeName"] = each.pod["spec"].get("nodeName")
        if each.hostname:
            item["hostname"] = each.hostname
        items.append(item)
    listed = [{"name": "", **port} for port in _shown(ports)]
    return {
        "apiVersion": ENDPOINTSLICES.api_version,
        "kind": ENDPOINTSLICES.kind,
        "metadata": {"generateName": f"{name}-", "labels": labels},
        "addressType": "IPv4",
        "endpoints": items,
        "ports": listed,
    }


def _difference(known: Object, wanted: Object) -> Object:
    """The merge patch from one to the other, of what the controller says."""
    fields = [key for key in ("subsets", "endpoints", "ports") if key in known or key in wanted]
    patch = merge_patch({key: known.get(key) for key in fields}, {key: wanted.get(key) for key in fields})
    changed: Object = {key: wanted.get(key) for key in fields if key in patch}
    before: Object = {key: known["metadata"].get(key) or {} for key in ("labels", "annotations")}
    after: Object = {key: wanted["metadata"].get(key) or {} for key in ("labels", "annotations")}
    metadata = merge_patch(before, after)
    return changed | ({"metadata": metadata} if metadata else {})


CONTROLLERS = (
    Controller(
        "endpoints-controller",
        SERVICES,
        (ENDPOINTS, ENDPOINTSLICES),
        plan,
        related=_is_of,
        observes=(PODS,),
        concerned=selects,
    ),
)
