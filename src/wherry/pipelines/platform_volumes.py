"""Volumes that the platform document asks for, and where they are mounted.

Called by `platform`, and by `pods` for the workspace.  Pure.  Invariants: every volume has a name of its own that is a
DNS label, whatever the objects behind them are called; a claim that is mounted twice is one volume.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from wherry.ir.kubernetes import KubernetesExecutorConfig, PvcMount
from wherry.kube.names import dns_label_error
from wherry.pipelines.platform_values import PlatformRefused, ValueOf, named

WORKSPACE_PATH = "/kfp-workspace"
WORKSPACE_VOLUME = "kfp-workspace"


class Volumes(msgspec.Struct):
    """A pod's volumes, and the mounts of its container."""

    volumes: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    mounts: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])

    def add(self, name: str, source: dict[str, Any], path: str, sub_path: str = "") -> None:
        """Mounts the volume of `source` at `path`; `name` is how it is called where that is possible."""
        if f"{path}/".startswith(f"{WORKSPACE_PATH}/") and name != WORKSPACE_VOLUME:
            raise PlatformRefused(f"mounts a volume at {path}", f"outside of {WORKSPACE_PATH}, the workspace")
        chosen = self._name(name, source)
        if all(volume["name"] != chosen for volume in self.volumes):
            self.volumes.append({"name": chosen, **source})
        self.mounts.append({"name": chosen, "mountPath": path, **({"subPath": sub_path} if sub_path else {})})

    def _name(self, name: str, source: dict[str, Any]) -> str:
        taken = next((volume for volume in self.volumes if volume["name"] == name), None)
        if not dns_label_error(name) and (taken is None or taken == {"name": name, **source}):
            return name
        return "volume-" + hashlib.sha256(msgspec.json.encode([name, source], order="sorted")).hexdigest()[:16]


def add_volumes(found: Volumes, config: KubernetesExecutorConfig, value_of: ValueOf) -> None:
    """Adds all that `config` mounts.  Raises PlatformRefused."""
    for secret in config.secret_as_volume:
        name = named("secretAsVolume", secret.secret_name, secret.secret_name_parameter, value_of)
        if name is not None:
            source = {"secret": {"secretName": name, "optional": secret.optional}}
            found.add(name, source, secret.mount_path)
    for config_map in config.config_map_as_volume:
        name = named("configMapAsVolume", config_map.config_map_name, config_map.config_map_name_parameter, value_of)
        if name is not None:
            source = {"configMap": {"name": name, "optional": config_map.optional}}
            found.add(name, source, config_map.mount_path)
    for claim in config.pvc_mount:
        name = claim_name(claim, value_of)
        found.add(name, {"persistentVolumeClaim": {"claimName": name}}, claim.mount_path, claim.sub_path)
    for empty in config.empty_dir_mounts:
        _empty_dir(found, empty.volume_name, empty.mount_path, empty.medium, empty.size_limit)
    shared = config.enabled_shared_memory
    if shared is not None:
        _empty_dir(found, shared.volume_name or "shm", "/dev/shm", "Memory", shared.size)
    for volume in config.generic_ephemeral_volume:
        spec: dict[str, Any] = {
            "accessModes": list(volume.access_modes),
            "resources": {"requests": {"storage": volume.size}},
        }
        if not volume.default_storage_class:
            spec["storageClassName"] = volume.storage_class_name
        template: dict[str, Any] = {"spec": spec}
        if volume.metadata is not None:
            template["metadata"] = msgspec.to_builtins(volume.metadata)
        found.add(volume.volume_name, {"ephemeral": {"volumeClaimTemplate": template}}, volume.mount_path)


def _empty_dir(found: Volumes, name: str, path: str, medium: str | None, size_limit: str | None) -> None:
    source = {key: value for key, value in (("medium", medium), ("sizeLimit", size_limit)) if value}
    found.add(name, {"emptyDir": source}, path)


def claim_name(claim: PvcMount, value_of: ValueOf) -> str:
    """The name of the claim that is mounted.  Raises PlatformRefused."""
    spec = claim.pvc_name_parameter
    if spec is None and claim.task_output_parameter is not None:
        spec = {"taskOutputParameter": claim.task_output_parameter}
    if spec is None and claim.component_input_parameter:
        spec = {"componentInputParameter": claim.component_input_parameter}
    name = named("pvcMount", claim.constant, spec, value_of)
    if name is None:
        raise PlatformRefused("pvcMount names null", "the name of a claim")
    return name
