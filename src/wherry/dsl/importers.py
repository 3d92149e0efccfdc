"""`dsl.importer`: a task that makes an artifact of something that is already there."""

from __future__ import annotations

from wherry.compiler import types
from wherry.compiler.channels import (
    PipelineArtifactChannel,
    PipelineChannel,
    PipelineParameterChannel,
    channels_in,
    pattern,
)
from wherry.compiler.interface import ComponentSpec, ImporterSpec, InputSpec, OutputSpec
from wherry.compiler.placeholders import InputValuePlaceholder
from wherry.compiler.places import at
from wherry.dsl.components import ImporterComponent
from wherry.runtime import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from wherry.dsl.task import PipelineTask
    from wherry.runtime.artifact_types import Artifact


def importer(
    artifact_uri: str | PipelineChannel,
    artifact_class: type[Artifact],
    reimport: bool = False,
    metadata: Mapping[str, Any] | None = None,
    download_to_workspace: bool = False,
) -> PipelineTask:
    """A task whose `output` is the artifact at a URI.

    reimport: make a new record even if there is one of the same type, URI and metadata.  metadata: properties, which
    may hold outputs and inputs of the pipeline.  download_to_workspace: also bring it into the pipeline's workspace.
    """
    if not annotations.is_artifact_class(artifact_class):
        raise AttributeError(at(f"artifact_class is a class such as dsl.Dataset. Got: {artifact_class!r}."))
    channels: dict[str, tuple[str, PipelineChannel]] = {}
    properties = _with_placeholders(dict(metadata), channels) if metadata else None
    type_name = types.bundled(artifact_class)
    inputs = {"uri": InputSpec("String")}
    inputs.update({name: InputSpec(channel.channel_type) for name, channel in channels.values()})
    spec = ComponentSpec(
        "importer",
        inputs,
        {"artifact": OutputSpec(type_name)},
        implementation=ImporterSpec(
            type_name, reimport=reimport, metadata=properties, download_to_workspace=download_to_workspace
        ),
    )
    return ImporterComponent(spec)(uri=artifact_uri, **dict(channels.values()))


def _with_placeholders(value: Any, channels: dict[str, tuple[str, PipelineChannel]]) -> Any:
    """The metadata with an input of the importer in place of each channel; the same channel, the same input."""
    if isinstance(value, PipelineArtifactChannel):
        raise ValueError(_no_artifact(value))
    if isinstance(value, PipelineParameterChannel):
        return _placeholder(value, channels)
    if isinstance(value, dict):
        return {
            _with_placeholders(key, channels): _with_placeholders(one, channels)
            for key, one in value.items()  # pyright: ignore[reportUnknownVariableType]
        }
    if isinstance(value, list):
        return [_with_placeholders(one, channels) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, str):
        for channel in channels_in(value):
            value = value.replace(pattern(channel), _placeholder(channel, channels))
    return value


def _placeholder(channel: PipelineChannel, channels: dict[str, tuple[str, PipelineChannel]]) -> str:
    if isinstance(channel, PipelineArtifactChannel):
        raise TypeError(_no_artifact(channel))
    known = channels.get(pattern(channel))
    if known is None:
        name = f"metadata-{len(channels) + 1}" if channels else "metadata"
        known = channels[pattern(channel)] = (name, channel)
    return InputValuePlaceholder(known[0]).text()


def _no_artifact(channel: PipelineChannel) -> str:
    return at(f"An artifact cannot be a part of metadata. Got: {channel!r}.")
