"""The task descriptor: what the driver tells the runtime about one attempt, as JSON in `WHERRY_TASK`.

Read by `wherry.runtime.main`.  Invariant: a `Task` is checked; its executor input is whole, paths of output files are
absolute, references between parameter values are resolved, and no name or path leaves its folder.

Keys beyond the required ones: `needed` (names of output artifacts that another task reads) and `constants` (text for
placeholders such as `{{$.pipeline_job_name}}` in a command).
"""

from __future__ import annotations

import hashlib
import json
import os

from wherry.runtime import argv, store, workspace
from wherry.runtime.failures import TaskError
from wherry.runtime.shapes import as_array, as_object, is_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

TASK_VARIABLE = "WHERRY_TASK"
GRANT_VARIABLE = "WHERRY_GRANT"  # how the task gets into an object store; see `wherry.runtime.grant`
_SCRATCH = ".wherry"  # folder for output files in the task's working folder


class DescriptorError(TaskError):
    """The descriptor is not one that this runtime can carry out."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="DescriptorError")


class Task:
    """One attempt.  `fields` is the descriptor's mapping."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields
        self.kind: str = fields["kind"]
        self.function: str = fields.get("function") or ""
        self.source: dict[str, str] = fields.get("source") or {}
        self.command: list[str] = [*(fields.get("command") or ()), *(fields.get("args") or ())]
        self.root: str = fields["root"]
        self.commit: str = fields["commit"]
        self.code: dict[str, str] | None = fields.get("code")
        self.needed: list[str] = fields.get("needed") or []
        self.constants: dict[str, str] = fields.get("constants") or {}
        component: dict[str, Any] = fields.get("component") or {}
        self._declared: dict[str, dict[str, Any]] = component.get("inputs") or {}
        self.output_types: dict[str, str] = component.get("outputs") or {}
        self.executor_input: dict[str, Any] = {}

    @property
    def collected(self) -> dict[str, int]:
        """Input parameters that were collected by several loops, and by how many within each other."""
        return {name: declared["collected"] for name, declared in self._declared.items() if "collected" in declared}

    def load_executor_input(self, scratch: str) -> None:
        """Fetch and complete `executor_input`; output files without an absolute path go under `scratch`.

        Raises TaskError when it cannot be had or names something outside its folder, and OSError.
        """
        reference = self._fields.get("executor_input_ref")
        given = self._fields.get("executor_input")
        if given is None and reference:
            given = json.loads(read_verified(reference, "executor input"))
        executor_input: dict[str, Any] = as_object(given)
        inputs: dict[str, Any] = executor_input.setdefault("inputs", {})
        values: dict[str, Any] = inputs.get("parameterValues") or {}
        if self._declared:
            self._add_defaults(values)
        inputs["parameterValues"] = argv.resolve_references(values)
        if inputs.get("artifacts"):
            workspace.materialise(inputs["artifacts"])
        outputs: dict[str, Any] = executor_input.setdefault("outputs", {})
        files: dict[str, Any] = outputs.setdefault("parameters", {})
        for name in self.output_types:
            files.setdefault(name, {})
        for name, place in files.items():
            place["outputFile"] = _output_file(place.get("outputFile"), scratch, name)
        outputs["outputFile"] = _output_file(outputs.get("outputFile"), scratch, "output_metadata.json")
        for name, holder in as_object(outputs.get("artifacts")).items():
            _check_name(name)
            for artifact in as_array(holder.get("artifacts")):
                store.check_no_escape(artifact.get("uri") or "")
        self.executor_input = executor_input

    def _add_defaults(self, values: dict[str, Any]) -> None:
        for name, declared in self._declared.items():
            value = values.get(name)
            if value is None:
                if declared.get("default") is not None:
                    values[name] = declared["default"]
            elif type(value) is float and declared.get("type") == "NUMBER_INTEGER" and value.is_integer():
                values[name] = int(value)


def load(environ: Mapping[str, str]) -> Task:
    """The task in the environment.  Raises DescriptorError."""
    text = environ.get(TASK_VARIABLE)
    if not text:
        raise DescriptorError(f"{TASK_VARIABLE} is not set: this program runs one task of a pipeline, and has none")
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise DescriptorError(f"{TASK_VARIABLE} is not JSON: {error}") from None
    if not is_object(fields):
        raise DescriptorError(f"{TASK_VARIABLE} does not hold a JSON object")
    return checked(fields)


def checked(fields: dict[str, Any]) -> Task:
    """The task with these fields.  Raises DescriptorError when one is missing or not known."""
    if fields.get("v") != 1:
        raise DescriptorError(f"Task descriptor version {fields.get('v')!r} is not known; this runtime knows 1")
    missing = [name for name in ("kind", "root", "commit") if not fields.get(name)]
    if missing:
        raise DescriptorError(f"The task descriptor lacks {', '.join(missing)}")
    task = Task(fields)
    if task.kind == "python" and not (task.function and task.source.get("uri")):
        raise DescriptorError("A task of kind python needs a source and a function")
    if task.kind == "command" and not task.command:
        raise DescriptorError("A task of kind command needs a command")
    if task.kind not in ("python", "command"):
        raise DescriptorError(f"Task kind {task.kind!r} is not known")
    return task


def read_verified(reference: Mapping[str, str], what: str) -> bytes:
    """The object that `reference` (uri, sha256) names.  Raises DescriptorError when its content is another."""
    try:
        data = store.store_for(reference["uri"]).read(reference["uri"])
    except FileNotFoundError:
        raise DescriptorError(f"The task's {what} is gone: nothing at {reference['uri']}") from None
    if hashlib.sha256(data).hexdigest() != reference["sha256"]:
        raise DescriptorError(f"The task's {what} at {reference['uri']} does not have the digest it should have")
    return data


def _output_file(path: str | None, scratch: str, name: str) -> str:
    if path:
        store.check_no_escape(path)
        return path if path.startswith("/") else os.path.join(scratch, path)
    _check_name(name)
    return os.path.join(scratch, _SCRATCH, "outputs", name)


def _check_name(name: str) -> None:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise DescriptorError(f"{name!r} cannot be the name of an output")
