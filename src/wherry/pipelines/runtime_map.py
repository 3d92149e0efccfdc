"""The in-task runtime as an immutable ConfigMap of the namespace, named by its digest, and how pods mount it.

Called where a target is opened.  Invariant: a ConfigMap of that name holds exactly these bytes, for ever; so a pod that
waits, and one that is made by another version of wherry, find theirs.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib

from wherry.errors import WherryError
from wherry.kube.errors import AlreadyExists
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import CONFIGMAPS
from wherry.pipelines.pods import COMMAND, ENVIRONMENT_ANNOTATION, MANAGED_BY
from wherry.pipelines.targets import Carrier, Equipment
from wherry.runtime import carrying, zipapp

PREFIX = "wherry-runtime-"
RUNTIME_LABEL = "wherry.dev/runtime"
"""Marks the ConfigMaps with a runtime; the value is the first half of its digest."""
_FILE = "runtime.pyz"
_FOLDER = "/wherry"
_CARRIED = "/wherry-python"


class RuntimeForeign(WherryError):
    """A ConfigMap of the runtime's name is there, and holds something else."""


def runtime_map(data: bytes, namespace: str) -> Object:
    """The ConfigMap for a runtime of these bytes."""
    digest = hashlib.sha256(data).hexdigest()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{PREFIX}{digest[:16]}",
            "namespace": namespace,
            "labels": {**MANAGED_BY, RUNTIME_LABEL: digest[:32]},
        },
        "immutable": True,
        "binaryData": {_FILE: base64.b64encode(data).decode()},
    }


async def ensure_runtime(kube: Kube, namespace: str) -> str:
    """Makes the ConfigMap unless it is there; its name.  Raises KubeError, RuntimeForeign."""
    wanted = runtime_map(await asyncio.to_thread(zipapp.content, compiled=True), namespace)
    name: str = wanted["metadata"]["name"]
    try:
        await kube.create(wanted)
    except AlreadyExists:
        there = await kube.get(CONFIGMAPS, name, namespace)
        if there.get("binaryData") != wanted["binaryData"]:
            raise RuntimeForeign(
                f"the ConfigMap {name} in {namespace} does not hold wherry's runtime", hint="Delete it and try again."
            ) from None
    return name


def carrier(image: str) -> Carrier:
    """How containers without Python get that of `image`, by way of `wherry.runtime.carrying`."""
    libraries = f"{_CARRIED}/lib"
    return Carrier(
        image,
        ("python3", COMMAND[1], carrying.WORD, _CARRIED),
        _CARRIED,
        (f"{libraries}/loader", "--library-path", libraries, f"{_CARRIED}/bin/python3", COMMAND[1]),
    )


def runtime_equipment(name: str) -> Equipment:
    """How pods get the runtime, and how the runtime hears of the packages that its task needs."""
    asked = {"fieldRef": {"fieldPath": f"metadata.annotations['{ENVIRONMENT_ANNOTATION}']"}}
    return Equipment(
        volumes=({"name": "wherry-runtime", "configMap": {"name": name}},),
        mounts=({"name": "wherry-runtime", "mountPath": _FOLDER, "readOnly": True},),
        env=({"name": "WHERRY_ENVIRONMENT", "valueFrom": asked},),
    )
