"""Placeholders that the engine itself replaces: facts of the run and input values, in constants and executors.

Used by `inputs`, `resolve` and the maker of pods.  Invariant: one pass, so that what was put in is not looked at again;
anything unknown stays literally in place, for the command line (which the in-task runtime substitutes) to deal with.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from wherry.ir.cel import text_of
from wherry.pipelines.engine.model import Path, RunInfo

_MARK = "{{$."
_PLACEHOLDER = re.compile(r"\{\{\$\.(?:inputs\.parameters\[('{1,2}|\")(.*?)\1\]|\w+)\}\}")

_FACTS: dict[str, Callable[[RunInfo, str, Path], str]] = {
    "{{$.workspace_path}}": lambda info, task, path: info.workspace_path,
    "{{$.pipeline_job_name}}": lambda info, task, path: info.name,
    "{{$.pipeline_job_resource_name}}": lambda info, task, path: info.resource_name,
    "{{$.pipeline_job_uuid}}": lambda info, task, path: info.run_id,
    "{{$.pipeline_job_create_time_utc}}": lambda info, task, path: info.create_time_utc,
    "{{$.pipeline_job_schedule_time_utc}}": lambda info, task, path: info.schedule_time_utc,
    "{{$.pipeline_root}}": lambda info, task, path: info.pipeline_root,
    "{{$.pipeline_task_name}}": lambda info, task, path: task,
    "{{$.pipeline_task_uuid}}": lambda info, task, path: task_uuid(info.run_id, path),
}


class Place(NamedTuple):
    """Where a text stands: in what run, and in which task of it."""

    info: RunInfo
    task: str
    path: Path


def facts(place: Place) -> dict[str, str]:
    """Every placeholder that stands for the run or the task, and its text."""
    return {text: fact(*place) for text, fact in _FACTS.items()}


def mentions(value: Any) -> bool:
    """Whether a placeholder may stand anywhere in the value."""
    if isinstance(value, str):
        return _MARK in value
    if isinstance(value, list):
        return any(mentions(each) for each in cast("list[Any]", value))
    if isinstance(value, dict):
        return any(mentions(each) for item in cast("dict[str, Any]", value).items() for each in item)
    return False


def task_uuid(run_id: str, path: Path) -> str:
    """A task's id: made from the run's and the path, so that every attempt has the same inputs."""
    text = hashlib.sha256(f"{run_id}/{path}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def value_text(value: Any) -> str:
    """A value as KFP writes it into texts: text as it is, shortest number, true or false, JSON for the rest."""
    if value is None or isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text_of(value)


def filled(text: str, place: Place, parameters: dict[str, Any]) -> str:
    """`text` with all that is known put in: facts, and `{{$.inputs.parameters['x']}}` where x has a value."""
    if _MARK not in text:
        return text

    def replace(found: re.Match[str]) -> str:
        name = found[2]
        if name is None:
            fact = _FACTS.get(found[0])
            return fact(*place) if fact else found[0]
        return value_text(parameters[name]) if parameters.get(name) is not None else found[0]

    return _PLACEHOLDER.sub(replace, text)


def filled_deep(value: Any, place: Place, parameters: dict[str, Any], *, typed: bool = False) -> Any:
    """`filled` for every text in a structure, keys included; with `typed`, a text that is nothing but the placeholder
    of an input takes the input's value."""
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value) if typed else None
        if whole and parameters.get(whole[2]) is not None:
            return parameters[whole[2]]
        return filled(value, place, parameters)
    if isinstance(value, list):
        return [filled_deep(each, place, parameters, typed=typed) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {
            filled(key, place, parameters): filled_deep(each, place, parameters, typed=typed) for key, each in items
        }
    return value
