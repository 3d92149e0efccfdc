"""The platform document's `kubernetes` part as records: what an executor asks of its pod.

Read by the driver when it makes a pod.  Invariant: fields are those of KFP's KubernetesExecutorConfig; `*_parameter`
and `*_json` fields are ordinary task input specs and hold plain mappings, resolved by the engine's `resolve_value`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Int32 = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
Int64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
InputSpec = dict[str, Any]
"""An InputParameterSpec in its JSON form: runtimeValue, componentInputParameter or taskOutputParameter."""


class Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel", gc=False
):
    """What all parts share: immutable, strict, camelCase on the outside."""


class SecretAsVolume(Part, frozen=True):
    secret_name: str = ""
    mount_path: str = ""
    optional: bool = False
    secret_name_parameter: InputSpec | None = None


class SecretKeyToEnv(Part, frozen=True):
    secret_key: str = ""
    env_var: str = ""


class SecretAsEnv(Part, frozen=True):
    secret_name: str = ""
    key_to_env: list[SecretKeyToEnv] = []
    optional: bool = False
    secret_name_parameter: InputSpec | None = None


class ConfigMapAsVolume(Part, frozen=True):
    config_map_name: str = ""
    mount_path: str = ""
    optional: bool = False
    config_map_name_parameter: InputSpec | None = None


class ConfigMapKeyToEnv(Part, frozen=True):
    config_map_key: str = ""
    env_var: str = ""


class ConfigMapAsEnv(Part, frozen=True):
    config_map_name: str = ""
    key_to_env: list[ConfigMapKeyToEnv] = []
    optional: bool = False
    config_map_name_parameter: InputSpec | None = None


class PvcMount(Part, frozen=True):
    task_output_parameter: InputSpec | None = None  # deprecated: use pvc_name_parameter
    constant: str = ""  # deprecated
    component_input_parameter: str = ""  # deprecated
    pvc_name_parameter: InputSpec | None = None
    mount_path: str = ""
    sub_path: str = ""


class NodeSelector(Part, frozen=True):
    labels: dict[str, str] = {}
    node_selector_json: InputSpec | None = None


class PodMetadata(Part, frozen=True):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class ImagePullSecret(Part, frozen=True):
    secret_name: str = ""
    secret_name_parameter: InputSpec | None = None


class FieldPathAsEnv(Part, frozen=True):
    name: str = ""
    field_path: str = ""


class Toleration(Part, frozen=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: Int64 | None = None
    toleration_json: InputSpec | None = None


class GenericEphemeralVolume(Part, frozen=True):
    volume_name: str = ""
    mount_path: str = ""
    access_modes: list[str] = []
    size: str = ""
    default_storage_class: bool = False
    storage_class_name: str = ""
    metadata: PodMetadata | None = None


class SelectorRequirement(Part, frozen=True):
    key: str = ""
    operator: str = ""
    values: list[str] = []


class NodeAffinityTerm(Part, frozen=True):
    match_expressions: list[SelectorRequirement] = []
    match_fields: list[SelectorRequirement] = []
    weight: Int32 | None = None
    node_affinity_json: InputSpec | None = None


class PodAffinityTerm(Part, frozen=True):
    match_pod_expressions: list[SelectorRequirement] = []
    match_pod_labels: dict[str, str] = {}
    topology_key: str = ""
    namespaces: list[str] = []
    match_namespace_expressions: list[SelectorRequirement] = []
    match_namespace_labels: dict[str, str] = {}
    weight: Int32 | None = None
    anti: bool = False


class SharedMemory(Part, frozen=True):
    volume_name: str = ""
    size: str = ""


class EmptyDirMount(Part, frozen=True):
    volume_name: str = ""
    mount_path: str = ""
    medium: str | None = None
    size_limit: str | None = None


class SecurityContext(Part, frozen=True):
    run_as_user: Int64 | None = None
    run_as_group: Int64 | None = None
    run_as_non_root: bool | None = None


class InitVariable(Part, frozen=True):
    name: str = ""
    value: str = ""


class InitVolumeMount(Part, frozen=True):
    volume_name: str = ""
    mount_path: str = ""


class InitResources(Part, frozen=True):
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class InitContainer(Part, frozen=True):
    name: str = ""
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    env: list[InitVariable] = []
    volume_mounts: list[InitVolumeMount] = []
    restart_policy: str | None = None  # "Always" makes it a sidecar
    resources: InitResources | None = None


class KubernetesExecutorConfig(Part, frozen=True):
    secret_as_volume: list[SecretAsVolume] = []
    secret_as_env: list[SecretAsEnv] = []
    config_map_as_volume: list[ConfigMapAsVolume] = []
    config_map_as_env: list[ConfigMapAsEnv] = []
    pvc_mount: list[PvcMount] = []
    node_selector: NodeSelector | None = None
    pod_metadata: PodMetadata | None = None
    image_pull_secret: list[ImagePullSecret] = []
    image_pull_policy: str = ""
    active_deadline_seconds: Int64 = 0
    field_path_as_env: list[FieldPathAsEnv] = []
    tolerations: list[Toleration] = []
    generic_ephemeral_volume: list[GenericEphemeralVolume] = []
    node_affinity: list[NodeAffinityTerm] = []
    pod_affinity: list[PodAffinityTerm] = []
    enabled_shared_memory: SharedMemory | None = None
    empty_dir_mounts: list[EmptyDirMount] = []
    security_context: SecurityContext | None = None
    init_containers: list[InitContainer] = []
