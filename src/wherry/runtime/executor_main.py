"""`python3 -m kfp.dsl.executor_main`: runs one component function for a command that KFP compiled.

Called by the `kfp` shim's module of that name.  Arguments, files and results are those of kfp 2.17's program; the
executor output file is not written by non-chief workers of a distributed job (`CLUSTER_SPEC`).
"""

from __future__ import annotations

import argparse
import configparser
import importlib.util
import json
import logging
import os
import sys

from wherry.runtime import artifact_types
from wherry.runtime.commands import ERROR_FILE_VARIABLE, OBJECTS_ROOT_VARIABLE, TASK_ROOT_VARIABLE
from wherry.runtime.executor import Executor
from wherry.runtime.failures import error_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_LOG_FORMAT = "[KFP Executor %(asctime)s %(levelname)s]: %(message)s"
_CHIEFS = frozenset(("workerpool0", "chief", "master"))
_CONFIG_FILE = "kfp_config.ini"


def main() -> None:
    """Run the function that `sys.argv` names.  Raises what it raises; the traceback goes to stderr as usual."""
    logging.basicConfig(stream=sys.stdout, format=_LOG_FORMAT, level=logging.INFO)
    parser = argparse.ArgumentParser(description="Runs one component function of a pipeline task.")
    parser.add_argument("--component_module_path", help="file with the function; by default from kfp_config.ini")
    parser.add_argument("--function_to_execute", required=True, help="name of the function")
    parser.add_argument("--executor_input", help="the task's ExecutorInput as JSON")
    arguments, _ = parser.parse_known_args()
    artifact_types.OBJECTS_ROOT = os.environ.get(OBJECTS_ROOT_VARIABLE, "")
    name = arguments.function_to_execute
    path = arguments.component_module_path or _configured_path(name)
    executor_input = json.loads(arguments.executor_input)
    try:
        module = _load(path)
        executor = Executor(executor_input, getattr(module, name), task_root=os.environ.get(TASK_ROOT_VARIABLE))
        _write(executor.run(), executor_input["outputs"]["outputFile"])
    except BaseException as error:
        _tell(error)
        raise


def _configured_path(name: str) -> str:
    """Where `kfp_config.ini` says that the function is: that of the working folder, as in an image that `kfp component
    build` made, else of the project whose code came along."""
    folders = ["", *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    folder = next((folder for folder in folders if os.path.isfile(os.path.join(folder, _CONFIG_FILE))), "")
    config = configparser.ConfigParser()
    config.optionxform = str  # type: ignore[assignment, method-assign] - names keep their case
    config.read(os.path.join(folder, _CONFIG_FILE))
    components = dict(config["Components"]) if config.has_section("Components") else {}
    if not components:
        raise RuntimeError(
            f"No components found in `{_CONFIG_FILE}`: the function {name} is expected in the image that its component "
            "names as target_image, beside that file. Without the image, leave target_image out."
        )
    if name not in components:
        raise RuntimeError(
            f"Could not find component `{name}` in `{_CONFIG_FILE}`. "
            f"Found the following components instead:\n{components}"
        )
    return os.path.join(folder, components[name])


def _load(path: str) -> ModuleType:
    folder, file = os.path.split(path)
    module_name = file[: -len(".py")] if file.endswith(".py") else file
    spec = importlib.util.spec_from_file_location(module_name, os.path.join(folder, f"{module_name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    sys.path.insert(0, folder)
    spec.loader.exec_module(module)
    return module


def _write(output: object, path: str) -> None:
    cluster = json.loads(os.environ.get("CLUSTER_SPEC") or "null")
    if cluster and cluster["task"]["type"] not in _CHIEFS:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(output, file)


def _tell(error: BaseException) -> None:
    """Leave the user's traceback for the runtime that started us, if there is one."""
    path = os.environ.get(ERROR_FILE_VARIABLE)
    if not path or isinstance(error, SystemExit):
        return
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(error_record(error), file)
    except OSError:
        return  # the exit code speaks
