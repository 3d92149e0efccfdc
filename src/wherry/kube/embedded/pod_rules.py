"""What makes a pod valid: containers, environment, volumes, resources.

Called by the pod row of the registry for every new or replaced pod; pure.  Invariant: it never raises, whatever the
pod holds, and each cause names the field as the API server does (validation of PodSpec).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

from wherry.kube.embedded.causes import (
    choice,
    duplicate,
    forbidden_field,
    invalid_value,
    objects,
    port_number,
    required,
    shown,
    unsupported,
    whole,
)
from wherry.kube.embedded.metadata import label_causes
from wherry.kube.embedded.pod_node_rules import container_causes, node_causes
from wherry.kube.embedded.probe_rules import PROBES, health_causes
from wherry.kube.errors import Cause
from wherry.kube.names import dns_label_error, qualified_name_error
from wherry.kube.protocol import Object
from wherry.kube.quantities import parse

_VARIABLE = re.compile(r"[ -<>-~]+")  # printable ASCII without "=" (Kubernetes 1.30 and later)
_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_PULL = ("Always", "Never", "IfNotPresent")
_MESSAGE = ("File", "FallbackToLogsOnError")
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_SPEC_LISTS = ("containers", "initContainers", "volumes", "tolerations", "hostAliases")
_CONTAINER_LISTS = ("env", "envFrom", "volumeMounts", "ports")
_HEALTH = frozenset({*PROBES, "lifecycle"})
_NATIVE_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def validate_pod(pod: Object) -> list[Cause]:
    """Everything that is wrong with the spec of a defaulted pod."""
    spec: Any = pod.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    return list(_spec(cast("dict[str, Any]", spec)))


def _lists(holder: dict[str, Any], keys: tuple[str, ...], prefix: str) -> Iterator[Cause]:
    """A cause for each of the keys that holds anything but a list of mappings."""
    for key in keys:
        found: Any = holder.get(key)
        if found is None:
            continue
        if not isinstance(found, list) or len(objects(holder, key)) != len(cast("list[Any]", found)):
            yield Cause(f"{prefix}.{key}", "Invalid value: must be a list of objects")


def _spec(spec: dict[str, Any]) -> Iterator[Cause]:
    yield from _lists(spec, _SPEC_LISTS, "spec")
    volumes = objects(spec, "volumes")
    yield from _volumes(volumes)
    containers, inits = objects(spec, "containers"), objects(spec, "initContainers")
    if not containers:
        yield required("spec.containers")
    names: set[str] = set()
    mountable = {str(volume.get("name")) for volume in volumes}
    for field, group in (("spec.containers", containers), ("spec.initContainers", inits)):
        for index, container in enumerate(group):
            yield from _container(f"{field}[{index}]", container, names, mountable)
    for index, container in enumerate(inits):
        if container.get("restartPolicy") not in (None, "Always"):
            yield unsupported(f"spec.initContainers[{index}].restartPolicy", container["restartPolicy"], ("Always",))
    yield from choice("spec.restartPolicy", spec.get("restartPolicy"), _RESTART)
    yield from choice("spec.dnsPolicy", spec.get("dnsPolicy"), _DNS)
    yield from node_causes(spec)
    grace: Any = spec.get("terminationGracePeriodSeconds")
    if not whole(grace):
        yield invalid_value("spec.terminationGracePeriodSeconds", grace, "must be an integer")
    deadline: Any = spec.get("activeDeadlineSeconds")
    if deadline is not None and not (whole(deadline) and 1 <= deadline <= 2**31 - 1):
        yield invalid_value("spec.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")
    if (selector := spec.get("nodeSelector")) is not None:
        yield from label_causes("spec.nodeSelector", selector)


def _own_name(field: str, name: Any, names: set[str]) -> Iterator[Cause]:
    """The name of a container or volume: a label that none of `names`, which it joins, has taken."""
    if not name:
        yield required(f"{field}.name")
    elif not isinstance(name, str) or dns_label_error(name):
        yield invalid_value(f"{field}.name", name, dns_label_error(str(name)) or "must be a string")
    elif name in names:
        yield duplicate(f"{field}.name", name)
    else:
        names.add(name)


def _container(field: str, container: dict[str, Any], names: set[str], mountable: set[str]) -> Iterator[Cause]:
    yield from _own_name(field, container.get("name"), names)
    image: Any = container.get("image")
    if not image:
        yield required(f"{field}.image")
    elif not isinstance(image, str) or image != image.strip():
        yield invalid_value(f"{field}.image", image, "must not have leading or trailing whitespace")
    yield from choice(f"{field}.imagePullPolicy", container.get("imagePullPolicy"), _PULL)
    yield from choice(f"{field}.terminationMessagePolicy", container.get("terminationMessagePolicy"), _MESSAGE)
    yield from container_causes(field, container, init=field.startswith("spec.initContainers"))
    for key in ("command", "args"):
        value: Any = container.get(key)
        if value is not None and not (
            isinstance(value, list) and all(isinstance(part, str) for part in cast("list[Any]", value))
        ):
            yield invalid_value(f"{field}.{key}", value, "must be a list of strings")
    for key in ("workingDir", "terminationMessagePath"):
        if not isinstance(container.get(key, ""), str):
            yield invalid_value(f"{field}.{key}", container[key], "must be a string")
    yield from _lists(container, _CONTAINER_LISTS, field)
    for index, variable in enumerate(objects(container, "env")):
        yield from _variable(f"{field}.env[{index}]", variable)
    if container.get("envFrom"):
        yield from _env_from(field, container)
    if container.get("volumeMounts"):
        yield from _mounts(field, container, mountable)
    if container.get("ports"):
        yield from _ports(field, container)
    if container.get("resources"):
        yield from _resources(f"{field}.resources", container["resources"])
    if not _HEALTH.isdisjoint(container):
        plain_init = field.startswith("spec.initContainers") and container.get("restartPolicy") != "Always"
        yield from health_causes(field, container, plain_init=plain_init)


def _variable(field: str, variable: dict[str, Any]) -> Iterator[Cause]:
    name: Any = variable.get("name")
    if not name:
        yield required(f"{field}.name")
    elif not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        why = "a valid environment variable name must consist only of printable ASCII characters other than '='"
        yield invalid_value(f"{field}.name", name, why)
    value: Any = variable.get("value")
    if value is not None and not isinstance(value, str):
        yield invalid_value(f"{field}.value", value, "must be a string")
    source: Any = variable.get("valueFrom")
    if source is None:
        return
    if value:
        yield invalid_value(f"{field}.valueFrom", "", "may not be specified when `value` is not empty")
    if not isinstance(source, dict):
        yield invalid_value(f"{field}.valueFrom", source, "must be an object")
        return
    chosen = [key for key in _ENV_SOURCES if cast("dict[str, Any]", source).get(key) is not None]
    if len(chosen) != 1:
        yield invalid_value(f"{field}.valueFrom", "", "must specify exactly one of: " + ", ".join(_ENV_SOURCES[:-1]))
        return
    yield from _env_source(f"{field}.valueFrom.{chosen[0]}", chosen[0], cast("dict[str, Any]", source)[chosen[0]])


def _env_source(field: str, kind: str, reference: Any) -> Iterator[Cause]:
    if not isinstance(reference, dict):
        yield invalid_value(field, reference, "must be an object")
        return
    values = cast("dict[str, Any]", reference)
    needed = {"fieldRef": "fieldPath", "resourceFieldRef": "resource"}.get(kind, "key")
    if not isinstance(values.get(needed), str) or not values[needed]:
        yield required(f"{field}.{needed}")
    if needed == "key" and not values.get("name"):
        yield required(f"{field}.name")


def _env_from(field: str, container: dict[str, Any]) -> Iterator[Cause]:
    for index, source in enumerate(objects(container, "envFrom")):
        if isinstance(source.get("configMapRef"), dict) is isinstance(source.get("secretRef"), dict):
            yield invalid_value(
                f"{field}.envFrom[{index}]", "", "must specify exactly one of: `configMapRef` or `secretRef`"
            )


def _mounts(field: str, container: dict[str, Any], mountable: set[str]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, mount in enumerate(objects(container, "volumeMounts")):
        place = f"{field}.volumeMounts[{index}]"
        if not mount.get("name"):
            yield required(f"{place}.name")
        elif str(mount["name"]) not in mountable:
            yield Cause(f"{place}.name", f"Not found: {shown(mount['name'])}", "FieldValueNotFound")
        path: Any = mount.get("mountPath")
        if not path:
            yield required(f"{place}.mountPath")
        elif not isinstance(path, str):
            yield invalid_value(f"{place}.mountPath", path, "must be a string")
        elif path in seen:
            yield invalid_value(f"{place}.mountPath", path, "must be unique")
        else:
            seen.add(path)
        inner: Any = mount.get("subPath") or mount.get("subPathExpr") or ""
        if mount.get("subPath") and mount.get("subPathExpr"):
            yield invalid_value(
                f"{place}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive"
            )
        if not isinstance(inner, str) or inner.startswith("/"):
            yield invalid_value(f"{place}.subPath", inner, "must be a relative path")
        elif ".." in inner.split("/"):
            yield invalid_value(f"{place}.subPath", inner, "must not contain '..'")


def _ports(field: str, container: dict[str, Any]) -> Iterator[Cause]:
    for index, port in enumerate(objects(container, "ports")):
        yield from port_number(f"{field}.ports[{index}].containerPort", port.get("containerPort"))
        yield from choice(f"{field}.ports[{index}].protocol", port.get("protocol"), ("TCP", "UDP", "SCTP"))


def _resources(field: str, resources: Any) -> Iterator[Cause]:
    if not isinstance(resources, dict):
        yield invalid_value(field, resources, "must be an object")
        return
    amounts: dict[str, dict[str, Any]] = {}
    for key in ("limits", "requests"):
        found: Any = cast("dict[str, Any]", resources).get(key) or {}
        if not isinstance(found, dict):
            yield invalid_value(f"{field}.{key}", found, "must be a map of quantities")
            found = {}
        amounts[key] = {}
        for name, text in cast("dict[str, Any]", found).items():
            if not isinstance(text, (str, int, float)):
                yield invalid_value(f"{field}.{key}[{name}]", text, "quantities must be numbers or strings")
            elif problem := _resource_problem(name, text):
                yield invalid_value(f"{field}.{key}[{name}]", text, problem)
            else:
                amounts[key][name] = parse(text)
    for name, value in amounts["requests"].items():
        limit = amounts["limits"].get(name)
        if limit is None and name not in _NATIVE_RESOURCES:
            yield required(f"{field}.limits[{name}]", "Limit must be set for non overcommitable resources")
        elif limit is not None and (value > limit or (value != limit and name not in _NATIVE_RESOURCES)):
            rule = "less than or equal to" if name in _NATIVE_RESOURCES else "equal to"
            yield invalid_value(f"{field}.requests[{name}]", str(value), f"must be {rule} {name} limit")


@lru_cache(maxsize=1024, typed=True)  # True is not 1
def _resource_problem(name: str, text: str | float) -> str:
    """Why this is no amount of a resource."""
    if problem := qualified_name_error(name):
        return problem
    if name not in _NATIVE_RESOURCES and "/" not in name and not name.startswith("hugepages-"):
        return "must be a standard resource for containers"
    try:
        value = parse(text)
    except ValueError as error:
        return str(error)
    if value < 0:
        return "must be greater than or equal to 0"
    return "must be an integer" if name not in _NATIVE_RESOURCES and value.denominator != 1 else ""


def _volumes(volumes: list[dict[str, Any]]) -> Iterator[Cause]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        field = f"spec.volumes[{index}]"
        yield from _own_name(field, volume.get("name"), names)
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        if not sources:
            yield required(field, "must specify a volume type")
        elif len(sources) > 1:
            yield forbidden_field(f"{field}.{sources[1]}", "may not specify more than 1 volume type")
        else:
            yield from _volume_source(field, sources[0], volume[sources[0]])


def _volume_source(field: str, kind: str, source: Any) -> Iterator[Cause]:
    if not isinstance(source, dict):
        yield invalid_value(f"{field}.{kind}", source, "must be an object")
        return
    values = cast("dict[str, Any]", source)
    needed = {"configMap": "name", "secret": "secretName", "hostPath": "path", "persistentVolumeClaim": "claimName"}
    key = needed.get(kind)
    if key and not values.get(key):
        yield required(f"{field}.{kind}.{key}")
    if kind == "hostPath" and ".." in str(values.get("path")).split("/"):
        yield invalid_value(f"{field}.hostPath.path", values["path"], "must not contain '..'")
    for index, item in enumerate(objects(values, "items") if kind in ("configMap", "secret") else []):
        path = str(item.get("path") or "")
        if not item.get("key"):
            yield required(f"{field}.{kind}.items[{index}].key")
        if not path:
            yield required(f"{field}.{kind}.items[{index}].path")
        elif path.startswith("/") or ".." in path.split("/"):
            yield invalid_value(f"{field}.{kind}.items[{index}].path", path, "must be a relative path without '..'")
