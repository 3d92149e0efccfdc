"""What a pod is told of the services of its namespace: environment variables, and what their names mean.

Called by `network`.  Pure.  Source: "Service", Environment variables.  Invariant: a service without an address of its
own has no variables, as on a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wherry.kube.embedded.causes import whole
from wherry.kube.embedded.node.containers import items
from wherry.kube.embedded.node.naming import Known
from wherry.kube.embedded.services import HEADLESS
from wherry.kube.protocol import Object

_EVERY_PORT = range(1, 65536)
COMING = Known(_EVERY_PORT, headless=True)
"""A service that is not there yet, and that a pod names as its subdomain."""


def variables(services: Iterable[Object]) -> dict[str, str]:
    """The variables of all services, in the order of their names."""
    found: dict[str, str] = {}
    for service in sorted(services, key=lambda each: each["metadata"]["name"]):
        spec = service["spec"]
        address: str = spec.get("clusterIP") or ""
        ports = items(spec.get("ports"))
        if not address or address == HEADLESS or not ports:
            continue
        name = service["metadata"]["name"].upper().replace("-", "_")
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                found[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
        found |= _as_docker(name, address, ports)
    return found


def _as_docker(name: str, address: str, ports: list[dict[str, Any]]) -> dict[str, str]:
    """The variables of the time before services."""
    found: dict[str, str] = {}
    for index, port in enumerate(ports):
        protocol = port["protocol"]
        url = f"{protocol.lower()}://{address}:{port['port']}"
        prefix = f"{name}_PORT_{port['port']}_{protocol.upper()}"
        if index == 0:
            found[f"{name}_PORT"] = url
        found |= {
            prefix: url,
            f"{prefix}_PROTO": protocol.lower(),
            f"{prefix}_PORT": str(port["port"]),
            f"{prefix}_ADDR": address,
        }
    return found


def known(service: Object) -> Known:
    """A service as names lead to it."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return Known((), headless=False, external=str(spec.get("externalName") or "").removesuffix("."))
    headless = spec.get("clusterIP") == HEADLESS
    ports = {int(port["port"]) for port in items(spec.get("ports"))}
    if headless:  # dialled by the ports of the pods
        ports |= {int(port["targetPort"]) for port in items(spec.get("ports")) if whole(port.get("targetPort"))}
    return Known(ports if ports else _EVERY_PORT, headless)
