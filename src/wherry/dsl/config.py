"""Settings of a whole pipeline: how long it may run and be kept, and its shared workspace.

Given by users to `@dsl.pipeline(pipeline_config=...)`; written into the platform document.
"""

from __future__ import annotations

from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_SECONDS = 2**31 - 1
_SIZE_UNITS = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "K", "M", "G", "T", "P", "E", "")
# The platform document's names of the durations, in seconds.
_DURATIONS = {
    "ttl_seconds_after_finished": "resourceTtlOnCompletion",
    "ttl_seconds_after_success": "resourceTtlOnSuccess",
    "ttl_seconds_after_failure": "resourceTtlOnFailure",
    "active_deadline_seconds": "activeDeadlineSeconds",
}


class KubernetesWorkspaceConfig:
    """How the workspace's volume differs from the default: fields of a persistent volume claim's spec."""

    def __init__(self, pvcSpecPatch: dict[str, Any] | None = None) -> None:
        self.pvcSpecPatch = pvcSpecPatch or {}

    def set_pvcSpecPatch(self, patch: dict[str, Any]) -> None:
        """Replace the fields."""
        self.pvcSpecPatch = patch


class WorkspaceConfig:
    """A folder that all tasks of a run share.  `size`: a Kubernetes quantity such as `10Gi`."""

    def __init__(self, size: str, kubernetes: KubernetesWorkspaceConfig | None = None) -> None:
        self.size = size
        self.kubernetes = kubernetes or KubernetesWorkspaceConfig()

    @property
    def size(self) -> str:
        """The size, a Kubernetes quantity."""
        return self._size

    @size.setter
    def size(self, size: str) -> None:
        text = str(size or "").strip()
        if not text:
            raise ValueError(at("Workspace size is required and cannot be empty"))
        if not _is_quantity(text):
            raise ValueError(
                at(
                    f'Workspace size "{size}" is invalid. Must be a valid Kubernetes resource quantity '
                    '(e.g., "10Gi", "500Mi", "1Ti")'
                )
            )
        self._size = text

    def get_workspace(self) -> dict[str, Any]:
        """The workspace as the platform document holds it."""
        return {"size": self.size, "kubernetes": {"pvcSpecPatch": self.kubernetes.pvcSpecPatch}}

    def set_size(self, size: str) -> None:
        """Replace the size."""
        self.size = size

    def set_kubernetes_config(self, kubernetes_config: KubernetesWorkspaceConfig) -> None:
        """Replace the settings of the volume."""
        self.kubernetes = kubernetes_config


class PipelineConfig:
    """Settings of a whole pipeline.

    ttl_seconds_after_*: how long what a finished run leaves on the cluster is kept.  active_deadline_seconds: how long
    a run may take.  Raises TypeError or ValueError for what is not a number of seconds.
    """

    def __init__(
        self,
        workspace: WorkspaceConfig | None = None,
        ttl_seconds_after_finished: int | None = None,
        ttl_seconds_after_success: int | None = None,
        ttl_seconds_after_failure: int | None = None,
        active_deadline_seconds: int | None = None,
    ) -> None:
        self.workspace = workspace
        self.ttl_seconds_after_finished = ttl_seconds_after_finished
        self.ttl_seconds_after_success = ttl_seconds_after_success
        self.ttl_seconds_after_failure = ttl_seconds_after_failure
        self.active_deadline_seconds = active_deadline_seconds
        for name in _DURATIONS:
            _check_seconds(name, getattr(self, name))

    def document(self) -> dict[str, Any]:
        """The `pipelineConfig` of the platform document."""
        config: dict[str, Any] = {}
        if self.workspace is not None:
            config["workspace"] = self.workspace.get_workspace()
        for name, key in _DURATIONS.items():
            if getattr(self, name):
                config[key] = getattr(self, name)
        return config


def _check_seconds(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(at(f"{name} must be an int. Got: {type(value).__name__}"))
    if value < 0:
        raise ValueError(at(f"{name} must be a non-negative integer. Got: {value}"))
    if value > _MOST_SECONDS:
        raise ValueError(at(f"{name} must not exceed the int32 maximum ({_MOST_SECONDS}). Got: {value}"))


def _is_quantity(text: str) -> bool:
    number = text.rstrip("KMGTPEi")
    whole, point, part = number.partition(".")
    return (
        text[len(number) :] in _SIZE_UNITS
        and whole.isdecimal()
        and whole.isascii()
        and (whole == "0" or whole[0] != "0")
        and (not point or (part.isdecimal() and part.isascii()))
    )
