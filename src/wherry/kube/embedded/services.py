"""Services: names under which pods are found.

A row of the registry.  Invariant: a service that has an address of its own keeps it for life, and no other service has
it; the addresses are of 127.0.0.0/8, so that asking one that nobody serves fails at once.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import (
    choice,
    duplicate,
    forbidden_field,
    invalid_value,
    mappings_at,
    named,
    objects,
    port_number,
    port_target,
    required,
    whole,
)
from wherry.kube.embedded.columns import AGE, NAME, Column, at, labels_cell, text
from wherry.kube.embedded.kinds import METADATA_FIELDS, Kind
from wherry.kube.embedded.metadata import label_causes
from wherry.kube.embedded.transaction import Transaction
from wherry.kube.errors import Cause
from wherry.kube.names import dns_1035_label_error, dns_label_error, dns_subdomain_error
from wherry.kube.protocol import Object
from wherry.kube.resources import SERVICES

HEADLESS = "None"
ADDRESSES = ipaddress.ip_network("127.192.0.0/10")
"""Where services have their addresses."""
NODE_PORTS = range(30000, 32768)
TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_OUTSIDE = ("NodePort", "LoadBalancer")  # types that have ports of the node
_STICKY_S = 10800


def _default_service(obj: Object) -> None:
    spec: Any = obj.get("spec")
    if not isinstance(spec, dict):
        return
    fields = cast("dict[str, Any]", spec)
    for key, value in (("type", "ClusterIP"), ("sessionAffinity", "None")):
        if not fields.get(key):
            fields[key] = value
    if fields["sessionAffinity"] == "ClientIP" and fields.get("sessionAffinityConfig") is None:
        fields["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _STICKY_S}}
    for port in objects(fields, "ports"):
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, "", 0):
            port["targetPort"] = port.get("port")
    if fields["type"] in _OUTSIDE:
        fields.setdefault("externalTrafficPolicy", "Cluster")
    if fields["type"] == "LoadBalancer":
        fields.setdefault("allocateLoadBalancerNodePorts", True)
    if fields["type"] != "ExternalName":
        fields.setdefault("internalTrafficPolicy", "Cluster")
        fields.setdefault("ipFamilies", ["IPv4"])
        fields.setdefault("ipFamilyPolicy", "SingleStack")


def _begin_service(obj: Object) -> None:
    obj["status"] = {"loadBalancer": {}}


def _validate_service(obj: Object) -> list[Cause]:
    spec: Any = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes: list[Cause] = []
    fields = cast("dict[str, Any]", spec)
    kind: Any = fields.get("type")
    causes += choice("spec.type", kind, TYPES)
    ports = mappings_at(fields, "ports", "spec.ports", causes)
    headless = fields.get("clusterIP") == HEADLESS
    if not ports and not headless and kind != "ExternalName":
        causes.append(required("spec.ports"))
    causes += _ports(ports, str(kind))
    causes += choice("spec.sessionAffinity", fields.get("sessionAffinity"), ("None", "ClientIP"))
    if (selector := fields.get("selector")) is not None:
        causes += label_causes("spec.selector", selector)
    causes += _outside_rules(fields) if kind == "ExternalName" else _family_rules(fields)
    if headless and kind in _OUTSIDE:
        causes.append(invalid_value("spec.clusterIPs[0]", HEADLESS, f"may not be set to 'None' for {kind} services"))
    return causes


def _ports(ports: list[dict[str, Any]], kind: str) -> Iterator[Cause]:
    names: set[str] = set()
    numbers: set[tuple[Any, str]] = set()
    for index, port in enumerate(ports):
        field = f"spec.ports[{index}]"
        name: Any = port.get("name")
        if name or len(ports) > 1:
            yield from named(f"{field}.name", name, dns_label_error)
        if isinstance(name, str) and name and name in names:
            yield duplicate(f"{field}.name", name)
        names.add(str(name))
        yield from port_number(f"{field}.port", port.get("port"))
        yield from choice(f"{field}.protocol", port.get("protocol"), _PROTOCOLS)
        yield from port_target(f"{field}.targetPort", port.get("targetPort"))
        number: Any = port.get("nodePort")
        if number:
            if kind not in _OUTSIDE:
                yield forbidden_field(f"{field}.nodePort", "may not be used when `type` is 'ClusterIP'")
            elif not whole(number) or number not in NODE_PORTS:
                low, high = NODE_PORTS.start, NODE_PORTS.stop - 1
                yield invalid_value(
                    f"{field}.nodePort", number, f"provided port is not in the valid range. The range is {low}-{high}"
                )
        key = (str(port.get("port")), str(port.get("protocol")))
        if key in numbers:
            yield duplicate(field, {"protocol": port.get("protocol"), "port": port.get("port")})
        numbers.add(key)


def _outside_rules(spec: dict[str, Any]) -> Iterator[Cause]:
    """An ExternalName is a name for a name, and has no address."""
    if spec.get("clusterIP"):
        yield forbidden_field("spec.clusterIPs[0]", "may not be set for ExternalName services")
    name: Any = spec.get("externalName")
    yield from named(
        "spec.externalName", name.removesuffix(".") if isinstance(name, str) else name, dns_subdomain_error
    )


def _family_rules(spec: dict[str, Any]) -> Iterator[Cause]:
    """There is one family of addresses here."""
    if spec.get("ipFamilies") != ["IPv4"]:
        yield invalid_value("spec.ipFamilies", spec.get("ipFamilies"), "this cluster has IPv4 addresses only")
    policy: Any = spec.get("ipFamilyPolicy")
    if policy == "RequireDualStack":
        yield invalid_value("spec.ipFamilyPolicy", policy, "this cluster is not configured for dual-stack services")
    else:
        yield from choice("spec.ipFamilyPolicy", policy, ("SingleStack", "PreferDualStack", "RequireDualStack"))
    address: Any = spec.get("clusterIP")
    if address not in (None, "", HEADLESS) and (not isinstance(address, str) or not _is_address(address)):
        yield invalid_value("spec.clusterIPs[0]", address, "must be a valid IP address")


def _is_address(value: str) -> bool:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


def _update_service(old: Object, new: Object) -> list[Cause]:
    """A client need not know what the server gave the service; and may not change its address."""
    before, after = old["spec"], new["spec"]
    had: Any = before.get("clusterIP") or ""
    if after["type"] == "ExternalName":
        return []
    if not after.get("clusterIP") and had:
        after["clusterIP"] = had
    elif had and after.get("clusterIP") != had:
        return [invalid_value("spec.clusterIPs[0]", [after["clusterIP"]], "may not change once set")]
    if after["type"] in _OUTSIDE:
        given = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in objects(before, "ports")}
        for port in objects(after, "ports"):
            known: Any = given.get((port.get("protocol"), port.get("port")))
            if not port.get("nodePort") and known:
                port["nodePort"] = known
    return []


def _allocate(transaction: Transaction, obj: Object, old: Object | None) -> list[Cause]:
    """Gives the service the address and the ports of the node that it has none of."""
    spec = obj["spec"]
    causes: list[Cause] = []
    if spec["type"] == "ExternalName":
        for key in ("clusterIP", "clusterIPs"):
            spec.pop(key, None)
        return []
    address: str = spec.get("clusterIP") or ""
    listed: Any = spec.get("clusterIPs")
    if listed and listed != [address] and (old is None or old["spec"].get("clusterIPs") != listed):
        return [invalid_value("spec.clusterIPs", listed, "element [0] must match clusterIP")]
    if not address:
        spec["clusterIP"] = _free_address(transaction, obj["metadata"]["uid"])
    elif address != HEADLESS and (old is None or old["spec"].get("clusterIP") != address):
        causes += _claimed(transaction, address)
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in _OUTSIDE:
        known = objects(old["spec"], "ports") if old is not None else []
        mine: set[int] = {port["nodePort"] for port in known if port.get("nodePort")}
        causes += _node_ports(transaction, objects(spec, "ports"), mine)
    return causes


def _taken(transaction: Transaction, needle: str) -> bool:
    """Whether the stored form of some service holds a text."""
    found = transaction.tx.execute(
        "SELECT 1 FROM kube_object WHERE resource = ? AND instr(CAST(body AS TEXT), ?) LIMIT 1",
        (SERVICES.qualified, needle),
    )
    return found.fetchone() is not None


def _free_address(transaction: Transaction, uid: str) -> str:
    """An address that follows from the uid, or the next one that is free."""
    size = ADDRESSES.num_addresses - 2
    place = zlib.crc32(uid.encode()) % size
    while True:
        address = str(ADDRESSES[1 + place])
        if not _taken(transaction, f'"clusterIP":"{address}"'):
            return address
        place = (place + 1) % size


def _claimed(transaction: Transaction, address: str) -> Iterator[Cause]:
    field = "spec.clusterIPs"
    if ipaddress.ip_address(address) not in ADDRESSES:
        why = f"failed to allocate IP {address}: the provided IP ({address}) is not in the valid range."
        yield invalid_value(field, [address], f"{why} The range of valid IPs is {ADDRESSES}")
    elif _taken(transaction, f'"clusterIP":"{address}"'):
        yield invalid_value(field, [address], f"failed to allocate IP {address}: provided IP is already allocated")


def _node_ports(transaction: Transaction, ports: list[dict[str, Any]], mine: set[int]) -> Iterator[Cause]:
    for index, port in enumerate(ports):
        number: int = port.get("nodePort") or 0
        if not number:
            port["nodePort"] = next(each for each in NODE_PORTS if not _taken(transaction, f'"nodePort":{each}'))
        elif number not in mine and _taken(transaction, f'"nodePort":{number}'):
            yield invalid_value(f"spec.ports[{index}].nodePort", number, "provided port is already allocated")
        mine.add(port["nodePort"])


def _cluster_ip(service: Object, now: float) -> str:
    return str(at(service, "spec", "clusterIP") or "<none>")


def _external_ip(service: Object, now: float) -> str:
    kind = at(service, "spec", "type")
    if kind == "ExternalName":
        return str(at(service, "spec", "externalName") or "<none>")
    given: Any = at(service, "spec", "externalIPs")
    found = [str(item) for item in cast("list[Any]", given)] if isinstance(given, list) else []
    if kind == "LoadBalancer":
        ingress = objects(at(service, "status", "loadBalancer") or {}, "ingress")
        found += [str(item.get("ip") or item.get("hostname")) for item in ingress]
        return ",".join(found) or "<pending>"
    return ",".join(found) or "<none>"


def _port_list(service: Object, now: float) -> str:
    shown: list[str] = []
    for port in objects(at(service, "spec") or {}, "ports"):
        outside = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port.get('port')}{outside}/{port.get('protocol')}")
    return ",".join(shown) or "<none>"


_COLUMNS = (
    NAME,
    Column("Type", text("spec", "type")),
    Column("Cluster-IP", _cluster_ip),
    Column("External-IP", _external_ip),
    Column("Port(s)", _port_list),
    AGE,
    Column("Selector", labels_cell("spec", "selector"), priority=1),
)
SERVICE = Kind(
    SERVICES,
    short_names=("svc",),
    categories=("all",),
    columns=_COLUMNS,
    fields={**METADATA_FIELDS, "spec.clusterIP": ("spec", "clusterIP"), "spec.type": ("spec", "type")},
    has_status=True,
    name_error=dns_1035_label_error,
    default=_default_service,
    begin=_begin_service,
    validate=_validate_service,
    validate_update=_update_service,
    allocate=_allocate,
)
KINDS = (SERVICE,)
