"""`TaskConfig`: the Kubernetes settings of a task that are passed to its own code instead of to its pod.

Used by `wherry.dsl` (re-exported to users) and by `wherry.runtime.executor`, which makes the values.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# attribute -> key in the struct of the executor input
_KEYS = {
    "affinity": "affinity",
    "tolerations": "tolerations",
    "node_selector": "nodeSelector",
    "env": "env",
    "volumes": "volumes",
    "volume_mounts": "volumeMounts",
    "resources": "resources",
}


class TaskConfig:
    """Fragments of a Kubernetes pod spec, each a plain mapping or list as in the pod's JSON, or None."""

    def __init__(
        self,
        affinity: dict[str, Any] | None = None,
        tolerations: list[dict[str, Any]] | None = None,
        node_selector: dict[str, str] | None = None,
        env: list[dict[str, Any]] | None = None,
        volumes: list[dict[str, Any]] | None = None,
        volume_mounts: list[dict[str, Any]] | None = None,
        resources: dict[str, Any] | None = None,
    ) -> None:
        self.affinity = affinity
        self.tolerations = tolerations
        self.node_selector = node_selector
        self.env = env
        self.volumes = volumes
        self.volume_mounts = volume_mounts
        self.resources = resources

    @classmethod
    def from_struct(cls, value: dict[str, Any] | None) -> TaskConfig:
        """Read the struct of the executor input; None gives an empty configuration."""
        given = value or {}
        return cls(**{name: given.get(key) for name, key in _KEYS.items()})

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment] # pyright: ignore[reportAssignmentType] - mutable, as in KFP

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"
