"""What the schema alone does not say of the platform document: values that a pod can be made of.

Called by `wherry.ir.reader` once a document.  Invariant: after `check_platform` each input spec in it is one, with
exactly one source, and times are not negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from wherry.ir import cel
from wherry.ir.forms import IRError
from wherry.ir.kubernetes import KubernetesExecutorConfig, PvcMount
from wherry.ir.protojson import canonical
from wherry.ir.spec import InputParameterSpec, PipelineConfig, PlatformSpec, TaskOutputParameter


def check_platform(spec: PlatformSpec) -> None:
    """Raises IRError, beginning with the path in the document, for the first thing that is wrong."""
    kubernetes = spec.platforms.kubernetes
    if kubernetes is None:
        return
    path = "platforms.kubernetes"
    _check_times(f"{path}.pipelineConfig", kubernetes.pipeline_config)
    for label, config in kubernetes.deployment_spec.executors.items():
        _check_executor(f"{path}.deploymentSpec.executors.{label}", config)


def _check_times(path: str, config: PipelineConfig) -> None:
    for field in ("activeDeadlineSeconds", "resourceTtlOnCompletion", "resourceTtlOnSuccess", "resourceTtlOnFailure"):
        if msgspec.to_builtins(config).get(field, 0) < 0:
            raise IRError(f"{path}.{field}: must not be negative")


def _check_executor(path: str, config: KubernetesExecutorConfig) -> None:
    if config.active_deadline_seconds < 0:
        raise IRError(f"{path}.activeDeadlineSeconds: must not be negative")
    for at, claim in enumerate(config.pvc_mount):
        _check_claim(f"{path}.pvcMount.{at}", claim)
    for here, given in _input_specs(path, config):
        _check_input(here, given)


def _check_claim(path: str, claim: PvcMount) -> None:
    given = (claim.pvc_name_parameter, claim.task_output_parameter, claim.component_input_parameter, claim.constant)
    if not any(given):
        raise IRError(f"{path}: the name of the claim is missing")
    if claim.task_output_parameter is not None:
        _converted(f"{path}.taskOutputParameter", claim.task_output_parameter, TaskOutputParameter)


def _input_specs(path: str, part: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each input spec with its path: the mappings in fields called `...Parameter` and `...Json`."""
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        here = f"{path}.{field.encode_name}"
        if isinstance(value, dict):
            if field.encode_name != "taskOutputParameter" and field.encode_name.endswith(("Parameter", "Json")):
                yield here, cast("dict[str, Any]", value)
        elif isinstance(value, msgspec.Struct):
            yield from _input_specs(here, value)
        elif isinstance(value, list):
            for at, each in enumerate(cast("list[Any]", value)):
                if isinstance(each, msgspec.Struct):
                    yield from _input_specs(f"{here}.{at}", each)


def _check_input(path: str, value: dict[str, Any]) -> None:
    given = _converted(path, value, InputParameterSpec)
    sources = (given.task_output_parameter, given.runtime_value, given.component_input_parameter)
    if sum(bool(source) for source in sources) != 1:
        raise IRError(f"{path}: exactly one of runtimeValue, componentInputParameter, taskOutputParameter is needed")
    if given.runtime_value is not None and given.runtime_value.value is msgspec.UNSET:
        raise IRError(f"{path}.runtimeValue: a constant is needed")
    if given.parameter_expression_selector:
        try:
            cel.parse(given.parameter_expression_selector)
        except cel.CELError as error:
            raise IRError(f"{path}.parameterExpressionSelector: {error.message}") from None


def _converted(path: str, value: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(canonical(value, kind), kind)
    except msgspec.ValidationError as error:
        raise IRError(f"{path}: {error}") from None
