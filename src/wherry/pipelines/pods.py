"""The pod of a task: pure, and the same on a laptop and on a cluster.

Called by the driver for each incarnation of a leaf attempt.  Invariant: the pod's name follows from home, run, path,
attempt and incarnation alone, so that making it twice is making it once; all the runtime needs is in the descriptor.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from wherry.errors import WherryError
from wherry.ir.spec import TaskConfigPassthrough
from wherry.kube.protocol import Object
from wherry.pipelines.engine.model import RunInfo
from wherry.pipelines.engine.placeholders import Place, facts
from wherry.pipelines.lightweight import Function
from wherry.pipelines.passthroughs import divide
from wherry.pipelines.platform import Parts, platform_parts
from wherry.pipelines.platform_volumes import WORKSPACE_PATH, WORKSPACE_VOLUME
from wherry.pipelines.targets import NO_EQUIPMENT, Carrier, Equipment
from wherry.pipelines.templates import ObjectRef, Template
from wherry.runtime import argv
from wherry.runtime.failures import TaskError
from wherry.storage.artifacts import child

RUN_LABEL = "wherry.dev/run"
TASK_LABEL = "wherry.dev/task"
ATTEMPT_LABEL = "wherry.dev/attempt"
PATH_ANNOTATION = "wherry.dev/task-path"
ENVIRONMENT_ANNOTATION = "wherry.dev/environment"
MANAGED_BY = {"app.kubernetes.io/managed-by": "wherry"}
SELECTOR = f"app.kubernetes.io/managed-by=wherry,{RUN_LABEL}"
"""Selects the pods of all runs."""

COMMAND = ["python3", "/wherry/runtime.pyz"]
INLINE_LIMIT_BYTES = 64 << 10
"""Executor input beyond this travels through the store."""
DESCRIPTOR_LIMIT_BYTES = 120 << 10
"""Linux refuses an environment variable of 128 KiB; so do we, on every side."""

_CARRIED = "wherry-python"
_json = msgspec.json.Encoder()
_PLAIN = Parts()  # of a task without settings, and never changed
_ATTEMPT = re.compile(r"(\d{1,9})-(\d{1,9})")
_INDEX = re.compile(r"\[\d+\]$")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9_.-]+")
_KILO = re.compile(r"(?<=\d)K$")


class LaunchRefused(WherryError):
    """The task cannot be given to a pod; the message says why and what to do."""


class Identity(NamedTuple):
    """One incarnation of one attempt of the task at `path`."""

    run_id: str
    path: str
    attempt: int
    incarnation: int

    @property
    def label(self) -> str:
        """`<attempt>-<incarnation>`, as the pod's label says it."""
        return f"{self.attempt}-{self.incarnation}"


class Inputs(msgspec.Struct, frozen=True):
    """What flows into the task: parameter values, lists of RuntimeArtifacts by input name, and what its container asks
    for with their values put in."""

    parameters: Mapping[str, Any]
    artifacts: Mapping[str, list[dict[str, Any]]]
    env: list[tuple[str, str]]
    resources: dict[str, dict[str, str]]
    value_of: Callable[[dict[str, Any]], Any]
    """Resolves an input spec of the platform document (JSON form) in the task's place."""
    workspace: str = ""
    """The claim of the run's workspace, when the task uses it."""
    passthroughs: Sequence[TaskConfigPassthrough] = ()
    """What the task's code is told of its own settings."""


class Built(msgspec.Struct, frozen=True):
    """A pod, and the files that must lie in the store before it is made."""

    pod: Object
    uploads: list[ObjectRef]


class _Settings(msgspec.Struct):
    """What the platform document adds to a pod, and what its container is left with."""

    parts: Parts
    env: list[dict[str, Any]]
    resources: dict[str, dict[str, str]]
    task_config: dict[str, Any]


def pod_name(home: str, identity: Identity) -> str:
    """`<slug, 40 characters>-<hash of home, run and path>-<attempt>-<incarnation>`."""
    slug = _NOT_IN_NAMES.sub("-", identity.path.lower())[-40:].strip("-") or "task"
    sha = hashlib.sha256(f"{home}\0{identity.run_id}\0{identity.path}".encode()).hexdigest()[:10]
    return f"{slug}-{sha}-{identity.label}"


def label_value(text: str) -> str:
    """`text` as a label value: at most 63 characters, beginning and ending with a letter or digit."""
    return _NOT_IN_LABELS.sub("-", text)[-63:].strip("-_.")


