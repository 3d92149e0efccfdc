"""The outputs of tasks and the inputs of pipelines, as pipeline functions see them, where KFP has their classes."""

from __future__ import annotations

from wherry.compiler.channels import (
    Collected,
    PipelineArtifactChannel,
    PipelineChannel,
    PipelineParameterChannel,
)

__all__ = ["Collected", "PipelineArtifactChannel", "PipelineChannel", "PipelineParameterChannel"]
