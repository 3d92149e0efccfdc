"""`inputDefinitions` and `outputDefinitions`: what a component takes and gives, of a component and of a group.

Called by `wherry.compiler.document` for each component and group.
"""

from __future__ import annotations

from wherry.compiler import types, values
from wherry.compiler.channels import LoopArtifactArgument, PipelineArtifactChannel, PipelineChannel, injected_name
from wherry.compiler.interface import ComponentSpec, InputSpec
from wherry.compiler.surfacing import GroupOutput
from wherry.runtime.annotations import SYSTEM_PARAMETER_TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Document = dict[str, Any]


def of_component(spec: ComponentSpec) -> Document:
    """A component's definitions, without what runs."""
    parameters: Document = {}
    artifacts: Document = {}
    for name, given in spec.inputs.items():
        if types.is_parameter(given.type):
            parameters[name] = _described(_input_parameter(given), given.description)
        else:
            artifact = _artifact(given.type, given.is_artifact_list)
            if given.optional:
                artifact["isOptional"] = True
            artifacts[name] = _described(artifact, given.description)
    made_parameters: Document = {}
    made_artifacts: Document = {}
    for name, made in spec.outputs.items():
        if types.is_parameter(made.type):
            made_parameters[name] = _described({"parameterType": types.parameter_type(made.type)}, made.description)
        else:
            made_artifacts[name] = _described(_artifact(made.type, made.is_artifact_list), made.description)
    definitions = _definitions(parameters, artifacts, made_parameters, made_artifacts)
    if spec.task_config_passthroughs:
        definitions["taskConfigPassthroughs"] = [
            {"field": field, "applyToTask": True} if apply_to_task else {"field": field}
            for field, apply_to_task in spec.task_config_passthroughs
        ]
    return definitions


def of_group(inputs: Iterable[PipelineChannel], outputs: Mapping[str, GroupOutput]) -> Document:
    """A group's definitions: the channels that cross into it, and the outputs that leave it."""
    parameters: Document = {}
    artifacts: Document = {}
    for channel in inputs:
        if isinstance(channel, (PipelineArtifactChannel, LoopArtifactArgument)):
            artifacts[injected_name(channel)] = _artifact(channel.channel_type, channel.is_artifact_list)
        else:
            parameters[injected_name(channel)] = {"parameterType": types.parameter_type(channel.channel_type)}
    made_parameters: Document = {}
    made_artifacts: Document = {}
    for name, output in outputs.items():
        channel = output.channel
        if isinstance(channel, PipelineArtifactChannel):
            made_artifacts[name] = _artifact(channel.channel_type, channel.is_artifact_list)
        else:
            made_parameters[name] = {"parameterType": types.parameter_type(channel.channel_type)}
    return _definitions(parameters, artifacts, made_parameters, made_artifacts)


def _input_parameter(given: InputSpec) -> Document:
    system = SYSTEM_PARAMETER_TYPES.get(given.type)
    if system is not None:
        return {"parameterType": system, "isOptional": True}
    parameter_type = types.parameter_type(given.type) or ""
    parameter: Document = {"parameterType": parameter_type}
    if given.optional:
        parameter["isOptional"] = True
        if given.default is not None:
            parameter["defaultValue"] = values.default(given.default, parameter_type)
    if given.literals:
        parameter["literals"] = [values.constant(value) for value in given.literals]
    return parameter


def _artifact(type_name: str, is_list: bool) -> Document:
    artifact: Document = {"artifactType": types.artifact_type(type_name)}
    if is_list:
        artifact["isArtifactList"] = True
    return artifact


def _described(definition: Document, description: str | None) -> Document:
    if description:
        definition["description"] = description
    return definition


def _definitions(
    parameters: Document, artifacts: Document, made_parameters: Document, made_artifacts: Document
) -> Document:
    definitions: Document = {}
    for key, first, second in (
        ("inputDefinitions", parameters, artifacts),
        ("outputDefinitions", made_parameters, made_artifacts),
    ):
        parts = {name: part for name, part in (("parameters", first), ("artifacts", second)) if part}
        if parts:
            definitions[key] = parts
    return definitions
