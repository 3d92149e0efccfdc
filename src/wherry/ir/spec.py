"""PipelineSpec 2.1.0 as records: every field of `ml_pipelines.PipelineSpec`, in its JSON form.

Made by `wherry.ir.load`; read by the engine and the driver.  Invariant: a record holds only fields that the schema
knows (unknown ones are refused while reading), under the schema's own names in snake case.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from wherry.ir.kubernetes import Int32, Int64, KubernetesExecutorConfig

Value = Any
"""A protobuf Value: null, bool, number, text, list or mapping."""

# Enums: their names by number, from 0.
ParameterType = Literal[
    "PARAMETER_TYPE_ENUM_UNSPECIFIED",
    "NUMBER_DOUBLE",
    "NUMBER_INTEGER",
    "STRING",
    "BOOLEAN",
    "LIST",
    "STRUCT",
    "TASK_FINAL_STATUS",
    "TASK_CONFIG",
]
LegacyType = Literal["PRIMITIVE_TYPE_UNSPECIFIED", "INT", "DOUBLE", "STRING"]
_LEGACY_TYPES = {"INT": "NUMBER_INTEGER", "DOUBLE": "NUMBER_DOUBLE", "STRING": "STRING"}
Strategy = Literal["TRIGGER_STRATEGY_UNSPECIFIED", "ALL_UPSTREAM_TASKS_SUCCEEDED", "ALL_UPSTREAM_TASKS_COMPLETED"]


class Record(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel", gc=False
):
    """What all messages share: immutable, strict, camelCase on the outside."""


class ArtifactTypeSchema(Record, frozen=True):
    schema_title: str = ""
    schema_uri: str = ""
    instance_schema: str = ""
    schema_version: str = ""


class LegacyValue(Record, frozen=True):
    int_value: Int64 | None = None
    double_value: float | None = None
    string_value: str | None = None


class ValueOrRuntimeParameter(Record, frozen=True):
    constant: Value = msgspec.UNSET
    constant_value: LegacyValue | None = None  # deprecated
    runtime_parameter: str = ""

    @property
    def value(self) -> Value:
        """The constant, also where only the deprecated `constantValue` says it; UNSET when there is none."""
        old = self.constant_value
        if self.constant is not msgspec.UNSET or old is None:
            return self.constant
        given = (old.int_value, old.double_value, old.string_value)
        return next((each for each in given if each is not None), msgspec.UNSET)


class InputArtifactDefinition(Record, frozen=True):
    artifact_type: ArtifactTypeSchema = ArtifactTypeSchema()
    is_artifact_list: bool = False
    is_optional: bool = False
    description: str = ""


def _declared(parameter_type: ParameterType | None, legacy: LegacyType | None) -> str:
    if parameter_type and parameter_type != "PARAMETER_TYPE_ENUM_UNSPECIFIED":
        return parameter_type
    return _LEGACY_TYPES.get(legacy or "", "")


class InputParameterDefinition(Record, frozen=True):
    parameter_type: ParameterType | None = None
    type: LegacyType | None = None  # deprecated
    default_value: Value = msgspec.UNSET
    is_optional: bool = False
    description: str = ""
    literals: list[Value] = []

    @property
    def declared(self) -> str:
        """The name of the parameter type, also where only the deprecated `type` says it; "" when nothing does."""
        return _declared(self.parameter_type, self.type)


class InputDefinitions(Record, frozen=True):
    parameters: dict[str, InputParameterDefinition] = {}
    artifacts: dict[str, InputArtifactDefinition] = {}


class OutputArtifactDefinition(Record, frozen=True):
    artifact_type: ArtifactTypeSchema = ArtifactTypeSchema()
    metadata: dict[str, Value] = {}
    properties: dict[str, ValueOrRuntimeParameter] = {}  # deprecated
    custom_properties: dict[str, ValueOrRuntimeParameter] = {}  # deprecated
    is_artifact_list: bool = False
    description: str = ""


class OutputParameterDefinition(Record, frozen=True):
    parameter_type: ParameterType | None = None
    type: LegacyType | None = None  # deprecated
    description: str = ""

    @property
    def declared(self) -> str:
        """As `InputParameterDefinition.declared`."""
        return _declared(self.parameter_type, self.type)


class OutputDefinitions(Record, frozen=True):
    parameters: dict[str, OutputParameterDefinition] = {}
    artifacts: dict[str, OutputArtifactDefinition] = {}


class TaskOutputParameter(Record, frozen=True):
    producer_task: str
    output_parameter_key: str


class TaskFinalStatus(Record, frozen=True):
    producer_task: str


class InputParameterSpec(Record, frozen=True):
    task_output_parameter: TaskOutputParameter | None = None
    runtime_value: ValueOrRuntimeParameter | None = None
    component_input_parameter: str = ""
    task_final_status: TaskFinalStatus | None = None
    parameter_expression_selector: str = ""


class TaskOutputArtifact(Record, frozen=True):
    producer_task: str
    output_artifact_key: str


class InputArtifactSpec(Record, frozen=True):
    task_output_artifact: TaskOutputArtifact | None = None
    component_input_artifact: str = ""


class TaskInputs(Record, frozen=True):
    parameters: dict[str, InputParameterSpec] = {}
    artifacts: dict[str, InputArtifactSpec] = {}


class TaskInfo(Record, frozen=True):
    name: str = ""


class ComponentRef(Record, frozen=True):
    name: str


class CachingOptions(Record, frozen=True):
    enable_cache: bool = False
    cache_key: str = ""


class TriggerPolicy(Record, frozen=True):
    condition: str = ""
    strategy: Strategy = "TRIGGER_STRATEGY_UNSPECIFIED"


class ParameterItems(Record, frozen=True):
    raw: str = ""
    input_parameter: str = ""


class ParameterIterator(Record, frozen=True):
    items: ParameterItems
    item_input: str


class ArtifactItems(Record, frozen=True):
    input_artifact: str


class ArtifactIterator(Record, frozen=True):
    items: ArtifactItems
    item_input: str


class IteratorPolicy(Record, frozen=True):
    parallelism_limit: Int32 = 0


class RetryPolicy(Record, frozen=True):
    """Durations are protobuf's JSON text: seconds with an `s`, as "1.5s"."""

    max_retry_count: Int32 = 0
    backoff_duration: str = "0s"
    backoff_factor: float = 0.0
    backoff_max_duration: str = "0s"


