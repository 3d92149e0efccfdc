"""`kfp` inside a task: `kfp.dsl` and `python3 -m kfp.dsl.executor_main`, without the package of that name.

Code that asks for more (`kfp.Client`, `kfp.compiler`) gets the real package if it is installed; else an ImportError
that says how to have it installed.
"""

from wherry.runtime import handover

from . import dsl

__all__ = ["dsl"]
__version__ = "2.17.0"

__getattr__ = handover.attribute
handover.install(__name__)
