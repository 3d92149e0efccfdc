"""Placeholders that the engine itself replaces: run facts in constants, input values in texts of the executor.

Used by `inputs` and `resolve`.  Invariant: as KFP's driver does, a constant is replaced only when it is the placeholder
and nothing else (the workspace path excepted); anything unknown stays literally in place, for the command line
(which the in-task runtime substitutes) to deal with.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, cast

from wherry.ir.cel import text_of
from wherry.pipelines.engine.model import Path, RunInfo

_WORKSPACE = "{{$.workspace_path}}"
_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\[(?:'([^']*)'|\"([^\"]*)\")\]\}\}")

_FACTS: dict[str, Callable[[RunInfo, str, Path], str]] = {
    "{{$.pipeline_job_name}}": lambda info, task, path: info.name,
    "{{$.pipeline_job_resource_name}}": lambda info, task, path: info.resource_name,
    "{{$.pipeline_job_uuid}}": lambda info, task, path: info.run_id,
    "{{$.pipeline_job_create_time_utc}}": lambda info, task, path: info.create_time_utc,
    "{{$.pipeline_job_schedule_time_utc}}": lambda info, task, path: info.schedule_time_utc,
    "{{$.pipeline_root}}": lambda info, task, path: info.pipeline_root,
    "{{$.pipeline_task_name}}": lambda info, task, path: task,
    "{{$.pipeline_task_uuid}}": lambda info, task, path: task_uuid(info.run_id, path),
}


def constant(value: Any, info: RunInfo, task: str, path: Path) -> Any:
    """A task input's constant with its placeholder replaced, if it is one; `task` is the task's name."""
    if not isinstance(value, str) or "{{$." not in value:
        return value
    fact = _FACTS.get(value)
    return fact(info, task, path) if fact else value.replace(_WORKSPACE, info.workspace_path)


def task_uuid(run_id: str, path: Path) -> str:
    """A task's id: made from the run's and the path, so that every attempt has the same inputs."""
    text = hashlib.sha256(f"{run_id}/{path}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def value_text(value: Any) -> str:
    """A value as KFP writes it into texts: text as it is, shortest number, true or false, JSON for the rest."""
    if value is None or isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text_of(value)


def with_inputs(text: str, parameters: dict[str, Any]) -> str:
    """`text` with `{{$.inputs.parameters['x']}}` replaced wherever it stands; an input without a value stays."""
    if "{{$." not in text:
        return text

    def replace(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return value_text(parameters[name]) if name in parameters else found[0]

    return _PARAMETER.sub(replace, text)


def with_inputs_deep(value: Any, parameters: dict[str, Any]) -> Any:
    """`with_inputs` for every text in a structure, keys included; a text that is one placeholder takes the value."""
    if isinstance(value, str):
        whole = _PARAMETER.fullmatch(value)
        name = (whole[1] or whole[2]) if whole else None
        return parameters[name] if name is not None and name in parameters else with_inputs(value, parameters)
    if isinstance(value, list):
        return [with_inputs_deep(each, parameters) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {with_inputs(key, parameters): with_inputs_deep(each, parameters) for key, each in items}
    return value
