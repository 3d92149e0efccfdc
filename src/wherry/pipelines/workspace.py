"""The workspace of a run: one volume that all its tasks share at `/kfp-workspace` (pipelineConfig.workspace).

Called by the launcher.  Pure.  Invariant: a task has the workspace exactly when it mentions it: in its command, in a
parameter, or by an artifact that lies there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from wherry.ir.spec import ContainerSpec, TaskSpec, Workspace
from wherry.kube.patches import merge
from wherry.kube.protocol import Object
from wherry.pipelines.engine.model import RunInfo
from wherry.pipelines.platform_volumes import WORKSPACE_PATH, WORKSPACE_VOLUME
from wherry.pipelines.pods import MANAGED_BY, RUN_LABEL

PLACEHOLDER = "{{$.workspace_path}}"
IN_WORKSPACE = "_kfp_workspace"
"""The metadata key of artifacts that lie in the workspace."""


def claim_name(resource_name: str) -> str:
    """What the claim of the run with this resource name is called, as KFP calls it."""
    return f"{resource_name}-{WORKSPACE_VOLUME}"


def claim(info: RunInfo, asked: Workspace) -> Object:
    """The claim of the run's workspace."""
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": asked.size}}}
    if asked.kubernetes is not None:
        spec = cast("dict[str, Any]", merge(spec, dict(asked.kubernetes.pvc_spec_patch)))
    labels = {**MANAGED_BY, RUN_LABEL: info.run_id}
    metadata = {"name": claim_name(info.resource_name), "namespace": info.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def asked_for(container: ContainerSpec, task: TaskSpec) -> bool:
    """Whether the document names the workspace by its placeholder."""
    given = (each.runtime_value for each in task.inputs.parameters.values())
    constants = (value.value for value in given if value is not None)
    return any(isinstance(text, str) and PLACEHOLDER in text for text in (*_words(container), *constants))


def mentioned(
    container: ContainerSpec, parameters: Mapping[str, Any], artifacts: Mapping[str, list[dict[str, Any]]]
) -> bool:
    """Whether a task with these inputs reads or writes the workspace."""
    return named(container, parameters) or any(_lies_there(each) for found in artifacts.values() for each in found)


def named(container: ContainerSpec, parameters: Mapping[str, Any]) -> bool:
    """Whether a task with these parameters is told where the workspace is."""
    return any(PLACEHOLDER in word or WORKSPACE_PATH in word for word in _words(container)) or any(
        _within(value) for value in parameters.values()
    )


def _lies_there(artifact: dict[str, Any]) -> bool:
    metadata: dict[str, Any] = artifact.get("metadata") or {}
    return metadata.get(IN_WORKSPACE) is True


def _words(container: ContainerSpec) -> list[str]:
    return [*container.command, *container.args, *(variable.value for variable in container.env)]


def _within(value: Any) -> bool:
    if isinstance(value, str):
        return WORKSPACE_PATH in value
    if isinstance(value, list):
        return any(_within(each) for each in cast("list[Any]", value))
    if isinstance(value, dict):
        return any(_within(each) for each in cast("dict[str, Any]", value).values())
    return False
