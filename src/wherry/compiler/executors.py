"""What runs: the `container` and `importer` specs under `deploymentSpec.executors`.

Called by `wherry.compiler.document` for each task that is not a pipeline.
"""

from __future__ import annotations

from wherry.compiler import types, values
from wherry.compiler.channels import PipelineChannel, channels_in, injected_name, pattern
from wherry.compiler.graph import Container, Resources, Task
from wherry.compiler.interface import ImporterSpec
from wherry.compiler.placeholders import InputValuePlaceholder, Placeholder, StructuredPlaceholder
from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

_UNITS: dict[str, int] = {
    "E": 10**18,
    "Ei": 1 << 60,
    "P": 10**15,
    "Pi": 1 << 50,
    "T": 10**12,
    "Ti": 1 << 40,
    "G": 10**9,
    "Gi": 1 << 30,
    "M": 10**6,
    "Mi": 1 << 20,
    "K": 10**3,
    "Ki": 1 << 10,
}
_PLAIN_FIELDS = {
    "cpu_request": ("resourceCpuRequest", "cpuRequest"),
    "cpu_limit": ("resourceCpuLimit", "cpuLimit"),
    "memory_request": ("resourceMemoryRequest", "memoryRequest"),
    "memory_limit": ("resourceMemoryLimit", "memoryLimit"),
}


def container(task: Task, spec: Container) -> Document:
    """A task's container.  Raises ValueError for settings that the component's passthroughs do not list."""
    _check_passthroughs(task, spec)
    document: Document = {"image": _with_placeholders(_element(spec.image))}
    if spec.command:
        document["command"] = [_element(one) for one in spec.command]
    if spec.args:
        document["args"] = [_element(one) for one in spec.args]
    if spec.env:
        document["env"] = [
            {"name": name, "value": value} if value else {"name": name} for name, value in spec.env.items()
        ]
    if spec.resources is not None:
        resources = _resources(spec.resources)
        if resources:
            document["resources"] = resources
    return document


def importer(task: Task, spec: ImporterSpec) -> Document:
    """An importer.  Its URI is a constant, or the task's input `uri`."""
    document: Document = {"typeSchema": types.artifact_type(spec.type)}
    if spec.reimport:
        document["reimport"] = True
    if spec.metadata:
        document["metadata"] = values.metadata(spec.metadata)
    if spec.download_to_workspace:
        document["downloadToWorkspace"] = True
    uri = task.inputs["uri"]
    if isinstance(uri, PipelineChannel) or channels_in(uri):
        document["artifactUri"] = {"runtimeParameter": "uri"}
    elif isinstance(uri, str):
        document["artifactUri"] = {"constant": uri}
    return document


def _element(value: Any) -> str:
    if isinstance(value, StructuredPlaceholder):
        return values.json_text(value.struct())
    return value.text() if isinstance(value, Placeholder) else value


def _with_placeholders(text: str) -> str:
    for channel in channels_in(text):
        text = text.replace(pattern(channel), InputValuePlaceholder(injected_name(channel)).text())
    return text


def _resources(asked: Resources) -> Document:
    document: Document = {}
    for name, (text_field, number_field) in _PLAIN_FIELDS.items():
        value = getattr(asked, name)
        if value is None:
            continue
        text = document[text_field] = _with_placeholders(value)
        if text == value:
            # The deprecated fields, for servers that do not know the texts yet.
            as_number = cpu_count(value) if name.startswith("cpu") else memory_gigabytes(value)
            if as_number:
                document[number_field] = as_number
    if asked.accelerator_count is not None:
        document["accelerator"] = _accelerator(asked.accelerator_type, asked.accelerator_count)
    return document


def _accelerator(kind: str | None, count: str) -> Document:
    accelerator: Document = {}
    if kind is not None:
        kind_text = accelerator["resourceType"] = _with_placeholders(kind)
        if kind_text == kind:
            accelerator["type"] = kind
    count_text = accelerator["resourceCount"] = _with_placeholders(count)
    if count_text == count and int(count):
        accelerator["count"] = count
    return accelerator


def cpu_count(text: str) -> float:
    """CPUs as a number: `500m` is 0.5."""
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def memory_gigabytes(text: str) -> float:
    """Memory in G (10**9 bytes): `1Gi` is 1.073741824; without a unit the number is bytes."""
    digits = text.rstrip("EPTGMKi")
    unit = text[len(digits) :]
    if unit == "G":
        return float(digits)
    return float(digits) * _UNITS[unit] / _UNITS["G"] if unit else float(digits) / _UNITS["G"]


def _check_passthroughs(task: Task, spec: Container) -> None:
    passed = {field for field, _ in task.component_spec.task_config_passthroughs}
    if not passed:
        return
    kubernetes = task.platform_config.get("kubernetes", {})
    used = {
        "RESOURCES": spec.resources is not None and bool(spec.resources.given()),
        "ENV": bool(spec.env),
        "KUBERNETES_TOLERATIONS": bool(kubernetes.get("tolerations")),
        "KUBERNETES_NODE_SELECTOR": bool(kubernetes.get("nodeSelector")),
        "KUBERNETES_AFFINITY": bool(kubernetes.get("nodeAffinity") or kubernetes.get("podAffinity")),
        "KUBERNETES_VOLUMES": any(kubernetes.get(key) for key in ("pvcMount", "secretAsVolume", "configMapAsVolume")),
    }
    for field, is_used in used.items():
        if is_used and field not in passed:
            raise ValueError(
                at(
                    f"Task '{task.name}' cannot handle resource type '{field}' based on the values in "
                    "task_config_passthroughs",
                    task.place,
                )
            )
