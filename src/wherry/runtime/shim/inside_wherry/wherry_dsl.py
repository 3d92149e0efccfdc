"""`wherry.dsl` inside a task."""

from wherry.runtime.task_dsl import *  # noqa: F403
from wherry.runtime.task_dsl import __all__ as __all__
