"""`import kfp` where kfp is not installed: modules of its names whose contents are wherry's.

Entered by `wherry.client.flows` while a user's file runs.  Invariant: a kfp that is installed, or lies beside the flow,
is left alone; what wherry does not have raises ModuleNotFoundError, which says how to get it.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from wherry.dsl.source import KFP_VERSION

_CLIENT = "wherry.client.kfp_names.client"
_LOCAL = "wherry.client.kfp_names.local"
_TOP = "wherry.client.kfp_names.top"
_DSL = (
    "base_component",
    "graph_component",
    "importer_node",
    "pipeline_channel",
    "pipeline_task",
    "placeholders",
    "structures",
    "types",
    "types.artifact_types",
    "types.type_annotations",
    "types.type_utils",
)
_DSL_PARTS = (
    "component_decorator",
    "container_component_decorator",
    "for_loop",
    "notebook_component_decorator",
    "pipeline_config",
    "pipeline_context",
    "task_config",
    "task_final_status",
    "tasks_group",
)
_KUBERNETES = (
    "config_map",
    "empty_dir",
    "field",
    "image",
    "node_affinity",
    "node_selector",
    "pod_metadata",
    "secret",
    "security_context",
    "timeout",
    "toleration",
    "volume",
)
# Where the names of each of kfp's modules are.
_SOURCES = {
    "kfp": _TOP,
    "kfp.client": _CLIENT,
    "kfp.client.client": _CLIENT,
    "kfp.compiler": "wherry.compiler",
    "kfp.compiler.compiler": "wherry.compiler",
    "kfp.compiler.compiler_utils": "wherry.compiler",
    "kfp.components": "wherry.components",
    "kfp.components.load_yaml_utilities": "wherry.components",
    "kfp.dsl": "wherry.dsl",
    **{f"kfp.dsl.{name}": f"wherry.dsl.{name}" for name in _DSL},
    **{f"kfp.dsl.{name}": "wherry.dsl" for name in _DSL_PARTS},
    "kfp.dsl.container_component_class": "wherry.components",
    "kfp.dsl.python_component": "wherry.components",
    "kfp.dsl.yaml_component": "wherry.components",
    "kfp.kubernetes": "wherry.dsl.kubernetes",
    **{f"kfp.kubernetes.{name}": "wherry.dsl.kubernetes" for name in _KUBERNETES},
    "kfp.local": _LOCAL,
    "kfp.v2": _TOP,
    "kfp.v2.compiler": "wherry.compiler",
    "kfp.v2.components": "wherry.components",
    "kfp.v2.dsl": "wherry.dsl",
    "kfp.version": _TOP,
}
# Modules that kfp also has as attributes of others.
_BOUND = {
    "kfp.components.base_component": "kfp.dsl.base_component",
    "kfp.components.placeholders": "kfp.dsl.placeholders",
}


class _View(ModuleType):
    """A module of kfp's name.  Its names are looked up in one of wherry's modules when they are used."""

    def __getattr__(self, name: str) -> Any:
        child = f"{self.__name__}.{name}"
        if child in _SOURCES or child in _BOUND:
            return import_module(_BOUND.get(child, child))
        source = import_module(_SOURCES[self.__name__])
        if (name.startswith("__") and name != "__all__") or not hasattr(source, name):
            raise AttributeError(_missing(child))
        value = getattr(source, name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted(getattr(import_module(_SOURCES[self.__name__]), "__all__", ()))


class _Finder:
    """Finds kfp's modules when no other finder does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder` has it.  Raises ModuleNotFoundError for a part of kfp we do not have."""
        loader: Any = self  # `importlib.abc`, whose class it would be, costs more than all of this
        if fullname == "kfp":
            return None if _is_installed() else ModuleSpec(fullname, loader, is_package=True)
        if not fullname.startswith("kfp.") or not isinstance(sys.modules.get("kfp"), _View):
            return None
        if fullname not in _SOURCES:
            # Not under its own name: an import that is part of `from kfp import x` would lose the message.
            raise ModuleNotFoundError(_missing(fullname), name="kfp")
        return ModuleSpec(fullname, loader, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module: see `_View`."""
        return _View(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs; kfp's version is the one that wherry is compatible with."""
        if module.__name__ in ("kfp", "kfp.version", "kfp.kubernetes"):
            vars(module)["__version__"] = KFP_VERSION


@contextmanager
def supplied() -> Generator[None]:
    """While the block runs, `import kfp` gives wherry's names if there is no kfp to import.  Blocks may be nested."""
    finder: Any = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        if not any(isinstance(other, _Finder) for other in sys.meta_path):
            for name, module in sys.modules.copy().items():  # a copy: other threads may import meanwhile
                if isinstance(module, _View):
                    del sys.modules[name]


def _is_installed() -> bool:
    for other in sys.meta_path:
        if not isinstance(other, _Finder) and hasattr(other, "find_spec"):
            spec = other.find_spec("kfp", None)
            if spec is not None and spec.origin is not None:  # a folder without code is a remnant, or a part of kfp
                return True
    return False


def _missing(name: str) -> str:
    wanted = f"if kfp {KFP_VERSION} has it: pip install kfp=={KFP_VERSION}"
    return f"{name} is not among the names of kfp that wherry has; {wanted}"
