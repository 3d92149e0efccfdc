"""What a container's process is given: command line and environment, from the pod's spec.

Called by the agent; pure, what it needs of the cluster comes in as `Sources`.  Invariant: expansion and precedence are
those of the kubelet (`$(VAR)`, `$$`, envFrom before env, later before earlier); what cannot be resolved is a
`ConfigError` whose text is shown as the container's waiting message.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from wherry.kube.embedded.environments import starts_its_arguments
from wherry.kube.protocol import Object
from wherry.kube.quantities import parse
from wherry.kube.resources import CONFIGMAPS, PERSISTENTVOLUMECLAIMS, SECRETS, Resource

RUNTIME = "/wherry/runtime.pyz"
TASK_COMMAND = ["python3", RUNTIME]
# What an interpreter or the loader reads at start: a fork comes too late for it.
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC", "GLIBC_TUNABLES", "DYLD_")

Reference = tuple[Resource, str]


class ConfigError(Exception):
    """The container cannot be configured; `reason` is what its waiting state says."""

    def __init__(self, message: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class Place(NamedTuple):
    """What the node adds to a pod's own facts."""

    node: str
    ip: str
    cpu: int
    memory_bytes: int
    runtime: str
    volumes: str
    """The folder of the volumes of claims."""
    pod_ip: str = ""
    """The address of the pod, where it is not the node's."""


Sources = Mapping[Reference, Object | None]


def mapping(value: Any) -> dict[str, Any]:
    """The mapping at an optional field, empty when it is absent or null."""
    return value or {}


def items(value: Any) -> list[dict[str, Any]]:
    """The list of mappings at an optional field, empty when it is absent or null."""
    return value or []


def containers(pod: Object) -> list[dict[str, Any]]:
    """Init containers, then containers."""
    spec = pod["spec"]
    return [*items(spec.get("initContainers")), *items(spec["containers"])]


def is_task(pod: Object) -> bool:
    """Whether all that the pod runs is the in-task runtime: a task of a pipeline."""
    return all(container.get("command") == TASK_COMMAND for container in containers(pod))


def references(pod: Object) -> set[Reference]:
    """The config maps, secrets and claims that the pod's environment and volumes name."""
    found: set[Reference] = set()
    for container in containers(pod):
        for entry in items(container.get("envFrom")):
            found.update(_named(entry, "configMapRef", "secretRef", "name"))
        for entry in items(container.get("env")):
            found.update(_named(mapping(entry.get("valueFrom")), "configMapKeyRef", "secretKeyRef", "name"))
    for volume in items(pod["spec"].get("volumes")):
        found.update(_named(volume, "configMap", "", "name"))
        found.update(_named(volume, "", "secret", "secretName"))
        claim = volume.get("persistentVolumeClaim")
        if claim:
            found.add((PERSISTENTVOLUMECLAIMS, claim["claimName"]))
        for source in items(mapping(volume.get("projected")).get("sources")):
            found.update(_named(source, "configMap", "secret", "name"))
    return found


def _named(holder: Mapping[str, Any], config_map: str, secret: str, key: str) -> Iterator[Reference]:
    for field, resource in ((config_map, CONFIGMAPS), (secret, SECRETS)):
        reference = holder.get(field) if field else None
        if reference and reference.get(key):
            yield resource, reference[key]


def data_of(sources: Sources, reference: Reference, *, optional: bool) -> dict[str, bytes] | None:
    """All keys of a config map or secret as bytes; None when it is missing and optional.  Raises ConfigError."""
    resource, name = reference
    obj = sources.get(reference)
    if obj is None:
        if optional:
            return None
        raise ConfigError(f'{resource.plural.removesuffix("s")} "{name}" not found')
    if resource == CONFIGMAPS:
        found = {key: text.encode() for key, text in mapping(obj.get("data")).items()}
        return found | {key: _decoded(text) for key, text in mapping(obj.get("binaryData")).items()}
    return {key: _decoded(text) for key, text in mapping(obj.get("data")).items()}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError) as problem:
        raise ConfigError(f"data is not base64: {problem}") from None


