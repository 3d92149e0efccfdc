"""The artifact classes, where KFP has them."""

from __future__ import annotations

from wherry.runtime.artifact_types import (
    HTML,
    SCHEMA_TITLE_TO_TYPE,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Markdown,
    Metrics,
    Model,
    SlicedClassificationMetrics,
    convert_local_path_to_remote_path,
    get_uri,
)

__all__ = [
    "HTML",
    "Artifact",
    "ClassificationMetrics",
    "Dataset",
    "Markdown",
    "Metrics",
    "Model",
    "SlicedClassificationMetrics",
    "convert_local_path_to_remote_path",
    "get_uri",
]

_SCHEMA_TITLE_TO_TYPE = SCHEMA_TITLE_TO_TYPE  # KFP's name of it, which libraries of artifact classes use
