"""`dsl.TaskConfig`: settings of a task that its code gets, beside its own pod or instead of it.

Called by `wherry.pipelines.pods`.  Pure.  Invariant: without a passthrough everything goes to the pod, and with one
exactly what it names goes to the code (and to the pod if it says so).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.ir.spec import TaskConfigPassthrough
from wherry.pipelines.platform import Parts

_SPEC_FIELDS = {
    "KUBERNETES_AFFINITY": "affinity",
    "KUBERNETES_TOLERATIONS": "tolerations",
    "KUBERNETES_NODE_SELECTOR": "nodeSelector",
}
_PASSED_VOLUMES = frozenset({"persistentVolumeClaim", "secret", "configMap"})  # others are of one pod alone


def divide(
    passthroughs: Sequence[TaskConfigPassthrough],
    parts: Parts,
    env: list[dict[str, Any]],
    resources: dict[str, dict[str, str]],
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, dict[str, str]]]:
    """The TaskConfig value, and what of `env` and `resources` the pod keeps; takes out of `parts` what the pod does
    not get."""
    config: dict[str, Any] = {}
    for each in passthroughs:
        if each.field == "RESOURCES":
            config["resources"] = resources
            resources = resources if each.apply_to_task else {}
        elif each.field == "ENV":
            config["env"] = [*env, *parts.env]
            if not each.apply_to_task:
                env, parts.env = [], []
        elif each.field == "KUBERNETES_VOLUMES":
            _volumes(config, parts, keep=each.apply_to_task)
        elif each.field in _SPEC_FIELDS:
            key = _SPEC_FIELDS[each.field]
            if key in parts.spec:
                config[key] = parts.spec[key] if each.apply_to_task else parts.spec.pop(key)
    return config, env, resources


def _volumes(config: dict[str, Any], parts: Parts, *, keep: bool) -> None:
    held = parts.volumes
    passed = [volume for volume in held.volumes if _PASSED_VOLUMES & volume.keys()]
    names = {volume["name"] for volume in passed}
    config["volumes"] = passed
    config["volumeMounts"] = [mount for mount in held.mounts if mount["name"] in names]
    if not keep:
        held.volumes = [volume for volume in held.volumes if volume["name"] not in names]
        held.mounts = [mount for mount in held.mounts if mount["name"] not in names]
