"""Every message and field of KFP's protos is a record and a field of ours: compared with the released packages."""

from __future__ import annotations

import json
import subprocess
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from tests import oracles

from wherry.ir import kubernetes, spec

DESCRIBE = """
import json
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
from kfp.pipeline_spec import pipeline_spec_pb2 as pipeline

NUMBERS = {1: "double", 3: "int64", 5: "int32", 8: "bool", 9: "string"}

def kind(field):
    if field.enum_type:
        return [value.name for value in field.enum_type.values]
    if field.message_type is None:
        return NUMBERS[field.type]
    if field.message_type.GetOptions().map_entry:
        return {"map": kind(field.message_type.fields_by_name["value"])}
    return field.message_type.full_name

def walk(message, found):
    if message.full_name in found or message.full_name.startswith("google.protobuf"):
        return
    found[message.full_name] = fields = {}
    for field in message.fields:
        entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        fields[field.json_name] = {"list": kind(field)} if field.is_repeated and not entry else kind(field)
        inner = field.message_type
        if inner is not None:
            walk(inner.fields_by_name["value"].message_type or inner if entry else inner, found)
    if message.GetOptions().map_entry:
        del found[message.full_name]

found = {}
for message in (
    pipeline.PipelineSpec, pipeline.PipelineDeploymentConfig, pipeline.PlatformSpec, kubernetes.KubernetesExecutorConfig
):
    walk(message.DESCRIPTOR, found)
print(json.dumps(found))
"""

RECORDS: dict[str, type[msgspec.Struct]] = {
    "ml_pipelines.PipelineSpec": spec.PipelineSpec,
    "ml_pipelines.PipelineDeploymentConfig": spec.DeploymentSpec,
    "ml_pipelines.PlatformSpec": spec.PlatformSpec,
    "kfp_kubernetes.KubernetesExecutorConfig": kubernetes.KubernetesExecutorConfig,
}
"""Where the comparison begins; the other messages are found through the fields."""

OTHERWISE = {
    ("ml_pipelines.PipelineSpec", "deploymentSpec"): "a Struct in the proto, read as a PipelineDeploymentConfig",
    ("ml_pipelines.PlatformSpec", "platforms"): "a map by platform; there is kubernetes only",
    ("ml_pipelines.SinglePlatformSpec", "deploymentSpec"): "Structs by executor, read as KubernetesExecutorConfigs",
    ("ml_pipelines.PipelineDeploymentConfig.ExecutorSpec", "resolver"): "refused by name",
    ("ml_pipelines.PipelineDeploymentConfig.ExecutorSpec", "customJob"): "refused by name",
}
"""Fields that we have and read in another shape."""

BEYOND = {("kfp_kubernetes.KubernetesExecutorConfig", "initContainers")}
"""Fields of KFP's sources that the released proto does not have yet."""

UNREAD = (
    "ml_pipelines.PipelineDeploymentConfig.ResolverSpec",
    "ml_pipelines.PipelineDeploymentConfig.AIPlatformCustomJobSpec",
    "ml_pipelines.PlatformDeploymentConfig",
)
"""Messages of those fields."""

TEXTS = {"google.protobuf.Duration"}
ANY = {"google.protobuf.Value", "google.protobuf.Struct", "ml_pipelines.TaskInputsSpec.InputParameterSpec"}
INPUT_SPECS = {"ml_pipelines.TaskInputsSpec.InputParameterSpec.TaskOutputParameterSpec"}


@pytest.fixture(scope="module")
def messages() -> dict[str, dict[str, Any]]:
    python = oracles.python("kfp", oracles.KFP)
    done = subprocess.run([python, "-W", "ignore", "-c", DESCRIBE], capture_output=True, check=True)
    return json.loads(done.stdout)


def plain(hint: Any) -> Any:
    """A type without None and without bounds."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = [each for each in get_args(hint) if each is not types.NoneType]
    return hint


def fits(expected: Any, hint: Any, record: str, pairs: list[tuple[str, type[msgspec.Struct]]]) -> bool:
    """Whether a field of the type `hint` holds what the proto says; a message joins `pairs`."""
    hint = plain(hint)
    if isinstance(expected, dict):
        ((kind, inner),) = expected.items()
        holder = list if kind == "list" else dict
        return get_origin(hint) is holder and fits(inner, get_args(hint)[-1], record, pairs)
    if isinstance(expected, list):
        return list(get_args(hint)) == expected and get_origin(hint) is Literal
    bounds = {"int32": kubernetes.Int32, "int64": kubernetes.Int64}
    if expected in bounds:
        return hint == bounds[expected]
    scalars: dict[str, Any] = {"double": float, "bool": bool, "string": str}
    if expected in scalars or expected in TEXTS:
        return hint is scalars.get(expected, str)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        pairs.append((expected, hint))
        return True
    platform = record.startswith("kfp_kubernetes")
    return (hint is Any or get_origin(hint) is dict) and (
        (expected in ANY and (platform or expected.startswith("google"))) or (platform and expected in INPUT_SPECS)
    )


@pytest.mark.oracle
def test_every_field_of_every_message_is_ours(messages: dict[str, dict[str, Any]]) -> None:
    pairs: list[tuple[str, type[msgspec.Struct]]] = [*RECORDS.items()]
    pairs.append(("ml_pipelines.SinglePlatformSpec", spec.KubernetesPlatform))
    seen: dict[str, set[type[msgspec.Struct]]] = {}
    for name, record in pairs:  # grows while it is read
        if record in seen.setdefault(name, set()):
            continue
        seen[name].add(record)
        hints = get_type_hints(record, include_extras=True)
        ours = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(record)}
        theirs = messages[name]
        extra = {field for field in ours if (name, field) not in BEYOND} - theirs.keys()
        assert (theirs.keys() - ours.keys(), extra) == (set(), set()), f"{record.__name__} and {name}"
        for field, expected in theirs.items():
            if (name, field) not in OTHERWISE:
                assert fits(expected, ours[field], name, pairs), f"{name}.{field}: {expected}, not {ours[field]}"
    missing = {name for name in messages if name not in seen and not name.startswith(UNREAD)}
    assert missing <= {*ANY, *INPUT_SPECS}
