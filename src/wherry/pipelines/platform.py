"""A component's Kubernetes settings (the platform document) as parts of its pod.

Called by `wherry.pipelines.pods`.  Pure.  Invariant: secrets are referred to by name; their values never pass here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from wherry.ir.kubernetes import (
    ImagePullSecret,
    InputSpec,
    KubernetesExecutorConfig,
    NodeAffinityTerm,
    PodAffinityTerm,
    PvcMount,
    SelectorRequirement,
    Toleration,
)

ValueOf = Callable[[InputSpec], Any]


class Parts(msgspec.Struct):
    """Pieces to be merged into a pod: of its metadata, its spec, and its container."""

    labels: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    annotations: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    env: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    container: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    spec: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


def platform_parts(config: KubernetesExecutorConfig, value_of: ValueOf) -> Parts:
    """The parts that `config` asks for; `value_of` resolves its input specs."""
    parts = Parts(env=_env(config, value_of))
    if config.pod_metadata is not None:
        parts.labels.update(config.pod_metadata.labels)
        parts.annotations.update(config.pod_metadata.annotations)
    volumes, mounts = _volumes(config, value_of)
    if volumes:
        parts.spec["volumes"] = volumes
        parts.container["volumeMounts"] = mounts
    if config.image_pull_policy:
        parts.container["imagePullPolicy"] = config.image_pull_policy
    if config.security_context is not None:
        parts.container["securityContext"] = _numbers(msgspec.to_builtins(config.security_context))
    deadline = int(config.active_deadline_seconds or 0)
    if deadline:
        parts.spec["activeDeadlineSeconds"] = deadline
    selector = _node_selector(config, value_of)
    if selector:
        parts.spec["nodeSelector"] = selector
    if config.image_pull_secret:
        parts.spec["imagePullSecrets"] = [{"name": _secret(s, value_of)} for s in config.image_pull_secret]
    tolerations = [t for spec in config.tolerations for t in _tolerations(spec, value_of)]
    if tolerations:
        parts.spec["tolerations"] = tolerations
    affinity = _affinity(config, value_of)
    if affinity:
        parts.spec["affinity"] = affinity
    if config.init_containers:
        parts.spec["initContainers"] = [dict(container) for container in config.init_containers]
    return parts


def _named(name: str, spec: InputSpec | None, value_of: ValueOf) -> str:
    return str(value_of(spec)) if spec is not None else name


def _secret(spec: ImagePullSecret, value_of: ValueOf) -> str:
    return _named(spec.secret_name, spec.secret_name_parameter, value_of)


def _env(config: KubernetesExecutorConfig, value_of: ValueOf) -> list[dict[str, Any]]:
    env: list[dict[str, Any]] = []
    for secret in config.secret_as_env:
        name = _named(secret.secret_name, secret.secret_name_parameter, value_of)
        for key in secret.key_to_env:
            ref: dict[str, Any] = {"name": name, "key": key.secret_key}
            if secret.optional:
                ref["optional"] = True
            env.append({"name": key.env_var, "valueFrom": {"secretKeyRef": ref}})
    for config_map in config.config_map_as_env:
        name = _named(config_map.config_map_name, config_map.config_map_name_parameter, value_of)
        for key in config_map.key_to_env:
            ref = {"name": name, "key": key.config_map_key}
            if config_map.optional:
                ref["optional"] = True
            env.append({"name": key.env_var, "valueFrom": {"configMapKeyRef": ref}})
    env.extend(
        {"name": f.name, "valueFrom": {"fieldRef": {"fieldPath": f.field_path}}} for f in config.field_path_as_env
    )
    return env


def _volumes(config: KubernetesExecutorConfig, value_of: ValueOf) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []

    def add(name: str, source: dict[str, Any], path: str, sub_path: str = "") -> None:
        if all(volume["name"] != name for volume in volumes):
            volumes.append({"name": name, **source})
        mounts.append({"name": name, "mountPath": path, **({"subPath": sub_path} if sub_path else {})})

    for secret in config.secret_as_volume:
        name = _named(secret.secret_name, secret.secret_name_parameter, value_of)
        add(name, {"secret": {"secretName": name, "optional": secret.optional}}, secret.mount_path)
    for config_map in config.config_map_as_volume:
        name = _named(config_map.config_map_name, config_map.config_map_name_parameter, value_of)
        add(name, {"configMap": {"name": name, "optional": config_map.optional}}, config_map.mount_path)
    for claim in config.pvc_mount:
        name = _claim_name(claim, value_of)
        add(name, {"persistentVolumeClaim": {"claimName": name}}, claim.mount_path, claim.sub_path)
    for empty in config.empty_dir_mounts:
        source = {key: value for key, value in (("medium", empty.medium), ("sizeLimit", empty.size_limit)) if value}
        add(empty.volume_name, {"emptyDir": source}, empty.mount_path)
    if config.enabled_shared_memory is not None:
        shared = config.enabled_shared_memory
        source = {"medium": "Memory", **({"sizeLimit": shared.size} if shared.size else {})}
        add(shared.volume_name or "shm", {"emptyDir": source}, "/dev/shm")
    for claim in config.generic_ephemeral_volume:
        spec: dict[str, Any] = {
            "accessModes": list(claim.access_modes),
            "resources": {"requests": {"storage": claim.size}},
        }
        if claim.storage_class_name and not claim.default_storage_class:
            spec["storageClassName"] = claim.storage_class_name
        template: dict[str, Any] = {"spec": spec}
        if claim.metadata is not None:
            template["metadata"] = msgspec.to_builtins(claim.metadata)
        add(claim.volume_name, {"ephemeral": {"volumeClaimTemplate": template}}, claim.mount_path)
    return volumes, mounts


def _claim_name(claim: PvcMount, value_of: ValueOf) -> str:
    if claim.pvc_name_parameter is not None:
        return str(value_of(claim.pvc_name_parameter))
    if claim.task_output_parameter is not None:
        return str(value_of({"taskOutputParameter": claim.task_output_parameter}))
    if claim.component_input_parameter:
        return str(value_of({"componentInputParameter": claim.component_input_parameter}))
    return claim.constant


def _node_selector(config: KubernetesExecutorConfig, value_of: ValueOf) -> dict[str, str]:
    if config.node_selector is None:
        return {}
    labels = dict(config.node_selector.labels)
    if config.node_selector.node_selector_json is not None:
        labels.update(_mapping(value_of(config.node_selector.node_selector_json)))
    return labels


def _tolerations(spec: Toleration, value_of: ValueOf) -> list[dict[str, Any]]:
    if spec.toleration_json is not None:
        value = _parsed(value_of(spec.toleration_json))
        found: list[dict[str, Any]] = [value] if isinstance(value, dict) else value or []
        return found
    plain = msgspec.to_builtins(spec)
    return [_numbers(plain)] if plain else []


def _affinity(config: KubernetesExecutorConfig, value_of: ValueOf) -> dict[str, Any]:
    affinity: dict[str, Any] = {}
    for term in config.node_affinity:
        if term.node_affinity_json is not None:
            affinity["nodeAffinity"] = _mapping(value_of(term.node_affinity_json))
        else:
            _add_node_term(affinity.setdefault("nodeAffinity", {}), term)
    for term in config.pod_affinity:
        kind = "podAntiAffinity" if term.anti else "podAffinity"
        _add_weighed(affinity.setdefault(kind, {}), _pod_term(term), term.weight, "podAffinityTerm")
    return affinity


def _add_node_term(target: dict[str, Any], term: NodeAffinityTerm) -> None:
    wanted: dict[str, Any] = {}
    if term.match_expressions:
        wanted["matchExpressions"] = [_requirement(r) for r in term.match_expressions]
    if term.match_fields:
        wanted["matchFields"] = [_requirement(r) for r in term.match_fields]
    if term.weight is None:
        required = target.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {"nodeSelectorTerms": []})
        required["nodeSelectorTerms"].append(wanted)
    else:
        preferred = target.setdefault("preferredDuringSchedulingIgnoredDuringExecution", [])
        preferred.append({"weight": term.weight, "preference": wanted})


def _pod_term(term: PodAffinityTerm) -> dict[str, Any]:
    wanted: dict[str, Any] = {"topologyKey": term.topology_key}
    labels: dict[str, Any] = {}
    if term.match_pod_labels:
        labels["matchLabels"] = dict(term.match_pod_labels)
    if term.match_pod_expressions:
        labels["matchExpressions"] = [_requirement(r) for r in term.match_pod_expressions]
    if labels:
        wanted["labelSelector"] = labels
    if term.namespaces:
        wanted["namespaces"] = list(term.namespaces)
    names: dict[str, Any] = {}
    if term.match_namespace_labels:
        names["matchLabels"] = dict(term.match_namespace_labels)
    if term.match_namespace_expressions:
        names["matchExpressions"] = [_requirement(r) for r in term.match_namespace_expressions]
    if names:
        wanted["namespaceSelector"] = names
    return wanted


def _add_weighed(target: dict[str, Any], wanted: dict[str, Any], weight: int | None, key: str) -> None:
    if weight is None:
        target.setdefault("requiredDuringSchedulingIgnoredDuringExecution", []).append(wanted)
    else:
        preferred = target.setdefault("preferredDuringSchedulingIgnoredDuringExecution", [])
        preferred.append({"weight": weight, key: wanted})


def _requirement(requirement: SelectorRequirement) -> dict[str, Any]:
    found: dict[str, Any] = {"key": requirement.key, "operator": requirement.operator}
    if requirement.values:
        found["values"] = list(requirement.values)
    return found


def _numbers(plain: dict[str, Any]) -> dict[str, Any]:
    """int64 fields, which protobuf JSON writes as text, as numbers."""
    keys = ("runAsUser", "runAsGroup", "tolerationSeconds")
    return {key: int(value) if key in keys and isinstance(value, str) else value for key, value in plain.items()}


def _parsed(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str) and value else value


def _mapping(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = _parsed(value) or {}
    return found
