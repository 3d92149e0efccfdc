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
    from typing import Annotated, Any, TypeVar

    from wherry.dsl.notebooks import notebook_component, run_notebook
    from wherry.dsl.task_config import TaskConfigField, TaskConfigPassthrough
    from wherry.dsl.types.type_annotations import T

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
    "Annotated",
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
    "EmbeddedAnnotation",
    "EmbeddedInput",
    "ExitHandler",
    "If",
    "IfPresentPlaceholder",
    "InconsistentTypeException",
    "Input",
    "InputAnnotation",
    "InputPath",
    "InvalidControlFlowException",
    "InvalidTopologyException",
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
    "T",
    "TaskConfig",
    "TaskConfigField",
    "TaskConfigPassthrough",
    "TypeVar",
    "WorkspaceConfig",
    "component",
    "container_component",
    "get_uri",
    "importer",
    "is_component",
    "is_pipeline",
    "notebook_component",
    "pipeline",
    "run_notebook",
]

# Loaded when asked for: names that are rarely used and cost more than the rest together (`enum`, `typing`), and the
# modules that KFP has beside its names.
_LAZY = {
    "Annotated": "typing",
    "T": "wherry.dsl.types.type_annotations",
    "TaskConfigField": "wherry.dsl.task_config",
    "TaskConfigPassthrough": "wherry.dsl.task_config",
    "TypeVar": "typing",
    "base_component": "wherry.dsl.base_component",
    "graph_component": "wherry.dsl.graph_component",
    "importer_node": "wherry.dsl.importer_node",
    "kubernetes": "wherry.dsl.kubernetes",
    "notebook_component": "wherry.dsl.notebooks",
    "pipeline_channel": "wherry.dsl.pipeline_channel",
    "pipeline_task": "wherry.dsl.pipeline_task",
    "placeholders": "wherry.dsl.placeholders",
    "run_notebook": "wherry.dsl.notebooks",
    "structures": "wherry.dsl.structures",
    "types": "wherry.dsl.types",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - for the names above only

    loaded = importlib.import_module(module)
    return loaded if module == f"{__name__}.{name}" else getattr(loaded, name)