def attempt_of(pod: Object) -> Identity | None:
    """Which incarnation of which attempt a pod is; None when it is none of ours."""
    metadata: dict[str, Any] = pod.get("metadata") or {}
    labels: dict[str, str] = metadata.get("labels") or {}
    annotations: dict[str, str] = metadata.get("annotations") or {}
    match = _ATTEMPT.fullmatch(labels.get(ATTEMPT_LABEL, ""))
    if match is None or RUN_LABEL not in labels or PATH_ANNOTATION not in annotations:
        return None
    return Identity(labels[RUN_LABEL], annotations[PATH_ANNOTATION], int(match[1]), int(match[2]))


def executor_input(
    template: Template, parameters: Mapping[str, Any], artifacts: Mapping[str, list[dict[str, Any]]], root: str
) -> dict[str, Any]:
    """KFP's ExecutorInput; where output files lie in the pod is for the runtime to say."""
    outputs = {
        name: {
            "artifacts": [
                {
                    "name": name,
                    "type": declared["type"],
                    "uri": child(root, name),
                    "metadata": declared["metadata"],
                }
            ]
        }
        for name, declared in template.output_artifacts.items()
    }
    return {
        "inputs": {
            "parameterValues": parameters,
            "artifacts": {name: {"artifacts": found} for name, found in artifacts.items()},
        },
        "outputs": {"artifacts": outputs},
    }


def build(
    template: Template,
    identity: Identity,
    inputs: Inputs,
    *,
    info: RunInfo,
    name: str,
    root: str,
    run_root: str,
    needed: list[str],
    equipment: Equipment = NO_EQUIPMENT,
) -> Built:
    """The pod of the task and what it needs in the store.

    `root` is the attempt's own folder, `needed` names outputs that other tasks read, `equipment` is what every pod of
    the site gets.  Raises `LaunchRefused` for what no pod can carry, `PlatformRefused` for settings that no pod can
    have.
    """
    uploads = [template.source] if template.source is not None else []
    settings = _settings(template, inputs)
    parameters = inputs.parameters
    if settings.task_config:
        told = dict.fromkeys(_task_configs(template), settings.task_config)
        parameters = {**parameters, **told}
    given = executor_input(template, parameters, inputs.artifacts, root)
    encoded = _json.encode(given)
    by_reference: ObjectRef | None = None
    if len(encoded) > INLINE_LIMIT_BYTES:
        sha256 = hashlib.sha256(encoded).hexdigest()
        by_reference = ObjectRef(f"{run_root}/.inputs/{sha256}.json", sha256, encoded)
        uploads.append(by_reference)
    descriptor = _descriptor(template, given, by_reference, root, info, identity)
    if needed:
        descriptor["needed"] = needed
    # Kubernetes expands $(NAME) in values; escaped in JSON, no dollar of the user's is ever seen by it.
    text = _json.encode(descriptor).replace(b"$", b"\\u0024")
    if len(text) > DESCRIPTOR_LIMIT_BYTES:
        raise LaunchRefused(
            f"The command of {identity.path} is too long ({len(text):,} bytes).",
            hint="Put what is big into a file or an artifact.",
        )
    pod = equipped(_pod(template, identity, settings, name, info.namespace, text.decode()), equipment)
    if template.without_python and equipment.carrier is not None:
        if isinstance(template.program, Function):
            raise LaunchRefused(
                f"The image {template.image} has no Python (see [images]), and {identity.path} is a Python function.",
                hint="Give the component an image that has one (base_image).",
            )
        pod = carried(pod, equipment, equipment.carrier)
    return Built(pod, uploads)


def _descriptor(
    template: Template,
    given: dict[str, Any],
    by_reference: ObjectRef | None,
    root: str,
    info: RunInfo,
    identity: Identity,
) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "v": 1,
        "executor_input": None if by_reference else given,
        "executor_input_ref": by_reference.as_json() if by_reference else None,
        "component": template.declared,
        "root": root,
        "commit": f"{root}/commit.json",
        "code": template.code.as_json() if template.code else None,
    }
    program = template.program
    if isinstance(program, Function) and template.source is not None:
        descriptor |= {"kind": "python", "source": template.source.as_json(), "function": program.name}
    elif not isinstance(program, Function):
        provided = argv.is_provided(given)
        try:
            words = argv.splice([*program.command, *program.args], provided)
        except TaskError as error:
            raise LaunchRefused(str(error)) from error
        descriptor |= {"kind": "command", "command": words, "args": []}
        if any("{{$.pipeline" in word or "{{$.workspace" in word for word in words):
            task = _INDEX.sub("", identity.path).rpartition("/")[2]
            descriptor["constants"] = facts(Place(info, task, identity.path))
    return descriptor


