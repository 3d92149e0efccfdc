"""A pipeline used as a component: its components and executors move into the document of the pipeline around it.

Called by `wherry.compiler.document`.  Invariant: the inner pipeline's own documents stay as they are, for its next use.
"""

from __future__ import annotations

from wherry.compiler.interface import GraphSpec
from wherry.compiler.names import UniqueNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]


def merge(
    inner: GraphSpec,
    components: Document,
    component_names: UniqueNames,
    executors: Document,
    executor_names: UniqueNames,
    platforms: Document,
) -> Document:
    """Add an inner pipeline's parts under names that are free.  Returns its root, which refers to them by these."""
    spec = inner.pipeline_spec
    labels = _move(spec.get("deploymentSpec", {}).get("executors", {}), executors, executor_names)
    for platform, config in inner.platform_spec.get("platforms", {}).items():
        settings = config.get("deploymentSpec", {}).get("executors", {})
        outer_config = platforms.setdefault(platform, {})  # as KFP, which writes it empty for an inner `pipelineConfig`
        if settings:
            outer = outer_config.setdefault("deploymentSpec", {}).setdefault("executors", {})
            outer.update({labels[label]: copied(setting) for label, setting in settings.items()})
    renamed = _fresh_names(spec.get("components", {}), component_names)
    for key, component in spec.get("components", {}).items():
        components[renamed[key]] = _renamed(component, renamed, labels)
    return _renamed(spec["root"], renamed, labels)


def _move(inner: Document, outer: Document, taken: UniqueNames) -> dict[str, str]:
    labels: dict[str, str] = {}
    for label in sorted(inner):
        labels[label] = taken.take(label)
        outer[labels[label]] = inner[label]
    return labels


def _fresh_names(components: Document, taken: UniqueNames) -> dict[str, str]:
    return {key: taken.take(key) for key in sorted(components)}


def _renamed(component: Document, renamed: dict[str, str], labels: dict[str, str]) -> Document:
    """The component, referring to others by their new names."""
    result = dict(component)
    if "executorLabel" in result:
        result["executorLabel"] = labels[result["executorLabel"]]
    dag = result.get("dag")
    if dag is not None:
        result["dag"] = dag | {"tasks": {name: _task(task, renamed) for name, task in dag.get("tasks", {}).items()}}
    return result


def _task(task: Document, renamed: dict[str, str]) -> Document:
    name = task["componentRef"]["name"]
    return task if renamed[name] == name else task | {"componentRef": {"name": renamed[name]}}


def copied(value: Any) -> Any:
    """A document of plain values, copied."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return [copied(one) for one in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
