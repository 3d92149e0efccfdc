"""How a run's failure is told: the user's own traceback, the end of the task's log, what to change, where to look.

Called by `wherry.cli.follow`.  Invariant: what is shown came from the task itself; a hint names a line of the user's
file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wherry.client import views
from wherry.client.api import Client
from wherry.client.flows import Flow, Place
from wherry.errors import WherryError

LOG_LINES = 10
LOG_TAIL = 200  # lines that are asked for: a traceback may come after the last ones of interest
_SOURCE = re.compile(r'File "[^"]*/\.source/[0-9a-f]{64}\.py", line (\d+)')
_MISSING = re.compile(r"No module named '([^']+)'")


def explained(client: Client, run: str, error: Mapping[str, Any], flow: Flow | None) -> str:
    """The text that ends a failed run."""
    task = error.get("task")
    where = f"task {task} failed: " if task else ""
    parts = [f"{where}{_headline(error)}"]
    if error.get("traceback"):
        parts.append(in_users_file(str(error["traceback"]).rstrip(), flow, str(task)))
    if task:
        parts += _log(client, run, task, str(error.get("message")))
    hint = _decorator_hint(error, flow) or error.get("hint")
    if hint:
        parts.append(f"hint: {hint}")
    if task:
        parts.append(f"full log: wherry logs {views.short(run)} {task}")
    return "\n".join(parts)


def function_of(spec: Mapping[str, Any], path: str) -> str | None:
    """The name of the Python function that the task at `path` runs; None for other tasks."""
    arguments: list[Any] = _container(spec, path).get("args", [])
    if "--function_to_execute" in arguments[:-1]:
        return str(arguments[arguments.index("--function_to_execute") + 1])
    return None


def _source_of(spec: Mapping[str, Any], path: str) -> str:
    """The source that the task runs: KFP passes it as the last word of the command."""
    command: list[Any] = _container(spec, path).get("command", [])
    return str(command[-1]) if command else ""


def _container(spec: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    component: Any = spec.get("root", {})
    for part in re.sub(r"\[\d+\]", "", path).split("/"):
        task = component.get("dag", {}).get("tasks", {}).get(part)
        if task is None:
            return {}
        component = spec.get("components", {}).get(task.get("componentRef", {}).get("name"), {})
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    return executors.get(component.get("executorLabel"), {}).get("container", {})


def _headline(error: Mapping[str, Any]) -> str:
    kind, message = error.get("type"), str(error.get("message") or "no reason was given").rstrip()
    return f"{kind}: {message}" if kind and not message.startswith(f"{kind}:") else message


def _log(client: Client, run: str, task: str, known: str) -> list[str]:
    """The end of what the task wrote before it failed: without its traceback, and what the message says already."""
    try:
        data = b"".join(client.logs(run, task, tail=LOG_TAIL))
    except WherryError:
        return []  # the log is extra here; that it cannot be had is no news beside the failure
    before = data.decode("utf-8", "replace").rpartition("Traceback (most recent call last):\n")
    lines = [line for line in (before[0] or before[2]).splitlines() if not line.endswith(known)]
    text = "\n".join(lines).rstrip()
    return [f"the end of its log:\n{_indented(text)}"] if text else []


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[-LOG_LINES:])


def _decorator_hint(error: Mapping[str, Any], flow: Flow | None) -> str | None:
    missing = _MISSING.search(str(error.get("message", "")))
    if error.get("type") != "ModuleNotFoundError" or missing is None:
        return None
    package = _package(error, missing[1])
    place = _place(flow, str(error.get("task", "")))
    module = missing[1].partition(".")[0]
    if place and _lies_beside(place.file, module):
        beside = f"{module} lies beside {os.path.relpath(place.file)}"
        return f"{beside}: give wherry.toml a [code] table, so that your own modules travel with the run"
    at = f" at {os.path.relpath(place.file)}:{place.line}" if place else " of the component"
    return f"add it to the decorator{at}: @dsl.component(packages_to_install=[{package!r}])"


def _lies_beside(file: str, module: str) -> bool:
    folder = os.path.dirname(os.path.abspath(file))
    return os.path.isfile(os.path.join(folder, f"{module}.py")) or os.path.isdir(os.path.join(folder, module))


def _package(error: Mapping[str, Any], module: str) -> str:
    """The package that the task's own advice names, else the module's first part."""
    advised = re.search(r"packages_to_install=\[['\"]([^'\"]+)['\"]", str(error.get("hint", "")))
    return advised[1] if advised else module.partition(".")[0]


def _place(flow: Flow | None, task: str) -> Place | None:
    if flow is None:
        return None
    function = function_of(flow.spec, task)
    return flow.places.get(function) if function else None


def in_users_file(text: str, flow: Flow | None, task: str) -> str:
    """A traceback with the places of the task's own source given in the file that the user wrote, where we know it."""
    place = _place(flow, task)
    function = function_of(flow.spec, task) if flow else None
    if flow is None or place is None or function is None:
        return text
    start = re.compile(rf"\s*(?:async\s+)?def\s+{re.escape(function)}\b")
    theirs = _line(_read(place.file), start, place.line)
    ours = _line(_source_of(flow.spec, task).splitlines(), start, 1)
    if not theirs or not ours:
        return text

    def placed(match: re.Match[str]) -> str:
        line = int(match[1])
        return f'File "{os.path.relpath(place.file)}", line {line - ours + theirs}' if line >= ours else match[0]

    return _SOURCE.sub(placed, text)


def _line(lines: Sequence[str], start: re.Pattern[str], first: int) -> int:
    """The number of the first line from `first` on that `start` matches; 0 where there is none."""
    return next((n for n, line in enumerate(lines, 1) if n >= first and start.match(line)), 0)


def _read(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
