"""From a pipeline as its function leaves it to the documents that are run: KFP's PipelineSpec and PlatformSpec.

`compile`, `documents` and `Compiler` are what users call; `wherry.dsl` builds on the records.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.compiler.manifests import KubernetesManifestOptions
    from wherry.compiler.package import Compiler, compile, documents, file_text, yaml_text

__all__ = ["Compiler", "KubernetesManifestOptions", "compile", "documents", "file_text", "yaml_text"]

# They load YAML, which writing a flow does not need: loaded when asked for.
_LAZY = {
    "Compiler": "wherry.compiler.package",
    "KubernetesManifestOptions": "wherry.compiler.manifests",
    "compile": "wherry.compiler.package",
    "documents": "wherry.compiler.package",
    "file_text": "wherry.compiler.package",
    "yaml_text": "wherry.compiler.package",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - for the names above only

    return getattr(importlib.import_module(module), name)
