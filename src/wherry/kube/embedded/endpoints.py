"""Endpoints and EndpointSlices: where the pods of a service are.

Rows of the registry; written by `controllers.endpoints`, and by users for services that select nothing.  Invariant: an
address is one that a program can dial: no loopback of a user's own, no link-local one; what the controller writes is of
this node.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import (
    choice,
    duplicate,
    immutable,
    invalid_value,
    mappings_at,
    named,
    objects,
    port_number,
    required,
    unsupported,
)
from wherry.kube.embedded.columns import AGE, NAME, Column, at, text
from wherry.kube.embedded.kinds import Kind
from wherry.kube.errors import Cause
from wherry.kube.names import dns_label_error
from wherry.kube.protocol import Object
from wherry.kube.resources import ENDPOINTS, ENDPOINTSLICES

ADDRESS_TYPES = ("IPv4", "IPv6", "FQDN")
SLICE_LIMIT = 1000  # endpoints in one slice; the API server takes no more
_PORTS_LIMIT = 100
_SHOWN = 3
_PROTOCOLS = ("TCP", "UDP", "SCTP")


def _default_endpoints(obj: Object) -> None:
    for subset in objects(obj, "subsets"):
        for port in objects(subset, "ports"):
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def _validate_endpoints(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    for index, subset in enumerate(mappings_at(obj, "subsets", "subsets", causes)):
        field = f"subsets[{index}]"
        lists = {
            key: mappings_at(subset, key, f"{field}.{key}", causes)
            for key in ("addresses", "notReadyAddresses", "ports")
        }
        if not lists["addresses"] and not lists["notReadyAddresses"]:
            causes.append(required(field, "must specify `addresses` or `notReadyAddresses`"))
        for key in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(lists[key]):
                causes += _address(f"{field}.{key}[{place}].ip", address.get("ip"))
        for place, port in enumerate(lists["ports"]):
            name: Any = port.get("name")
            if name or len(lists["ports"]) > 1:
                causes += named(f"{field}.ports[{place}].name", name, dns_label_error)
            causes += port_number(f"{field}.ports[{place}].port", port.get("port"))
            causes += choice(f"{field}.ports[{place}].protocol", port.get("protocol"), _PROTOCOLS)
    return causes


def _address(field: str, value: Any) -> Iterator[Cause]:
    try:
        address = ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        yield invalid_value(field, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
        return
    if address.is_unspecified:
        yield invalid_value(field, value, f"may not be unspecified ({address})")
    elif address.is_link_local:
        yield invalid_value(field, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    elif address.is_multicast:
        yield invalid_value(field, value, "may not be in the multicast range (224.0.0.0/4, ff00::/8)")


def _default_slice(obj: Object) -> None:
    for port in objects(obj, "ports"):
        port.setdefault("name", "")
        if not port.get("protocol"):
            port["protocol"] = "TCP"


def _validate_slice(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    kind: Any = obj.get("addressType")
    if not kind:
        causes.append(required("addressType"))
    elif kind not in ADDRESS_TYPES:
        causes.append(unsupported("addressType", kind, ADDRESS_TYPES))
    endpoints = mappings_at(obj, "endpoints", "endpoints", causes)
    if len(endpoints) > SLICE_LIMIT:
        causes.append(Cause("endpoints", f"Too many: {len(endpoints)}: must have at most {SLICE_LIMIT} items"))
    for index, endpoint in enumerate(endpoints[:SLICE_LIMIT]):
        field = f"endpoints[{index}].addresses"
        addresses: Any = endpoint.get("addresses")
        if not isinstance(addresses, list) or not addresses:
            causes.append(required(field, "must contain at least 1 address"))
            continue
        for place, address in enumerate(cast("list[Any]", addresses)):
            if kind != "FQDN":
                causes += _address(f"{field}[{place}]", address)
    ports = mappings_at(obj, "ports", "ports", causes)
    if len(ports) > _PORTS_LIMIT:
        causes.append(Cause("ports", f"Too many: {len(ports)}: must have at most {_PORTS_LIMIT} items"))
    names: set[str] = set()
    for index, port in enumerate(ports[:_PORTS_LIMIT]):
        name: Any = port.get("name")
        if str(name) in names:
            causes.append(duplicate(f"ports[{index}].name", name))
        names.add(str(name))
        if name:
            causes += named(f"ports[{index}].name", name, dns_label_error)
        causes += choice(f"ports[{index}].protocol", port.get("protocol"), _PROTOCOLS)
        if port.get("port") is not None:
            causes += port_number(f"ports[{index}].port", port["port"])
    return causes


def _update_slice(old: Object, new: Object) -> list[Cause]:
    same = old.get("addressType") == new.get("addressType")
    return [] if same else [immutable("addressType", new.get("addressType"))]


def _some(items: list[str], *, of: int) -> str:
    """The first few, and how many more there are."""
    more = of - len(items)
    return (",".join(items) + (f" + {more} more..." if more > 0 else "")) or "<none>"


def _endpoints_cell(obj: Object, now: float) -> str:
    found = [
        f"{address.get('ip')}:{port['port']}" if port else str(address.get("ip"))
        for subset in objects(obj, "subsets")
        for port in objects(subset, "ports") or [dict[str, Any]()]
        for address in objects(subset, "addresses")
    ]
    return _some(found[:_SHOWN], of=len(found))


def _slice_ports(obj: Object, now: float) -> str:
    found = [str(port["port"]) for port in objects(obj, "ports") if port.get("port") is not None]
    return _some(found[:_SHOWN], of=len(found)) if objects(obj, "ports") else "<unset>"


def _slice_addresses(obj: Object, now: float) -> str:
    found = [str(address) for each in objects(obj, "endpoints") for address in at(each, "addresses") or ()]
    return _some(found[:_SHOWN], of=len(found)) if found else "<unset>"


ENDPOINTS_KIND = Kind(
    ENDPOINTS,
    short_names=("ep",),
    columns=(NAME, Column("Endpoints", _endpoints_cell), AGE),
    default=_default_endpoints,
    validate=_validate_endpoints,
)
SLICE = Kind(
    ENDPOINTSLICES,
    columns=(
        NAME,
        Column("AddressType", text("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    default=_default_slice,
    validate=_validate_slice,
    validate_update=_update_slice,
)
KINDS = (ENDPOINTS_KIND, SLICE)
