"""`PipelineTask`, where KFP has it."""

from __future__ import annotations

from wherry.dsl.task import PipelineTask

__all__ = ["PipelineTask"]
