"""Flows: from a file, or from an object of `wherry.dsl`, to the document that is submitted.

Called by the command line and `wherry.run`.  Invariants: the user's file runs with its folder on `sys.path` and is not
`__main__`; whatever goes wrong in it is shown with the user's own traceback and nothing of ours.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, cast

from wherry import dsl
from wherry.client import kfp_objects
from wherry.client.kfp_names import started, supplied
from wherry.dsl.custom_artifacts import IMPORT_NAME
from wherry.errors import UsageError, WherryError
from wherry.ir.limits import MAX_BYTES
from wherry.settings import suggestion

MODULE = "__wherry_flow__"  # not the file's own name: a flow may be called random.py
DOCUMENTS = "wherry.ir.documents"  # the lazy entries: PyYAML, for compiled files and files of arguments
YAML = "wherry.ir.yaml"
COMPONENTS = "wherry.components.loading"  # lazy too: only a component.yaml of KFP's first version needs it
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
SUFFIXES = (".yaml", ".yml", ".json")


class Place(NamedTuple):
    """Where a component function is written: the line of its first decorator."""

    file: str
    line: int


class Flow(NamedTuple):
    """A compiled pipeline.  `document` is what is submitted; `places` are its component functions by name.

    `started`: the run that the file has started by itself, if it has, and no pipeline was asked for by name.
    """

    label: str
    document: dict[str, Any]
    places: Mapping[str, Place]
    description: str | None = None
    started: str | None = None

    @property
    def spec(self) -> dict[str, Any]:
        """The pipeline spec alone."""
        spec = self.document.get("pipeline_spec", self.document)
        return cast("dict[str, Any]", spec) if isinstance(spec, dict) else {}


def load(word: str) -> Flow:
    """The flow that `FILE` or `FILE:PIPELINE` names.  Raises `UsageError`."""
    path, name = split(word)
    if not os.path.exists(path):
        raise UsageError(f"there is no file {path}")
    if not os.path.isfile(path):
        raise UsageError(f"{path} is not a file")
    if path.endswith(".py"):
        return _from_python(path, name)
    if path.endswith(SUFFIXES):
        if name:
            raise UsageError(f"{path} holds one compiled pipeline; {name!r} cannot be chosen in it")
        return _from_document(path)
    raise UsageError(f"{path}: a flow is a .py file or a compiled .yaml or .json file")


def of_object(pipeline: Any) -> Flow:
    """The flow of a pipeline or component object.  Raises `UsageError` for anything else."""
    if not _is_component(pipeline):
        raise UsageError(
            f"{pipeline!r} is not a pipeline", hint="decorate the function with @dsl.pipeline or @dsl.component"
        )
    return Flow(pipeline.name, _document(pipeline), _places([pipeline]), pipeline.description)


def split(word: str) -> tuple[str, str | None]:
    """`FILE` and `PIPELINE` of `FILE[:PIPELINE]`; a file whose name has a colon is found as it is."""
    if os.path.exists(word) or ":" not in word:
        return word, None
    path, _, name = word.rpartition(":")
    return path, name or None


@contextmanager
def named(word: str) -> Generator[None]:
    """What is found to be wrong with a flow after it was loaded names its file, too."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{split(word)[0]}: {error.message}", hint=error.hint) from None


def read_yaml(text: bytes) -> list[Any]:
    """The documents of a YAML or JSON text, with the reader's limits.  Raises `UsageError`."""
    return import_module(YAML).load_all(text)


def run_file(path: str) -> ModuleType:
    """Runs a Python file as a module and returns it.  Raises `UsageError` with the user's traceback."""
    full = os.path.abspath(path)
    sys.path.insert(0, os.path.dirname(full))
    module = ModuleType(MODULE)
    module.__file__ = full
    vars(module)[IMPORT_NAME] = os.path.splitext(os.path.basename(full))[0]
    sys.modules[MODULE] = module
    started.runs.clear()
    try:
        with open(full, "rb") as file:
            code = compile(file.read(), full, "exec", dont_inherit=True)
        with supplied():
            exec(code, module.__dict__)  # noqa: S102 - to run the user's file is what we are asked for
    except SyntaxError as error:
        raise UsageError(f"{path} does not parse", hint=told(error, full)) from None
    except WherryError as error:
        raise UsageError(f"{path}: {error.message}", hint=_where(error, full, error.hint)) from None
    except SystemExit as error:
        raise UsageError(f"{path} ended the process (SystemExit {error.code}) instead of defining a pipeline") from None
    except OSError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
        raise UsageError(f"{path} failed", hint=told(error, full)) from None
    except Exception as error:  # noqa: BLE001 - the boundary to the user's code: shown as the user's error
        raise UsageError(f"{path} failed: {type(error).__name__}: {error}", hint=told(error, full)) from None
    return module


