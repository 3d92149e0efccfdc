"""`dsl` as user code sees it inside a task: the run-time classes, and decorators that leave functions as they are.

Behind `from kfp import dsl` and `from wherry import dsl` in the zip application.  Invariant: a module written for
compiling pipelines loads in a task without harm; what builds pipelines says so when it is used.
"""

from __future__ import annotations

from wherry.runtime.annotations import (
    EmbeddedAnnotation,
    EmbeddedInput,
    Input,
    InputAnnotation,
    InputPath,
    Output,
    OutputAnnotation,
    OutputPath,
)
from wherry.runtime.artifact_types import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Markdown,
    Metrics,
    Model,
    SlicedClassificationMetrics,
    get_uri,
)
from wherry.runtime.placeholders import (
    PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER,
    PIPELINE_JOB_ID_PLACEHOLDER,
    PIPELINE_JOB_NAME_PLACEHOLDER,
    PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER,
    PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER,
    PIPELINE_ROOT_PLACEHOLDER,
    PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
    PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER,
    PIPELINE_TASK_ID_PLACEHOLDER,
    PIPELINE_TASK_NAME_PLACEHOLDER,
    WORKSPACE_PATH_PLACEHOLDER,
)
from wherry.runtime.task_config import TaskConfig
from wherry.runtime.task_final_status import PipelineTaskFinalStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "HTML",
    "PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER",
    "PIPELINE_JOB_ID_PLACEHOLDER",
    "PIPELINE_JOB_NAME_PLACEHOLDER",
    "PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER",
    "PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER",
    "PIPELINE_ROOT_PLACEHOLDER",
    "PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER",
    "PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER",
    "PIPELINE_TASK_ID_PLACEHOLDER",
    "PIPELINE_TASK_NAME_PLACEHOLDER",
    "WORKSPACE_PATH_PLACEHOLDER",
    "Artifact",
    "ClassificationMetrics",
    "Collected",
    "ConcatPlaceholder",
    "Condition",
    "ContainerSpec",
    "Dataset",
    "Elif",
    "Else",
    "EmbeddedAnnotation",
    "EmbeddedInput",
    "ExitHandler",
    "If",
    "IfPresentPlaceholder",
    "Input",
    "InputAnnotation",
    "InputPath",
    "KubernetesWorkspaceConfig",
    "Markdown",
    "Metrics",
    "Model",
    "OneOf",
    "Output",
    "OutputAnnotation",
    "OutputPath",
    "ParallelFor",
    "PipelineConfig",
    "PipelineTask",
    "PipelineTaskFinalStatus",
    "SlicedClassificationMetrics",
    "TaskConfig",
    "TaskConfigField",
    "TaskConfigPassthrough",
    "WorkspaceConfig",
    "component",
    "container_component",
    "get_uri",
    "importer",
    "notebook_component",
    "pipeline",
    "run_notebook",
]


def _decorator(func: Any = None, *_args: Any, **_kwargs: Any) -> Any:
    """As a decorator, with or without arguments: gives the function itself, which is also its own `python_func`."""
    if not callable(func):
        return _decorator
    function: Any = func
    try:
        function.python_func = function
    except AttributeError:
        pass  # a builtin or a bound method takes no attributes
    return func


component: Callable[..., Any] = _decorator
container_component: Callable[..., Any] = _decorator
notebook_component: Callable[..., Any] = _decorator
pipeline: Callable[..., Any] = _decorator


class _Setting:
    """A setting of a pipeline or component: accepts what it is given and does nothing."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass


class PipelineConfig(_Setting):
    """Settings of a pipeline; without meaning inside a task."""


class WorkspaceConfig(_Setting):
    """Settings of a pipeline's workspace; without meaning inside a task."""


class KubernetesWorkspaceConfig(_Setting):
    """Settings of a workspace's volume; without meaning inside a task."""


class TaskConfigPassthrough(_Setting):
    """Which settings go to the task's code; without meaning inside a task."""


class TaskConfigField:
    """Names of the settings that can be passed through."""

    RESOURCES = "RESOURCES"
    KUBERNETES_TOLERATIONS = "KUBERNETES_TOLERATIONS"
    KUBERNETES_NODE_SELECTOR = "KUBERNETES_NODE_SELECTOR"
    KUBERNETES_AFFINITY = "KUBERNETES_AFFINITY"
    ENV = "ENV"
    KUBERNETES_VOLUMES = "KUBERNETES_VOLUMES"


class _Builder:
    """Something that builds pipelines: present, so that modules load, and of no use inside a task."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(f"dsl.{type(self).__name__} builds pipelines; it cannot be used inside a running task")


class ContainerSpec(_Builder):
    """The container of a container component."""


class Condition(_Builder):
    """A group of tasks that run under a condition (older name of `If`)."""


class If(_Builder):
    """A group of tasks that run under a condition."""


class Elif(_Builder):
    """A further branch after `If`."""


class Else(_Builder):
    """The last branch after `If`."""


class OneOf(_Builder):
    """The output of whichever branch ran."""


class ParallelFor(_Builder):
    """A loop."""


class Collected(_Builder):
    """The outputs of all iterations of a loop."""


class ExitHandler(_Builder):
    """A group with a task that always runs after it."""


class IfPresentPlaceholder(_Builder):
    """A part of a command line that depends on an optional input."""


class ConcatPlaceholder(_Builder):
    """A part of a command line that is put together from others."""


class PipelineTask(_Builder):
    """A task of a pipeline that is being built."""


def importer(*_args: Any, **_kwargs: Any) -> Any:
    """Import an artifact; builds pipelines, so it raises RuntimeError inside a task."""
    raise RuntimeError("dsl.importer builds pipelines; it cannot be used inside a running task")


def run_notebook(**_kwargs: Any) -> None:
    """Run the notebook of a notebook component; the component's own source replaces this function."""
    raise NotImplementedError("dsl.run_notebook is only available inside a @dsl.notebook_component at runtime.")
