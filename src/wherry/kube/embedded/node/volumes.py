"""Volumes: folders on this machine that stand for a pod's volumes.

Called by the agent before a pod's first container starts; the binding to mount paths is done by `mounts.py` in the
container's own process.  Invariants: a file of a config map or secret never lands outside its volume; a volume that
cannot be had is a `ConfigError`, never an empty folder instead.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wherry.kube.embedded.claims import own_volume
from wherry.kube.embedded.node.containers import (
    ConfigError,
    Place,
    Sources,
    containers,
    data_of,
    expand,
    field,
    mapping,
    resource_field,
)
from wherry.kube.protocol import Object
from wherry.kube.resources import CONFIGMAPS, PERSISTENTVOLUMECLAIMS, SECRETS

Mount = tuple[str, str, bool]
_READ_ONLY = frozenset({"configMap", "secret", "downwardAPI", "projected"})  # as Kubernetes mounts them
Fact = Mapping[str, Any]


class Volume(NamedTuple):
    """Where a volume lies, and whether no container may write to it."""

    path: str
    read_only: bool = False


def make(pod: Object, folder: str, sources: Sources, place: Place) -> dict[str, Volume]:
    """The folder or file of each volume by name, made under `folder`.  Raises ConfigError, OSError."""
    found: dict[str, Volume] = {}
    for volume in pod["spec"].get("volumes") or ():
        kind = next((key for key in volume if key != "name"), "emptyDir")
        maker = _MAKERS.get(kind)
        if maker is None:
            raise ConfigError(f'volume "{volume["name"]}": {kind} volumes are not available on this node')
        path, source = f"{folder}/volumes/{volume['name']}", mapping(volume.get(kind))
        read_only = kind in _READ_ONLY or bool(source.get("readOnly"))
        found[volume["name"]] = Volume(maker(source, path, pod, sources, place), read_only)
    return found


def mounts(container: Fact, volumes: Mapping[str, Volume], environ: Mapping[str, str]) -> list[Mount]:
    """(source, mount path, read only) of the container's mounts.

    Raises ConfigError for a subPath that escapes, and for one of variables that are not in `environ`.
    """
    found: list[Mount] = []
    for mount in container.get("volumeMounts") or ():
        source, read_only = volumes[mount["name"]]
        sub_path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", environ)
        if "$(" in sub_path and "subPathExpr" in mount:
            raise ConfigError(f'subPathExpr "{mount["subPathExpr"]}" names variables that the container has not')
        if sub_path:
            inner = os.path.realpath(os.path.join(source, sub_path))
            if not inner.startswith(os.path.realpath(source) + "/"):
                raise ConfigError(f'subPath "{sub_path}" leads out of volume "{mount["name"]}"')
            if not os.path.lexists(inner):
                os.makedirs(inner)
            source = inner
        found.append((source, mount["mountPath"], read_only or bool(mount.get("readOnly"))))
    return found


def _empty_dir(source: Fact, path: str, pod: Object, sources: Sources, place: Place) -> str:
    os.makedirs(path, mode=0o777, exist_ok=True)
    return path


def _claim(source: Fact, path: str, pod: Object, sources: Sources, place: Place) -> str:
    """The folder that a claim is bound to: its own, or one that somebody has made."""
    name = source["claimName"]
    claim = sources.get((PERSISTENTVOLUMECLAIMS, name))
    if claim is None:
        raise ConfigError(f'persistentvolumeclaim "{name}" not found')
    if "deletionTimestamp" in claim["metadata"]:
        raise ConfigError(f'persistentvolumeclaim "{name}" is being deleted')
    volume = claim["spec"]["volumeName"]
    folder = f"{place.volumes}/{volume}"
    if volume == own_volume(claim["metadata"]["uid"]):
        os.makedirs(folder, mode=0o777, exist_ok=True)
    elif not os.path.isdir(folder):
        raise ConfigError(f'persistentvolumeclaim "{name}": there is no volume "{volume}"; make the folder {folder}')
    return folder


def _host_path(source: Fact, path: str, pod: Object, sources: Sources, place: Place) -> str:
    real, kind = source["path"], source.get("type") or ""
    if kind == "DirectoryOrCreate":
        os.makedirs(real, exist_ok=True)
    elif kind == "FileOrCreate" and not os.path.exists(real):
        Path(real).touch()
    try:
        mode = os.stat(real).st_mode
    except OSError as problem:
        raise ConfigError(f"hostPath {real}: {problem.strerror}") from None
    test = _HOST_TYPES.get(kind)
    if test is not None and not test(mode):
        raise ConfigError(f"hostPath type check failed: {real} is not a {kind.removesuffix('OrCreate')}")
    return real


_HOST_TYPES: dict[str, Callable[[int], bool]] = {
    "Directory": stat.S_ISDIR,
    "DirectoryOrCreate": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "FileOrCreate": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}


def _config_map(source: Fact, path: str, pod: Object, sources: Sources, place: Place) -> str:
    data = data_of(sources, (CONFIGMAPS, source.get("name", "")), optional=bool(source.get("optional"))) or {}
    return _write(path, _chosen(source, data), source.get("defaultMode", 0o644))


def _secret(source: Fact, path: str, pod: Object, sources: Sources, place: Place) -> str:
    name = source.get("secretName") or source.get("name", "")
    data = data_of(sources, (SECRETS, name), optional=bool(source.get("optional"))) or {}
    return _write(path, _chosen(source, data), source.get("defaultMode", 0o644))


def _downward(source: Fact, path: str, pod: Object, sources: Sources, place: Place) -> str:
    files: dict[str, tuple[bytes, int | None]] = {}
    for item in source.get("items") or ():
        if "fieldRef" in item:
            text = field(pod, item["fieldRef"]["fieldPath"], place)
        else:
            reference = item["resourceFieldRef"]
            named = [each for each in containers(pod) if each["name"] == reference.get("containerName")]
            if not named:
                raise ConfigError(f"downwardAPI item {item['path']}: containerName is required")
            text = resource_field(pod, named[0], reference, place)
        files[item["path"]] = (text.encode(), item.get("mode"))
    return _write(path, files, source.get("defaultMode", 0o644))


def _projected(source: Fact, path: str, pod: Object, sources: Sources, place: Place) -> str:
    os.makedirs(path, exist_ok=True)
    for part in source.get("sources") or ():
        kind = next(iter(part), "")
        if kind not in ("configMap", "secret", "downwardAPI"):
            raise ConfigError(f"projected {kind or 'nothing'} is not available on this node")
        _MAKERS[kind]({"defaultMode": source.get("defaultMode", 0o644), **part[kind]}, path, pod, sources, place)
    return path


def _chosen(source: Fact, data: Mapping[str, bytes]) -> dict[str, tuple[bytes, int | None]]:
    """The files of a config map or secret: all keys, or those of `items` under their paths."""
    items = source.get("items")
    if not items:
        return {key: (value, None) for key, value in data.items()}
    found: dict[str, tuple[bytes, int | None]] = {}
    for item in items:
        if item["key"] in data:
            found[item["path"]] = (data[item["key"]], item.get("mode"))
        elif not source.get("optional"):
            raise ConfigError(f"references non-existent config key: {item['key']}")
    return found


def _write(path: str, files: Mapping[str, tuple[bytes, int | None]], default_mode: int) -> str:
    os.makedirs(path, exist_ok=True)
    for name, (data, mode) in files.items():
        target = os.path.normpath(os.path.join(path, name))
        if not target.startswith(path + "/"):
            raise ConfigError(f'the file name "{name}" leads out of its volume')
        os.makedirs(os.path.dirname(target), exist_ok=True)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
            os.fchmod(fd, default_mode if mode is None else mode)
    return path


_MAKERS: dict[str, Callable[[Fact, str, Object, Sources, Place], str]] = {
    "emptyDir": _empty_dir,
    "ephemeral": _empty_dir,
    "hostPath": _host_path,
    "persistentVolumeClaim": _claim,
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward,
    "projected": _projected,
}
