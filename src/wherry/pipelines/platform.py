"""A component's Kubernetes settings (the platform document) as parts of its pod.

Called by `wherry.pipelines.pods`.  Pure.  Invariants: secrets are referred to by name; their values never pass here.
A setting whose value is a null of the pipeline's is left out, as KFP's driver does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.ir.kubernetes import KubernetesExecutorConfig, Toleration
from wherry.pipelines.affinities import affinity
from wherry.pipelines.platform_values import PlatformRefused, ValueOf, listed, mapped, named
from wherry.pipelines.platform_volumes import Volumes, add_volumes

FIELDS: dict[str, str] = {
    "secretAsVolume": "spec.volumes[].secret",
    "secretAsEnv": "container.env[].valueFrom.secretKeyRef",
    "pvcMount": "spec.volumes[].persistentVolumeClaim",
    "nodeSelector": "spec.nodeSelector",
    "podMetadata": "metadata.labels, metadata.annotations",
    "imagePullSecret": "spec.imagePullSecrets",
    "imagePullPolicy": "container.imagePullPolicy",
    "configMapAsVolume": "spec.volumes[].configMap",
    "configMapAsEnv": "container.env[].valueFrom.configMapKeyRef",
    "activeDeadlineSeconds": "spec.activeDeadlineSeconds",
    "fieldPathAsEnv": "container.env[].valueFrom.fieldRef",
    "tolerations": "spec.tolerations",
    "genericEphemeralVolume": "spec.volumes[].ephemeral",
    "nodeAffinity": "spec.affinity",
    "podAffinity": "spec.affinity",
    "enabledSharedMemory": "spec.volumes[].emptyDir",
    "emptyDirMounts": "spec.volumes[].emptyDir",
    "securityContext": "container.securityContext",
    "initContainers": "spec.initContainers",
}
"""Where each field of the executor's settings goes in the pod; docs/compatibility.md shows this table."""
_PULL_POLICIES = ("Always", "Never", "IfNotPresent")


class Parts(msgspec.Struct):
    """Pieces to be merged into a pod: of its metadata, its spec, and its container."""

    labels: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    annotations: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    env: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    container: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    spec: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    volumes: Volumes = msgspec.field(default_factory=Volumes)


def platform_parts(config: KubernetesExecutorConfig, value_of: ValueOf) -> Parts:
    """The parts that `config` asks for; `value_of` resolves its input specs.  Raises PlatformRefused."""
    parts = Parts(env=_env(config, value_of))
    if config.pod_metadata is not None:
        parts.labels.update(config.pod_metadata.labels)
        parts.annotations.update(config.pod_metadata.annotations)
    add_volumes(parts.volumes, config, value_of)
    if config.image_pull_policy:
        if config.image_pull_policy not in _PULL_POLICIES:
            raise PlatformRefused(f"imagePullPolicy is {config.image_pull_policy!r}", " or ".join(_PULL_POLICIES))
        parts.container["imagePullPolicy"] = config.image_pull_policy
    if config.security_context is not None:
        context: dict[str, Any] = msgspec.to_builtins(config.security_context)
        context["capabilities"] = {"drop": ["ALL"]}  # as KFP always does
        parts.container["securityContext"] = context
    for key, value in (
        ("activeDeadlineSeconds", config.active_deadline_seconds),
        ("nodeSelector", _node_selector(config, value_of)),
        ("imagePullSecrets", _pull_secrets(config, value_of)),
        ("tolerations", [t for spec in config.tolerations for t in _tolerations(spec, value_of)]),
        ("affinity", affinity(config, value_of)),
        ("initContainers", _init_containers(config)),
    ):
        if value:
            parts.spec[key] = value
    return parts


def _pull_secrets(config: KubernetesExecutorConfig, value_of: ValueOf) -> list[dict[str, str]]:
    names = (
        named("imagePullSecret", each.secret_name, each.secret_name_parameter, value_of)
        for each in config.image_pull_secret
    )
    return [{"name": name} for name in names if name is not None]


def _env(config: KubernetesExecutorConfig, value_of: ValueOf) -> list[dict[str, Any]]:
    env: list[dict[str, Any]] = []

    def add(variable: str, kind: str, name: str, key: str, optional: bool) -> None:
        reference: dict[str, Any] = {"name": name, "key": key}
        if optional:
            reference["optional"] = True
        env.append({"name": variable, "valueFrom": {kind: reference}})

    for secret in config.secret_as_env:
        name = named("secretAsEnv", secret.secret_name, secret.secret_name_parameter, value_of)
        for key in secret.key_to_env if name is not None else ():
            add(key.env_var, "secretKeyRef", name or "", key.secret_key, secret.optional)
    for config_map in config.config_map_as_env:
        name = named("configMapAsEnv", config_map.config_map_name, config_map.config_map_name_parameter, value_of)
        for key in config_map.key_to_env if name is not None else ():
            add(key.env_var, "configMapKeyRef", name or "", key.config_map_key, config_map.optional)
    env.extend(
        {"name": f.name, "valueFrom": {"fieldRef": {"fieldPath": f.field_path}}} for f in config.field_path_as_env
    )
    return env


def _node_selector(config: KubernetesExecutorConfig, value_of: ValueOf) -> dict[str, str]:
    selector = config.node_selector
    if selector is None:
        return {}
    if selector.node_selector_json is None:
        return dict(selector.labels)
    return mapped("nodeSelectorJson", value_of(selector.node_selector_json))


def _tolerations(spec: Toleration, value_of: ValueOf) -> list[dict[str, Any]]:
    if spec.toleration_json is not None:
        return [toleration for toleration in listed("tolerationJson", value_of(spec.toleration_json)) if toleration]
    plain = msgspec.to_builtins(spec)
    return [plain] if plain else []


def _init_containers(config: KubernetesExecutorConfig) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in config.init_containers:
        container = msgspec.to_builtins(each)
        if each.volume_mounts:
            container["volumeMounts"] = [
                {"name": mount.volume_name, "mountPath": mount.mount_path} for mount in each.volume_mounts
            ]
        found.append(container)
    return found
