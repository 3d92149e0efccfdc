"""wherry: machine-learning workflows, from a laptop to Kubernetes.

What users import.  Invariant: importing this package costs nothing; each public name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module

from wherry._version import __version__

TYPE_CHECKING = False  # importing `typing` would cost more than the whole of `wherry.dsl`
if TYPE_CHECKING:
    from wherry import compiler, components, dsl
    from wherry.client import Client, Run, run

__all__ = ["Client", "Run", "__version__", "compiler", "components", "dsl", "run"]

_LAZY = {
    "Client": "wherry.client",
    "Run": "wherry.client",
    "compiler": "wherry.compiler",
    "components": "wherry.components",
    "dsl": "wherry.dsl",
    "run": "wherry.client",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'wherry' has no attribute {name!r}")
    module = import_module(_LAZY[name])
    value = module if _LAZY[name] == f"wherry.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
