"""`kfp.dsl.types.artifact_types` inside a task."""

from wherry.runtime.artifact_types import *  # noqa: F403
from wherry.runtime.artifact_types import SCHEMA_TITLE_TO_TYPE as _SCHEMA_TITLE_TO_TYPE

__all__ = ["_SCHEMA_TITLE_TO_TYPE"]
