"""Node and pod affinities of the platform document as a pod's `spec.affinity`.

Called by `platform`.  Pure.  Invariant: terms are put together in the document's order; a weight makes a term
preferred, none makes it required.
"""

from __future__ import annotations

from typing import Any

from wherry.ir.kubernetes import (
    KubernetesExecutorConfig,
    NodeAffinityTerm,
    PodAffinityTerm,
    SelectorRequirement,
)
from wherry.pipelines.platform_values import ValueOf, listed, mapped

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def affinity(config: KubernetesExecutorConfig, value_of: ValueOf) -> dict[str, Any]:
    """The pod's affinity; empty when nothing is asked for.  Raises PlatformRefused."""
    found: dict[str, Any] = {}
    node: dict[str, Any] = {}
    for term in config.node_affinity:
        if term.node_affinity_json is not None:
            _add_json(node, mapped("nodeAffinityJson", value_of(term.node_affinity_json)))
        elif term.match_expressions or term.match_fields:
            _add_node_term(node, term)
    if node:
        found["nodeAffinity"] = node
    for term in config.pod_affinity:
        group = found.setdefault("podAntiAffinity" if term.anti else "podAffinity", {})
        wanted = _pod_term(term)
        if term.weight is None:
            group.setdefault(REQUIRED, []).append(wanted)
        else:
            group.setdefault(PREFERRED, []).append({"weight": term.weight, "podAffinityTerm": wanted})
    return found


def _add_json(node: dict[str, Any], given: dict[str, Any]) -> None:
    required = listed(
        "nodeAffinityJson", mapped("nodeAffinityJson", given.get(REQUIRED)).get("nodeSelectorTerms") or []
    )
    if required:
        node.setdefault(REQUIRED, {"nodeSelectorTerms": []})["nodeSelectorTerms"].extend(required)
    preferred = listed("nodeAffinityJson", given.get(PREFERRED) or [])
    if preferred:
        node.setdefault(PREFERRED, []).extend(preferred)


def _add_node_term(node: dict[str, Any], term: NodeAffinityTerm) -> None:
    wanted: dict[str, Any] = {}
    if term.match_expressions:
        wanted["matchExpressions"] = [_requirement(r) for r in term.match_expressions]
    if term.match_fields:
        wanted["matchFields"] = [_requirement(r) for r in term.match_fields]
    if term.weight is None:
        node.setdefault(REQUIRED, {"nodeSelectorTerms": []})["nodeSelectorTerms"].append(wanted)
    else:
        node.setdefault(PREFERRED, []).append({"weight": term.weight, "preference": wanted})


def _pod_term(term: PodAffinityTerm) -> dict[str, Any]:
    wanted: dict[str, Any] = {"topologyKey": term.topology_key}
    pods = _selector(term.match_pod_labels, term.match_pod_expressions)
    if pods:
        wanted["labelSelector"] = pods
    if term.namespaces:
        wanted["namespaces"] = list(term.namespaces)
    namespaces = _selector(term.match_namespace_labels, term.match_namespace_expressions)
    if namespaces:
        wanted["namespaceSelector"] = namespaces
    return wanted


def _selector(labels: dict[str, str], expressions: list[SelectorRequirement]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if labels:
        found["matchLabels"] = dict(labels)
    if expressions:
        found["matchExpressions"] = [_requirement(r) for r in expressions]
    return found


def _requirement(requirement: SelectorRequirement) -> dict[str, Any]:
    found: dict[str, Any] = {"key": requirement.key, "operator": requirement.operator}
    if requirement.values:
        found["values"] = list(requirement.values)
    return found
