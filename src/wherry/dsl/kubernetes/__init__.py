"""What a task asks of its pod: everything that `kfp.kubernetes` has.

Each function changes a task's platform settings and returns the task; the compiler writes them into the platform
document.  Loaded when first used, not by `import wherry.dsl`.
"""

from __future__ import annotations

from wherry.dsl.kubernetes.claims import CreatePVC, DeletePVC
from wherry.dsl.kubernetes.environment import (
    use_config_map_as_env,
    use_config_map_as_volume,
    use_field_path_as_env,
    use_secret_as_env,
    use_secret_as_volume,
)
from wherry.dsl.kubernetes.pods import (
    add_pod_annotation,
    add_pod_label,
    set_image_pull_policy,
    set_image_pull_secrets,
    set_security_context,
    set_timeout,
)
from wherry.dsl.kubernetes.scheduling import (
    add_node_affinity,
    add_node_affinity_json,
    add_node_selector,
    add_node_selector_json,
    add_toleration,
    add_toleration_json,
)
from wherry.dsl.kubernetes.volumes import add_ephemeral_volume, empty_dir_mount, mount_pvc

__all__ = [
    "CreatePVC",
    "DeletePVC",
    "add_ephemeral_volume",
    "add_node_affinity",
    "add_node_affinity_json",
    "add_node_selector",
    "add_node_selector_json",
    "add_pod_annotation",
    "add_pod_label",
    "add_toleration",
    "add_toleration_json",
    "empty_dir_mount",
    "mount_pvc",
    "set_image_pull_policy",
    "set_image_pull_secrets",
    "set_security_context",
    "set_timeout",
    "use_config_map_as_env",
    "use_config_map_as_volume",
    "use_field_path_as_env",
    "use_secret_as_env",
    "use_secret_as_volume",
]