def environment(
    pod: Object,
    container: Mapping[str, Any],
    sources: Sources,
    place: Place,
    given: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """The container's declared variables, expanded, after those that are `given` to every one.  Raises ConfigError."""
    found: dict[str, str] = dict(given)
    for entry in items(container.get("envFrom")):
        for kind in ("configMapRef", "secretRef"):
            reference = entry.get(kind)
            if reference is not None:
                resource = CONFIGMAPS if kind == "configMapRef" else SECRETS
                key = (resource, reference.get("name", ""))
                data = data_of(sources, key, optional=bool(reference.get("optional"))) or {}
                prefix = entry.get("prefix", "")
                found.update((prefix + name, value.decode("utf-8", "surrogateescape")) for name, value in data.items())
    for entry in items(container.get("env")):
        source = entry.get("valueFrom")
        if source is None:
            value = entry.get("value") or ""
            found[entry["name"]] = expand(value, found) if "$" in value else value
        else:
            value = _from(source, pod, container, sources, place)
            if value is not None:
                found[entry["name"]] = value
    return found


def _from(
    source: Mapping[str, Any], pod: Object, container: Mapping[str, Any], sources: Sources, place: Place
) -> str | None:
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"], place)
    if "resourceFieldRef" in source:
        return resource_field(pod, container, source["resourceFieldRef"], place)
    for kind, resource in (("configMapKeyRef", CONFIGMAPS), ("secretKeyRef", SECRETS)):
        reference = source.get(kind)
        if reference is not None:
            optional = bool(reference.get("optional"))
            data = data_of(sources, (resource, reference.get("name", "")), optional=optional)
            if data is not None and reference["key"] in data:
                return data[reference["key"]].decode("utf-8", "surrogateescape")
            if optional:
                return None
            what = resource.plural.removesuffix("s")
            raise ConfigError(f'couldn\'t find key {reference["key"]} in {what} "{reference.get("name", "")}"')
    raise ConfigError(f"valueFrom of kind {', '.join(source) or 'nothing'} is not supported")


_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


def field(pod: Object, path: str, place: Place) -> str:
    """A field of the pod as the downward API tells it.  Raises ConfigError for one that it does not tell."""
    metadata = pod["metadata"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript is not None:
        return mapping(metadata.get(subscript[1])).get(subscript[2], "")
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = sorted(mapping(metadata.get(path.rpartition(".")[2])).items())
        return "\n".join(f'{key}="{_quoted(value)}"' for key, value in pairs)
    simple = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": place.node,
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.hostIP": place.ip,
        "status.podIP": place.pod_ip or place.ip,
        "status.hostIPs": place.ip,
        "status.podIPs": place.pod_ip or place.ip,
    }
    if path not in simple:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return simple[path]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_field(pod: Object, container: Mapping[str, Any], reference: Mapping[str, Any], place: Place) -> str:
    """A request or limit in units of the divisor, rounded up; an unset limit is the node's.  Raises ConfigError."""
    name = reference.get("containerName")
    if name:
        container = next((each for each in containers(pod) if each["name"] == name), container)
    group, _, resource = reference["resource"].partition(".")
    if group not in ("limits", "requests"):
        raise ConfigError(f"unsupported container resource: {reference['resource']}")
    resources = mapping(container.get("resources"))
    quantity = mapping(resources.get(group)).get(resource)
    if quantity is None:
        whole: dict[str, int] = {"cpu": place.cpu, "memory": place.memory_bytes}
        quantity = whole.get(resource, 0) if group == "limits" else 0
    divisor = parse(reference.get("divisor") or 1) or parse(1)
    return str(-(-parse(quantity) // divisor))


def command_line(container: Mapping[str, Any], environ: Mapping[str, str], place: Place) -> list[str] | None:
    """Command and args, expanded; None for the in-task runtime, which a zygote runs.  Raises ConfigError."""
    command: list[str] = list(container.get("command") or ())
    args: list[str] = list(container.get("args") or ())
    if command == TASK_COMMAND and not args:
        return None
    image: str = container["image"]
    if not command and starts_its_arguments(image):
        args = args or ["python3"]  # as the CMD of those images
    elif not command:
        raise ConfigError(
            f'no command: what the image "{image}" starts is known only to a container engine, and pods are processes '
            "here; give the container a command",
            "CreateContainerError",
        )
    return [expand(word, environ).replace(RUNTIME, place.runtime) for word in (*command, *args)]


def needs_exec(environ: Mapping[str, str]) -> bool:
    """Whether the environment has what an interpreter reads when it starts."""
    return any(name.startswith(_AT_START) for name in environ)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` is replaced where NAME is known and left where it is not; `$$` is a dollar sign."""
    if "$" not in text:
        return text
    parts: list[str] = []
    position = 0
    while (found := text.find("$", position)) >= 0 and found + 1 < len(text):
        parts.append(text[position:found])
        following = text[found + 1]
        end = text.find(")", found + 2) if following == "(" else -1
        if following == "$":
            parts.append("$")
            position = found + 2
        elif end >= 0:
            name = text[found + 2 : end]
            parts.append(variables.get(name, f"$({name})"))
            position = end + 1
        else:
            parts.append("$" + following)
            position = found + 2
    parts.append(text[position:])
    return "".join(parts)
