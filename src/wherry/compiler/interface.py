"""The plain records of a component: its inputs, its outputs and what runs.

Made by the DSL from a decorated function, read by the compiler, shared by all tasks of the component.
"""

from __future__ import annotations

from wherry.compiler import names, types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]


class InputSpec:
    """An input.  `optional`: it need not be given; `default` may still be None; `literals`: all it may be."""

    __slots__ = ("default", "description", "is_artifact_list", "literals", "optional", "type")

    def __init__(
        self,
        type: str,
        *,
        default: Any = None,
        optional: bool = False,
        is_artifact_list: bool = False,
        literals: list[Any] | None = None,
    ) -> None:
        types.validate(type)
        self.type = type
        self.default = default
        self.optional = optional
        self.is_artifact_list = is_artifact_list
        self.literals = literals
        self.description: str | None = None


class OutputSpec:
    """An output."""

    __slots__ = ("description", "is_artifact_list", "type")

    def __init__(self, type: str, *, is_artifact_list: bool = False) -> None:
        types.validate(type)
        self.type = type
        self.is_artifact_list = is_artifact_list
        self.description: str | None = None


class ContainerSpec:
    """What a `@container_component` function returns: the image, its command and its arguments.

    Elements of `command` and `args` are texts and placeholders.  `env`: what a component loaded from YAML brings.
    """

    __slots__ = ("args", "command", "env", "image")

    def __init__(self, image: str, command: list[Any] | None = None, args: list[Any] | None = None) -> None:
        self.image = image
        self.command = command
        self.args = args
        self.env: dict[str, str] = {}


class ImporterSpec:
    """What an importer registers.  `type`: `<schema title>@<version>`; `metadata` may hold placeholders."""

    __slots__ = ("download_to_workspace", "metadata", "reimport", "type")

    def __init__(
        self, type: str, *, reimport: bool, metadata: dict[str, Any] | None, download_to_workspace: bool
    ) -> None:
        self.type = type
        self.reimport = reimport
        self.metadata = metadata
        self.download_to_workspace = download_to_workspace


class GraphSpec:
    """What a pipeline used as a component runs: its own compiled documents."""

    __slots__ = ("pipeline_spec", "platform_spec")

    def __init__(self, pipeline_spec: Document, platform_spec: Document) -> None:
        self.pipeline_spec = pipeline_spec
        self.platform_spec = platform_spec


class ComponentSpec:
    """A component.  `name` is fit for Kubernetes; `implementation` is what one task of it runs."""

    __slots__ = ("description", "implementation", "inputs", "name", "outputs", "task_config_passthroughs")

    implementation: ContainerSpec | ImporterSpec | GraphSpec | None

    def __init__(
        self,
        name: str,
        inputs: dict[str, InputSpec],
        outputs: dict[str, OutputSpec],
        *,
        description: str | None = None,
        implementation: ContainerSpec | ImporterSpec | GraphSpec | None = None,
    ) -> None:
        self.name = names.sanitize(name)
        self.inputs = inputs
        self.outputs = outputs
        self.description = description
        self.implementation = implementation
        self.task_config_passthroughs: list[tuple[str, bool]] = []