def told(error: BaseException, path: str) -> str:
    """An exception as Python prints it, from the first frame in the user's file on."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    whole = traceback.TracebackException(type(error), error, trace)
    whole.stack = traceback.StackSummary.from_list(
        [frame for frame in whole.stack if not frame.filename.startswith(_PACKAGE)]
    )
    return "".join(whole.format()).rstrip().replace("\n", "\n  ")


def _from_python(path: str, name: str | None) -> Flow:
    module = run_file(path)
    found = {key: value for key, value in vars(module).items() if _is_component(value)}
    if started.runs and name is None:
        run, flow = started.runs[-1]
        return flow._replace(places=_places(list(found.values())), started=run)
    chosen = _chosen(path, found, name)
    try:
        document = _document(chosen)
    except (WherryError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: {error}") from None
    return Flow(chosen.name, document, _places(list(found.values())), chosen.description)


def _is_component(value: object) -> bool:
    return dsl.is_component(value) or kfp_objects.is_component(value)


def _document(component: Any) -> dict[str, Any]:
    """The submission's form: the spec alone, or `{pipeline_spec, platform_spec}`."""
    if kfp_objects.is_component(component):
        spec, platform = kfp_objects.documents(component)
    else:
        spec, platform = component.pipeline_spec, component.platform_spec
    return {"pipeline_spec": spec, "platform_spec": platform} if platform else spec


def _chosen(path: str, found: dict[str, Any], name: str | None) -> Any:
    if name is not None:
        by_name = {value.name: value for value in found.values()}
        if name in found or name in by_name:
            return found.get(name) or by_name[name]
        known = list(found)
        raise UsageError(
            f"{path} has no pipeline {name!r}",
            hint=suggestion(name, known) or (f"it has {', '.join(known)}" if known else None),
        )
    pipelines = {key: value for key, value in found.items() if dsl.is_pipeline(value) or kfp_objects.is_pipeline(value)}
    candidates = pipelines or found
    distinct = {id(value): key for key, value in candidates.items()}
    if len(distinct) == 1:
        return next(iter(candidates.values()))
    if not distinct:
        raise UsageError(f"{path} has no pipeline", hint="decorate a function with @dsl.pipeline or @dsl.component")
    kind = "pipelines" if pipelines else "components"
    first = next(iter(distinct.values()))
    raise UsageError(
        f"{path} has {len(distinct)} {kind}: {', '.join(distinct.values())}", hint=f"say which: {path}:{first}"
    )


def _from_document(path: str) -> Flow:
    documents = import_module(DOCUMENTS)
    try:
        size = os.path.getsize(path)
        if size > MAX_BYTES:
            raise UsageError(f"{path} has {size >> 20} MiB; more than {MAX_BYTES >> 20} MiB is refused")
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    try:
        document: dict[str, Any] = documents.read(data)
    except documents.FirstFormat:
        return _of_first_format(path, data)
    except WherryError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from None
    flow = Flow(path, document, {})
    given = flow.spec.get("pipelineInfo")
    info = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    description = info.get("description")
    return flow._replace(
        label=str(info.get("name") or path), description=description if isinstance(description, str) else None
    )


def _of_first_format(path: str, data: bytes) -> Flow:
    """The pipeline of one task that a `component.yaml` of KFP's first version is."""
    try:
        return of_object(import_module(COMPONENTS).load_component_from_text(data.decode("utf-8-sig")))
    except (WherryError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from None


def _places(components: list[Any]) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for component in components:
        function = getattr(component, "python_func", None)
        code = getattr(function, "__code__", None)
        if code is not None:
            places[code.co_name] = Place(code.co_filename, code.co_firstlineno)
    return places


def _where(error: BaseException, path: str, hint: str | None) -> str | None:
    """The hint, with the user's line that the error came from."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if not lines:
        return hint
    return f"at {os.path.basename(path)}:{lines[-1]}" + (f"\n  {hint}" if hint else "")
