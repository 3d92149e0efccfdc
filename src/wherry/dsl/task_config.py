"""Which settings of a task its component gets as `TaskConfig` instead of, or beside, its pod.

Given by users to `@dsl.component(task_config_passthroughs=...)`.
"""

from __future__ import annotations

from enum import IntEnum


class TaskConfigField(IntEnum):
    """A kind of setting, by its number in the pipeline document."""

    RESOURCES = 1
    ENV = 2
    KUBERNETES_AFFINITY = 3
    KUBERNETES_TOLERATIONS = 4
    KUBERNETES_NODE_SELECTOR = 5
    KUBERNETES_VOLUMES = 6


class TaskConfigPassthrough:
    """A kind of setting that is passed through, and whether the task's own pod gets it too."""

    def __init__(self, field: TaskConfigField, apply_to_task: bool = False) -> None:
        self.field = field
        self.apply_to_task = apply_to_task
