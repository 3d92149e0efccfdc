"""What all pods of one component have in common, worked out once: program, environment, declared inputs and outputs.

Called by the driver when a component's first task starts.  Pure.  Invariant: nothing in a template depends on a
task's inputs, so a loop of ten thousand iterations makes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from wherry.ir.kubernetes import KubernetesExecutorConfig
from wherry.ir.spec import ArtifactTypeSchema, ComponentSpec, ContainerSpec
from wherry.pipelines.engine.plan import whole
from wherry.pipelines.lightweight import Function, Program, recognise

EnvRequest = dict[str, Any]
"""`{"python": "3.11" | None, "requirements": [...], "index_urls": [...], "trusted_hosts": [...]}`, as the node reads
it from the annotation."""


class ImageRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of `[images]`: what the images that match `pattern` mean (the first match counts)."""

    pattern: str
    requirements: list[str] = []
    python: str | None = None
    image: str | None = None
    without_python: bool = False


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A content-addressed file of the store, and the bytes to put there (None: it is there)."""

    uri: str
    sha256: str
    data: bytes | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, str]:
        """As the task descriptor names it."""
        return {"uri": self.uri, "sha256": self.sha256}


class Template(msgspec.Struct, frozen=True, eq=False):
    """One component in one image, in one run."""

    name: str
    container: ContainerSpec
    platform: KubernetesExecutorConfig | None
    program: Function | Program
    source: ObjectRef | None
    code: ObjectRef | None
    image: str
    environment: EnvRequest | None
    declared: dict[str, Any]
    """The descriptor's `component`."""
    output_artifacts: dict[str, dict[str, Any]]
    """Output name to `{"type", "metadata"}`; an artifact list has `"list": True`."""
    without_python: bool = False
    """Whether the image map says that the image has no Python."""


def make(
    name: str,
    component: ComponentSpec,
    container: ContainerSpec,
    *,
    image: str,
    platform: KubernetesExecutorConfig | None,
    images: Sequence[ImageRule],
    code_sha256: str | None,
    store_root: str,
    levels: Mapping[str, int] | None = None,
) -> Template:
    """The template of a component whose executor is a container, in `image` (its placeholders replaced).

    `levels`: input parameters that were collected, and by how many loops within each other.
    """
    program = recognise(container.command, container.args)
    source: ObjectRef | None = None
    if isinstance(program, Function):
        source = source_ref(store_root, program.sha256, program.source.encode())
    rule = next((rule for rule in images if fnmatchcase(image, rule.pattern)), None)
    return Template(
        name=name,
        container=container,
        platform=platform,
        program=program,
        source=source,
        code=code_ref(store_root, code_sha256) if code_sha256 else None,
        image=rule.image if rule is not None and rule.image else image,
        environment=_environment(program, rule),
        declared=_declared(component, levels or {}),
        output_artifacts=_output_artifacts(component),
        without_python=rule is not None and rule.without_python,
    )


def source_ref(store_root: str, sha256: str, data: bytes) -> ObjectRef:
    """Where the source of a Python function lies."""
    return ObjectRef(f"{store_root}/.source/{sha256}.py", sha256, data)


def code_ref(store_root: str, sha256: str) -> ObjectRef:
    """Where the archive of a project's own modules lies."""
    return ObjectRef(f"{store_root}/.code/{sha256}.zip", sha256)


def type_json(schema: ArtifactTypeSchema) -> dict[str, str]:
    """An artifact type as RuntimeArtifacts carry it."""
    if schema.instance_schema:
        return {"instanceSchema": schema.instance_schema}
    return {
        "schemaTitle": schema.schema_title or "system.Artifact",
        "schemaVersion": schema.schema_version or "0.0.1",
    }


def _environment(program: Function | Program, rule: ImageRule | None) -> EnvRequest | None:
    installs = program.installs
    if rule is not None and rule.without_python:
        rule = None
    if rule is None and not installs.requirements:
        return None
    return {
        "python": rule.python if rule else None,
        "requirements": [*(rule.requirements if rule else ()), *installs.requirements],
        "index_urls": list(installs.index_urls),
        "trusted_hosts": list(installs.trusted_hosts),
        **({"mapped": True} if rule is not None else {}),  # the map says all that the image has
    }


def _declared(component: ComponentSpec, levels: Mapping[str, int]) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    for name, definition in component.input_definitions.parameters.items():
        entry: dict[str, Any] = {"type": definition.declared or "STRING"}
        if definition.default_value is not msgspec.UNSET:
            default = definition.default_value  # a document holds doubles; a function that wants integers gets them
            entry["default"] = default if definition.declared == "NUMBER_DOUBLE" else whole(default)
        if definition.is_optional:
            entry["optional"] = True
        if levels.get(name, 0) > 1:
            entry["collected"] = levels[name]
        inputs[name] = entry
    outputs = component.output_definitions.parameters
    return {
        "inputs": inputs,
        "outputs": {name: definition.declared or "STRING" for name, definition in outputs.items()},
    }


def _output_artifacts(component: ComponentSpec) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, definition in component.output_definitions.artifacts.items():
        found[name] = {"type": type_json(definition.artifact_type), "metadata": dict(definition.metadata)}
        if definition.is_artifact_list:
            found[name]["list"] = True
    return found
