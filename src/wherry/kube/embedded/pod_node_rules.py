"""What a pod may ask of its node: names of its own for hosts, and nothing that this node has not.

Called by `pod_rules`; pure.  Invariant: what is left of a pod's fields after this is acted on by the node, or told to
the user by `node.lacking`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import choice, forbidden_field, invalid_value, named, objects
from wherry.kube.errors import Cause
from wherry.kube.names import dns_subdomain_error

_REFUSED: dict[str, str] = {
    "ephemeralContainers": "cannot be set on create",
    "resourceClaims": "this node has no devices to claim: its GPUs are the resource nvidia.com/gpu of a container",
    "schedulingGates": "nothing opens gates here: make the pod when it may start",
    "readinessGates": "a pod is ready here when its containers are: no other condition is waited for",
}
_REFUSED_OF_CONTAINERS: dict[str, str] = {
    "volumeDevices": "volumes are folders of this machine: use volumeMounts",
    "restartPolicyRules": "a container is restarted by the restartPolicy of its pod",
}


def node_causes(spec: dict[str, Any]) -> Iterator[Cause]:
    """What is wrong with the fields of a pod's spec that are about its node."""
    for key, why in _REFUSED.items():
        if spec.get(key):
            yield forbidden_field(f"spec.{key}", why)
    if spec.get("hostAliases"):
        yield from _host_aliases(spec)
    system: Any = spec.get("os")
    if isinstance(system, dict):
        yield from choice("spec.os.name", cast("dict[str, Any]", system).get("name"), ("linux",))


def container_causes(field: str, container: dict[str, Any], *, init: bool) -> Iterator[Cause]:
    """What this node has not of a container."""
    for key, why in _REFUSED_OF_CONTAINERS.items():
        if container.get(key):
            yield forbidden_field(f"{field}.{key}", why)
    if not init and container.get("restartPolicy"):
        yield forbidden_field(f"{field}.restartPolicy", "may not be set for non-init containers")


def _host_aliases(spec: dict[str, Any]) -> Iterator[Cause]:
    for index, alias in enumerate(objects(spec, "hostAliases")):
        field, address = f"spec.hostAliases[{index}]", alias.get("ip")
        try:
            ipaddress.ip_address(address if isinstance(address, str) else "")
        except ValueError:
            why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield invalid_value(f"{field}.ip", address, why)
        names: Any = alias.get("hostnames")
        if names is not None and not isinstance(names, list):
            yield invalid_value(f"{field}.hostnames", names, "must be a list of strings")
            continue
        for name in cast("list[Any]", names or []):
            yield from named(f"{field}.hostnames", name, dns_subdomain_error)