class TaskSpec(Record, frozen=True):
    component_ref: ComponentRef
    task_info: TaskInfo = TaskInfo()
    inputs: TaskInputs = TaskInputs()
    dependent_tasks: list[str] = []
    caching_options: CachingOptions = CachingOptions()
    trigger_policy: TriggerPolicy = TriggerPolicy()
    parameter_iterator: ParameterIterator | None = None
    artifact_iterator: ArtifactIterator | None = None
    iterator_policy: IteratorPolicy = IteratorPolicy()
    retry_policy: RetryPolicy | None = None


class ParameterSelector(Record, frozen=True):
    producer_subtask: str
    output_parameter_key: str


class ParameterSelectors(Record, frozen=True):
    parameter_selectors: list[ParameterSelector] = []


class DagOutputParameter(Record, frozen=True):
    value_from_parameter: ParameterSelector | None = None
    value_from_oneof: ParameterSelectors | None = None


class ArtifactSelector(Record, frozen=True):
    producer_subtask: str
    output_artifact_key: str


class DagOutputArtifact(Record, frozen=True):
    artifact_selectors: list[ArtifactSelector] = []


class DagOutputs(Record, frozen=True):
    parameters: dict[str, DagOutputParameter] = {}
    artifacts: dict[str, DagOutputArtifact] = {}


class DagSpec(Record, frozen=True):
    tasks: dict[str, TaskSpec] = {}
    outputs: DagOutputs = DagOutputs()


class WorkspaceKubernetes(Record, frozen=True):
    pvc_spec_patch: dict[str, Value] = {}


class Workspace(Record, frozen=True):
    size: str = ""
    kubernetes: WorkspaceKubernetes | None = None


class PipelineConfig(Record, frozen=True):
    workspace: Workspace | None = None
    resource_ttl_on_completion: Int32 = 0
    resource_ttl_on_success: Int32 = 0
    resource_ttl_on_failure: Int32 = 0
    active_deadline_seconds: Int32 = 0