def _settings(template: Template, inputs: Inputs) -> _Settings:
    """All that the pod is to have beside its program; for most pods nothing but variables and quantities."""
    if template.platform is not None:
        parts = platform_parts(template.platform, inputs.value_of)
    else:
        parts = Parts() if inputs.workspace or inputs.passthroughs else _PLAIN
    if inputs.workspace:
        source = {"persistentVolumeClaim": {"claimName": inputs.workspace}}
        parts.volumes.add(WORKSPACE_VOLUME, source, WORKSPACE_PATH)
    env: list[dict[str, Any]] = [{"name": variable, "value": value} for variable, value in inputs.env]
    resources = quantities(inputs.resources)
    config: dict[str, Any] = {}
    if inputs.passthroughs and _task_configs(template):
        config, env, resources = divide(inputs.passthroughs, parts, env, resources)
    return _Settings(parts, env, resources, config)


def _task_configs(template: Template) -> list[str]:
    """The inputs through which the task's code is told of its settings."""
    return [name for name, declared in template.declared["inputs"].items() if declared["type"] == "TASK_CONFIG"]


def _pod(
    template: Template, identity: Identity, settings: _Settings, name: str, namespace: str, descriptor: str
) -> Object:
    parts = settings.parts
    annotations = {**parts.annotations, PATH_ANNOTATION: identity.path}
    if template.environment is not None:
        annotations[ENVIRONMENT_ANNOTATION] = _json.encode(template.environment).decode()
    labels = {
        **parts.labels,
        **MANAGED_BY,
        RUN_LABEL: identity.run_id,
        TASK_LABEL: label_value(identity.path),
        ATTEMPT_LABEL: identity.label,
    }
    container: dict[str, Any] = {
        "name": "main",
        "image": template.image,
        "command": COMMAND,
        "env": [*settings.env, *parts.env, {"name": "WHERRY_TASK", "value": descriptor}],
        **parts.container,
    }
    if settings.resources:
        container["resources"] = settings.resources
    spec: dict[str, Any] = {"restartPolicy": "Never", "containers": [container], **parts.spec}
    if parts.volumes.volumes:
        spec["volumes"] = parts.volumes.volumes
        container["volumeMounts"] = parts.volumes.mounts
    metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def equipped(pod: Object, equipment: Equipment) -> Object:
    """The pod with what the site gives to each; what the task asks for by itself goes first."""
    if equipment == NO_EQUIPMENT:
        return pod
    spec: dict[str, Any] = {**equipment.spec, **pod["spec"]}
    main, *others = spec["containers"]
    main = {
        **main,
        "env": [*equipment.env, *main["env"]],
        "volumeMounts": [*main.get("volumeMounts", ()), *equipment.mounts],
    }
    spec["containers"] = [main, *others]
    spec["volumes"] = [*spec.get("volumes", ()), *equipment.volumes]
    if "imagePullSecrets" in equipment.spec:
        spec["imagePullSecrets"] = [*pod["spec"].get("imagePullSecrets", ()), *equipment.spec["imagePullSecrets"]]
    return {**pod, "spec": spec}


def carried(pod: Object, equipment: Equipment, carrier: Carrier) -> Object:
    """The equipped pod whose image has no Python: an init container brings one into a volume of the pod."""
    spec: dict[str, Any] = dict(pod["spec"])
    main, *others = spec["containers"]
    mount = {"name": _CARRIED, "mountPath": carrier.folder}
    bringer = {
        "name": _CARRIED,
        "image": carrier.image,
        "command": list(carrier.command),
        "volumeMounts": [mount, *(each for each in equipment.mounts if each.get("readOnly"))],
    }
    main = {
        **main,
        "command": list(carrier.start),
        "volumeMounts": [*main["volumeMounts"], {**mount, "readOnly": True}],
    }
    spec["containers"] = [main, *others]
    spec["initContainers"] = [bringer, *spec.get("initContainers", ())]
    spec["volumes"] = [*spec["volumes"], {"name": _CARRIED, "emptyDir": {}}]
    return {**pod, "spec": spec}


def quantities(asked: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """KFP's resources as Kubernetes': it writes `K` for a thousand, Kubernetes writes `k`; nothing empty is left."""
    return {
        kind: {name: _KILO.sub("k", value) for name, value in amounts.items()}
        for kind, amounts in asked.items()
        if amounts
    }
