"""What a user writes: everything that `kfp.dsl` has.  See `wherry.dsl.pipelines` and `wherry.dsl.python_component`."""

from __future__ import annotations

from wherry.compiler.channels import Collected
from wherry.compiler.errors import InconsistentTypeException, InvalidControlFlowException, InvalidTopologyException
from wherry.compiler.interface import ContainerSpec
from wherry.compiler.placeholders import ConcatPlaceholder, IfPresentPlaceholder
from wherry.dsl.components import BaseComponent, is_component, is_pipeline
from wherry.dsl.config import KubernetesWorkspaceConfig, PipelineConfig, WorkspaceConfig
from wherry.dsl.containers import container_component
from wherry.dsl.groups import Condition, Elif, Else, ExitHandler, If, OneOf, ParallelFor
from wherry.dsl.importers import importer
from wherry.dsl.pipelines import pipeline
from wherry.dsl.python_component import component
from wherry.dsl.task import PipelineTask
from wherry.runtime.annotations import EmbeddedInput, Input, InputPath, Output, OutputPath
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
    from typing import Any

    from wherry.dsl.task_config import TaskConfigField, TaskConfigPassthrough

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
    "BaseComponent",
    "ClassificationMetrics",
    "Collected",
    "ConcatPlaceholder",
    "Condition",
    "ContainerSpec",
    "Dataset",
    "Elif",
    "Else",
    "EmbeddedInput",
    "ExitHandler",
    "If",
    "IfPresentPlaceholder",
    "InconsistentTypeException",
    "Input",
    "InputPath",
    "InvalidControlFlowException",
    "InvalidTopologyException",
    "KubernetesWorkspaceConfig",
    "Markdown",
    "Metrics",
    "Model",
    "OneOf",
    "Output",
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
    "is_component",
    "is_pipeline",
    "pipeline",
]

# Names that are rarely used and cost more than the rest together (`enum`): loaded when asked for.
_LAZY = {"TaskConfigField": "wherry.dsl.task_config", "TaskConfigPassthrough": "wherry.dsl.task_config"}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - for the names above only

    return getattr(importlib.import_module(module), name)