class KubernetesDeployment(Record, frozen=True):
    executors: dict[str, KubernetesExecutorConfig] = {}


class KubernetesPlatform(Record, frozen=True):
    deployment_spec: KubernetesDeployment = KubernetesDeployment()
    pipeline_config: PipelineConfig = PipelineConfig()
    platform: str = ""
    config: dict[str, Value] = {}


class SinglePlatformSpec(Record, frozen=True):
    """A component's own platform settings; the backend reads the platform document instead."""

    deployment_spec: dict[str, Value] = {}
    platform: str = ""
    config: dict[str, Value] = {}
    pipeline_config: PipelineConfig = PipelineConfig()


class TaskConfigPassthrough(Record, frozen=True):
    field: Literal[
        "NONE",
        "RESOURCES",
        "ENV",
        "KUBERNETES_AFFINITY",
        "KUBERNETES_TOLERATIONS",
        "KUBERNETES_NODE_SELECTOR",
        "KUBERNETES_VOLUMES",
    ] = "NONE"
    apply_to_task: bool = False


class ComponentSpec(Record, frozen=True):
    input_definitions: InputDefinitions = InputDefinitions()
    output_definitions: OutputDefinitions = OutputDefinitions()
    dag: DagSpec | None = None
    executor_label: str = ""
    single_platform_specs: list[SinglePlatformSpec] = []
    task_config_passthroughs: list[TaskConfigPassthrough] = []


class EnvVar(Record, frozen=True):
    name: str
    value: str = ""


class Accelerator(Record, frozen=True):
    type: str = ""  # deprecated
    count: Int64 = 0  # deprecated
    resource_type: str = ""
    resource_count: str = ""


class Resources(Record, frozen=True):
    """The texts are Kubernetes quantities or placeholders and win over the deprecated numbers (memory in G)."""

    cpu_limit: float = 0.0
    cpu_request: float = 0.0
    memory_limit: float = 0.0
    memory_request: float = 0.0
    resource_cpu_limit: str = ""
    resource_cpu_request: str = ""
    resource_memory_limit: str = ""
    resource_memory_request: str = ""
    accelerator: Accelerator | None = None


class Exec(Record, frozen=True):
    command: list[str] = []
    args: list[str] = []


class Lifecycle(Record, frozen=True):
    """Read and kept; KFP's own backend does not use it."""

    pre_cache_check: Exec | None = None


class ContainerSpec(Record, frozen=True):
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    env: list[EnvVar] = []
    resources: Resources = Resources()
    lifecycle: Lifecycle | None = None


class ImporterSpec(Record, frozen=True):
    artifact_uri: ValueOrRuntimeParameter = ValueOrRuntimeParameter()
    type_schema: ArtifactTypeSchema = ArtifactTypeSchema()
    properties: dict[str, ValueOrRuntimeParameter] = {}  # deprecated
    custom_properties: dict[str, ValueOrRuntimeParameter] = {}  # deprecated
    metadata: dict[str, Value] = {}
    reimport: bool = False
    download_to_workspace: bool = False


class ExecutorSpec(Record, frozen=True):
    container: ContainerSpec | None = None
    importer: ImporterSpec | None = None
    resolver: dict[str, Value] | None = None  # refused by name in `wherry.ir.check`
    custom_job: dict[str, Value] | None = None  # refused by name in `wherry.ir.check`


class DeploymentSpec(Record, frozen=True):
    executors: dict[str, ExecutorSpec] = {}


class PipelineInfo(Record, frozen=True):
    name: str = ""
    display_name: str = ""
    description: str = ""


class PipelineSpec(Record, frozen=True):
    root: ComponentSpec
    pipeline_info: PipelineInfo = PipelineInfo()
    deployment_spec: DeploymentSpec = DeploymentSpec()
    sdk_version: str = ""
    schema_version: str = ""
    components: dict[str, ComponentSpec] = {}
    default_pipeline_root: str = ""


class Platforms(Record, frozen=True):
    kubernetes: KubernetesPlatform | None = None


class PlatformSpec(Record, frozen=True):
    platforms: Platforms = Platforms()
