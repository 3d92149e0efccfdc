"""The class of pipelines, where KFP has it."""

from __future__ import annotations

from wherry.dsl.components import GraphComponent

__all__ = ["GraphComponent"]
