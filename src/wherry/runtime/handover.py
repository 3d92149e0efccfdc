"""Hands `kfp` over from our small module to the real package when user code asks for more than ours has.

Called by the `kfp` shim.  Invariant: nothing is loaded before it is asked for; afterwards the program sees one `kfp`,
the real one (objects made from ours stay valid: the executor knows classes by what they have).
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any


_RUNTIME_VARIABLE = "_KFP_RUNTIME"


class _Loaded:
    """A loader for a module that is in `sys.modules` already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, _spec: object) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Finder:
    """Answers for submodules of `kfp` that ours does not have."""

    @staticmethod
    def find_spec(
        name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith("kfp.") or not _ours_is_loaded():
            return None
        _hand_over(name)
        loader: Any = _Loaded(importlib.import_module(name))
        return importlib.util.spec_from_loader(name, loader)


def install(package: str) -> None:
    """Be asked for submodules that `package`, our `kfp`, does not have."""
    if package == "kfp" and _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)


def attribute(name: str) -> Any:
    """The attribute `name` of the real `kfp`; what the shim's module `__getattr__` is."""
    return _of_the_real("kfp", name)


def components_attribute(name: str) -> Any:
    """The attribute `name` of the real `kfp.components`, of which the shim has the older `executor_main` only."""
    return _of_the_real("kfp.components", name)


def _of_the_real(module: str, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    if _ours_is_loaded():
        _hand_over(f"{module}.{name}")
    return getattr(importlib.import_module(module), name)


def _ours_is_loaded() -> bool:
    module = sys.modules.get("kfp")
    return module is not None and getattr(module, "__getattr__", None) is attribute


def _hand_over(wanted: str) -> None:
    """Replace our modules by the real ones.  Raises ImportError when there are none."""
    ours = sys.modules["kfp"]
    folders = {os.path.dirname(os.path.abspath(folder)) for folder in ours.__path__}
    others = [entry for entry in sys.path if os.path.abspath(entry) not in folders]
    spec = importlib.machinery.PathFinder.find_spec("kfp", others)
    if spec is None or spec.loader is None:
        raise ImportError(
            f"'{wanted}' is not available inside this task: only kfp.dsl is. If the component needs the kfp package, "
            "name it in its decorator: @dsl.component(packages_to_install=['kfp'])",
            name=wanted,
        )
    for name in [name for name in sys.modules if name == "kfp" or name.startswith("kfp.")]:
        del sys.modules[name]
    module = importlib.util.module_from_spec(spec)
    sys.modules["kfp"] = module
    inside = os.environ.pop(_RUNTIME_VARIABLE, None)  # with it, kfp 2.17 leaves out parts that its others need
    try:
        spec.loader.exec_module(module)
    finally:
        if inside is not None:
            os.environ[_RUNTIME_VARIABLE] = inside
