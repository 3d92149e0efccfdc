"""What runs and tasks look like to people: durations, outputs, the tree of tasks, secrets left out.

Called by `wherry.client.runs` (repr) and the command line.  Pure: views as the server sends them in, values and texts
out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from wherry.ir.secrets import is_secret

FINAL_RUNS = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
FINAL_PHASES = frozenset({"SUCCEEDED", "CACHED", "FAILED", "SKIPPED", "CANCELED"})
LEAVES = frozenset({"task", "importer"})
HIDDEN = "(hidden)"
_TEXT_LIMIT = 120


class Node(NamedTuple):
    """A task in the tree, with what it contains."""

    task: Mapping[str, Any]
    children: list[Node]


def duration(seconds: float | None) -> str:
    """`0.04s`, `12.3s`, `4m02s`, `3h05m`; "" for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f}s" if seconds < 9.995 else f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def size(count: int) -> str:
    """A number of bytes as people read it: `512 bytes`, `3.1 MiB`."""
    if count < 1024:
        return f"{count} bytes"
    value, unit = count / 1024, "KiB"
    for bigger in ("MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, bigger
    return f"{value:.1f} {unit}"


def seconds_of(view: Mapping[str, Any], now: float) -> float | None:
    """How long a run or task has taken so far; None before it starts."""
    started = view.get("started_at")
    if started is None:
        return None
    finished = view.get("finished_at")
    return max(0.0, (now if finished is None else finished) - started)


def short(run: str) -> str:
    """A run's id as people are shown it; commands take any unique prefix."""
    return run[:8]


def redacted(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with secrets left out, at any depth."""
    return {name: HIDDEN if is_secret(name) and value else _inner(value) for name, value in values.items()}


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return redacted(value)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, list):
        return [_inner(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def part(view: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """The mapping under `name`; an empty one where there is none."""
    return cast("Mapping[str, Any]", (view or {}).get(name) or {})


def flat(outputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Outputs by name: parameters as values; an artifact as `{name, type, uri, metadata}`, several as a list."""
    if not outputs:
        return {}
    found: dict[str, Any] = dict(part(outputs, "parameters"))
    for name, artifacts in part(outputs, "artifacts").items():
        plain = [artifact(one) for one in artifacts]
        found[name] = plain[0] if len(plain) == 1 else plain
    return found


def artifact(value: Mapping[str, Any]) -> dict[str, Any]:
    """An artifact as scripts see it."""
    kind: Any = value.get("type") or {}
    return {
        "name": value.get("name", ""),
        "type": kind if isinstance(kind, str) else kind.get("schemaTitle", ""),
        "uri": value.get("uri", ""),
        "metadata": part(value, "metadata"),
    }


def metrics(outputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The numbers in a task's `Metrics` artifacts."""
    found: dict[str, Any] = {}
    for artifacts in part(outputs, "artifacts").values():
        for one in map(artifact, artifacts):
            if one["type"] == "system.Metrics":
                found.update({k: v for k, v in one["metadata"].items() if isinstance(v, int | float)})
    return found


def brief(value: Any) -> str:
    """A value on one line, cut where it gets long."""
    if isinstance(value, Mapping) and "uri" in value and "type" in value:
        return str(value["uri"])  # pyright: ignore[reportUnknownArgumentType]
    text = " ".join(str(value).split())  # pyright: ignore[reportUnknownArgumentType]
    return text if len(text) <= _TEXT_LIMIT else f"{text[: _TEXT_LIMIT - 1]}…"


def parent(path: str) -> str:
    """The path of the node that holds the one at `path`; "" for those directly in the run."""
    if path.endswith("]"):
        return path[: path.rindex("[")]
    return path.rpartition("/")[0]


def leaf(path: str) -> str:
    """A node's own name in its parent."""
    name = path.rpartition("/")[2]
    return name[name.rindex("[") :] if name.endswith("]") else name


def tree(tasks: Iterable[Mapping[str, Any]]) -> list[Node]:
    """The tasks as a tree, each with its last attempt; siblings in the order in which they come."""
    last: dict[str, Mapping[str, Any]] = {}
    for task in tasks:
        path = task["path"]
        if path not in last or last[path].get("attempt", 0) <= task.get("attempt", 0):
            last[path] = task
    nodes = {path: Node(task, []) for path, task in last.items() if path != "root"}
    top: list[Node] = []
    for path, node in nodes.items():
        above = nodes.get(parent(path))
        (top if above is None else above.children).append(node)
    return top


def artifacts(tasks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The artifacts that leaf tasks made, as `{task, output, name, type, uri, metadata}`."""
    return [
        {"task": task["path"], "output": output, **artifact(one)}
        for task in tasks
        if task.get("kind") in LEAVES
        for output, found in part(part(task, "outputs"), "artifacts").items()
        for one in found
    ]
