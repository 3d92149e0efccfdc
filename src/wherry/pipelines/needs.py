"""What a component asks of the place where it runs: image, packages, secrets, volumes, resources.

Called by `wherry.pipelines.explanation`.  Pure.  Invariant: what a run decides (a secret's name from an input) is
given as `{{input}}`; values of secrets never pass here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from wherry.ir.kubernetes import InputSpec, KubernetesExecutorConfig, PvcMount
from wherry.ir.spec import ContainerSpec, Resources
from wherry.pipelines.lightweight import Function, Program, recognise

_CHANNEL = "pipelinechannel--"


class Needs(msgspec.Struct, frozen=True):
    """What one executor needs; empty where it asks for nothing."""

    image: str
    function: str = ""
    packages: tuple[str, ...] = ()
    index_urls: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    config_maps: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    resources: dict[str, str] = {}
    settings: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The needs for people, a line each; the image is the caller's to say."""
        for title, values in (
            ("packages", self.packages),
            ("from", self.index_urls),
            ("secrets", self.secrets),
            ("config maps", self.config_maps),
            ("volumes", self.volumes),
            ("resources", tuple(f"{name} {value}" for name, value in self.resources.items())),
            ("settings", self.settings),
        ):
            if values:
                yield f"{title}: {', '.join(values)}"


def needs_of(container: ContainerSpec, platform: KubernetesExecutorConfig | None) -> tuple[Needs, Function | Program]:
    """The needs of a container executor, and the program that it runs."""
    program = recognise(container.command, container.args)
    config = platform or KubernetesExecutorConfig()
    found = Needs(
        image=container.image,
        function=program.name if isinstance(program, Function) else "",
        packages=program.installs.requirements,
        index_urls=program.installs.index_urls,
        secrets=tuple(_secrets(config)),
        config_maps=tuple(_config_maps(config)),
        volumes=tuple(_volumes(config)),
        resources=_resources(container.resources),
        settings=tuple(_settings(config)),
    )
    return found, program


def _secrets(config: KubernetesExecutorConfig) -> Iterator[str]:
    for secret in config.secret_as_env:
        keys = ", ".join(f"{key.secret_key} as {key.env_var}" for key in secret.key_to_env)
        yield f"{_named(secret.secret_name, secret.secret_name_parameter)} ({keys}){_optional(secret.optional)}"
    for secret in config.secret_as_volume:
        name = _named(secret.secret_name, secret.secret_name_parameter)
        yield f"{name} (at {secret.mount_path}){_optional(secret.optional)}"
    for pull in config.image_pull_secret:
        yield f"{_named(pull.secret_name, pull.secret_name_parameter)} (to pull the image)"


def _config_maps(config: KubernetesExecutorConfig) -> Iterator[str]:
    for found in config.config_map_as_env:
        keys = ", ".join(f"{key.config_map_key} as {key.env_var}" for key in found.key_to_env)
        yield f"{_named(found.config_map_name, found.config_map_name_parameter)} ({keys}){_optional(found.optional)}"
    for found in config.config_map_as_volume:
        name = _named(found.config_map_name, found.config_map_name_parameter)
        yield f"{name} (at {found.mount_path}){_optional(found.optional)}"


def _volumes(config: KubernetesExecutorConfig) -> Iterator[str]:
    for claim in config.pvc_mount:
        yield f"claim {_claim(claim)} at {claim.mount_path}"
    for empty in config.empty_dir_mounts:
        kind = "memory" if empty.medium == "Memory" else "scratch"
        yield f"{kind} {empty.volume_name} at {empty.mount_path}"
    for claim in config.generic_ephemeral_volume:
        yield f"ephemeral {claim.volume_name} of {claim.size} at {claim.mount_path}"
    if config.enabled_shared_memory is not None:
        yield f"shared memory{f' of {config.enabled_shared_memory.size}' if config.enabled_shared_memory.size else ''}"


def _claim(claim: PvcMount) -> str:
    if claim.pvc_name_parameter is not None:
        return _value(claim.pvc_name_parameter)
    if claim.task_output_parameter is not None:
        return f"{{{{{claim.task_output_parameter.get('producerTask', '')}}}}}"
    return claim.constant or f"{{{{{claim.component_input_parameter}}}}}"


def _settings(config: KubernetesExecutorConfig) -> Iterator[str]:
    if config.active_deadline_seconds:
        yield f"at most {config.active_deadline_seconds} s"
    if config.node_selector is not None:
        labels = ", ".join(f"{name}={value}" for name, value in config.node_selector.labels.items())
        yield f"nodes with {labels}" if labels else "chosen nodes"
    for title, given in (
        ("tolerations", config.tolerations),
        ("node affinity", config.node_affinity),
        ("pod affinity", config.pod_affinity),
        ("init containers", config.init_containers),
    ):
        if given:
            yield title
    context = config.security_context
    if context is not None and context.run_as_user is not None:
        yield f"user {context.run_as_user}"


def _resources(asked: Resources) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text, number, unit in (
        ("cpu", asked.resource_cpu_limit, asked.cpu_limit, ""),
        ("cpu request", asked.resource_cpu_request, asked.cpu_request, ""),
        ("memory", asked.resource_memory_limit, asked.memory_limit, "G"),
        ("memory request", asked.resource_memory_request, asked.memory_request, "G"),
    ):
        if text or number:
            found[name] = _shown(text) or f"{number:g}{unit}"
    accelerator = asked.accelerator
    if accelerator is not None:
        kind = accelerator.resource_type or accelerator.type or "accelerator"
        count = accelerator.resource_count or str(accelerator.count)
        found[_shown(kind)] = _shown(count)
    return found


def _shown(text: str) -> str:
    """A text of the document; KFP's long placeholder of an input as `{{input}}`."""
    return text.replace("inputs.parameters['", "").replace("']", "").replace("{{$.", "{{").replace(_CHANNEL, "")


def _named(name: str, given: InputSpec | None) -> str:
    return _value(given) if given is not None else name


def _value(given: InputSpec) -> str:
    """An input spec in its JSON form: the constant, or where the value comes from."""
    runtime = cast("dict[str, Any]", given.get("runtimeValue") or {})
    if "constant" in runtime:
        return str(runtime["constant"])
    made = cast("dict[str, Any]", given.get("taskOutputParameter") or {})
    source = f"{made.get('producerTask')}.{made.get('outputParameterKey')}" if made else None
    return f"{{{{{source or str(given.get('componentInputParameter', '')).removeprefix(_CHANNEL)}}}}}"


def _optional(flag: bool) -> str:
    return ", optional" if flag else ""
