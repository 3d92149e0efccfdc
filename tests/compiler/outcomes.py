"""Loads flows and says what became of them: documents, or the class of what refused them.

Run as a script by the released kfp in its own environment, imported by the tests for wherry; so it imports neither at
the top.  A flow's module-level components and pipelines are compiled; its functions `refuse_*` and `make_*` are called.
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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = load(path)
                for name, value in list(vars(module).items()):
                    if hasattr(value, "component_spec") and not isinstance(value, type):
                        found[f"{path.stem}/{name}"] = documents(value)
                    elif name.startswith(("refuse_", "make_")):
                        found[f"{path.stem}/{name}"] = outcome(value)
    finally:
        sys.path.remove(str(folder))
    return found


def load(path):
    """A file of flows as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outcome(function):
    """What a function makes, or what it is refused with."""
    try:
        made = function()
        return {"refused": None, "message": ""} if made is None else documents(made)
    except Exception as error:
        return {"refused": type(error).__name__, "message": str(error)}


def documents(component):
    """The documents of a component or pipeline."""
    return {"documents": [as_dict(component.pipeline_spec), as_dict(component.platform_spec)]}


def as_dict(document):
    """A document as protobuf JSON, be it a message or already that."""
    if isinstance(document, dict):
        return document
    from google.protobuf import json_format

    return json_format.MessageToDict(document)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(outcomes(sys.argv[1])))
