"""Loads flows and says what became of them: documents, or the class of what refused them.

Run as a script by the released kfp in its own environment, imported by the tests for wherry; so it imports neither at
the top.  A flow's module-level components and pipelines are compiled; its functions `refuse_*` are called, and fail.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from pathlib import Path


def outcomes(folder):
    """{flow/name: {"documents": [pipeline, platform]} or {"refused": class name, "message": text}}"""
    found = {}
    sys.path.insert(0, str(folder))
    try:
        for path in sorted(Path(folder).glob("*.py")):
            spec = importlib.util.spec_from_file_location(path.stem, path)
            module = importlib.util.module_from_spec(spec)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                spec.loader.exec_module(module)
                for name, value in list(vars(module).items()):
                    if hasattr(value, "component_spec") and not isinstance(value, type):
                        documents = [as_dict(value.pipeline_spec), as_dict(value.platform_spec)]
                        found[f"{path.stem}/{name}"] = {"documents": documents}
                    elif name.startswith("refuse_"):
                        found[f"{path.stem}/{name}"] = refusal(value)
    finally:
        sys.path.remove(str(folder))
    return found


def refusal(function):
    """What a function is refused with."""
    try:
        function()
    except Exception as error:
        return {"refused": type(error).__name__, "message": str(error)}
    return {"refused": None, "message": ""}


def as_dict(document):
    """A document as protobuf JSON, be it a message or already that."""
    if isinstance(document, dict):
        return document
    from google.protobuf import json_format

    return json_format.MessageToDict(document)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(outcomes(sys.argv[1])))
