"""What a pod asks for: the requests or the limits of its containers together.

Called by the node agent's scheduler and by quotas; pure.  Source: "Sidecar containers", Resource sharing within
containers.  Invariant: amounts are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from wherry.kube.quantities import parse

Amounts = dict[str, Fraction]


def amounts(spec: Mapping[str, Any], key: str) -> Amounts:
    """The sum of a pod's containers and sidecars, or what an init container asks for on top of the sidecars before it,
    where that is more; `key` is requests or limits."""
    total: Amounts = {}
    for container in spec["containers"]:
        for name, quantity in asked(container, key).items():
            total[name] = total.get(name, Fraction(0)) + parse(quantity)
    inits: list[Mapping[str, Any]] = spec.get("initContainers") or []
    if inits:
        _add_inits(total, inits, key)
    return total


def _add_inits(total: Amounts, inits: list[Mapping[str, Any]], key: str) -> None:
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in inits:
        for name, quantity in asked(container, key).items():
            amount = sidecars.get(name, Fraction(0)) + parse(quantity)
            peak[name] = max(peak.get(name, Fraction(0)), amount)
            if container.get("restartPolicy") == "Always":
                sidecars[name] = amount
    for name, amount in peak.items():
        total[name] = max(total.get(name, Fraction(0)) + sidecars.get(name, Fraction(0)), amount)


def asked(container: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The quantities in a container's resources."""
    resources = container.get("resources")
    return (resources.get(key) or {}) if resources else {}
