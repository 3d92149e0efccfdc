"""The home's node as an object: what the machine is, what it can give, that it is well.

Run by the agent.  Invariant: the object is written when something about it has changed, and every five minutes as a
sign of life, with its lease; never for every pod.
"""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path
from typing import Any

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.node.capacity import GPU, Capacity
from wherry.kube.embedded.node.lifecycle import NODE, NODE_IP
from wherry.kube.errors import AlreadyExists, KubeError, NotFound
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import LEASES, NODES
from wherry.kube.times import timestamp
from wherry.seams import Clock
from wherry.storage.errors import StorageError

HEARTBEAT_S = 300.0  # as the kubelet's --node-status-report-frequency
LEASE_NAMESPACE = "kube-node-lease"
_LEASE_S = 2 * int(HEARTBEAT_S)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_WELL = (
    ("MemoryPressure", "False", "NodeHasSufficientMemory", "memory is given out by requests"),
    ("DiskPressure", "False", "NodeHasNoDiskPressure", "the disk of the home has space"),
    ("PIDPressure", "False", "NodeHasSufficientPID", "processes can be started"),
    ("Ready", "True", "NodeReady", "wherry's node agent is posting ready status"),
)


def node_object(capacity: Capacity, version: str, disk_bytes: int, now: str) -> Object:
    """The node as it says of itself; `version` is the Kubernetes that is presented, `now` is RFC 3339."""
    machine = platform.machine()
    architecture = _ARCHITECTURES.get(machine, machine)
    system = platform.system().lower()
    amounts = {
        "cpu": str(capacity.cpu),
        "ephemeral-storage": f"{disk_bytes >> 10}Ki",
        "memory": f"{capacity.memory_bytes >> 10}Ki",
        "pods": str(capacity.pods),
    }
    if capacity.gpus:
        amounts[GPU] = str(len(capacity.gpus))
    identity = _first_line("/etc/machine-id")
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NODE,
            "labels": {
                "kubernetes.io/arch": architecture,
                "kubernetes.io/hostname": NODE,
                "kubernetes.io/os": system,
            },
        },
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": NODE_IP}, {"type": "Hostname", "address": NODE}],
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                }
                for kind, status, reason, message in _WELL
            ],
            "nodeInfo": {
                "architecture": architecture,
                "bootID": _first_line("/proc/sys/kernel/random/boot_id"),
                "containerRuntimeVersion": f"wherry://{platform.python_version()}",
                "kernelVersion": platform.release(),
                "kubeProxyVersion": version,
                "kubeletVersion": version,
                "machineID": identity,
                "operatingSystem": system,
                "osImage": _os_image(),
                "systemUUID": identity,
            },
        },
    }


def lease_object(now: str) -> Object:
    """The node's sign of life (`kubectl describe node` shows it)."""
    spec = {"holderIdentity": NODE, "leaseDurationSeconds": _LEASE_S, "renewTime": now.replace("Z", ".000000Z")}
    metadata = {"name": NODE, "namespace": LEASE_NAMESPACE}
    return {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


async def present(kube: Kube, capacity: Capacity, version: str, folder: str, clock: Clock) -> None:
    """Keeps the node's object and its lease up to date, until cancelled."""
    while True:
        try:
            await _tell(kube, capacity, version, folder, timestamp(clock.time()))
        except (KubeError, StorageError):
            pass  # a full disk: the next look tells
        await asyncio.sleep(HEARTBEAT_S)


async def _tell(kube: Kube, capacity: Capacity, version: str, folder: str, now: str) -> None:
    disk = os.statvfs(folder)
    mine = node_object(capacity, version, disk.f_blocks * disk.f_frsize, now)
    try:
        known = await kube.get(NODES, NODE)
    except NotFound:
        known = await kube.create(mine)
    told = objects(known.get("status") or {}, "conditions")
    began: dict[str, Any] = {each["type"]: each["lastTransitionTime"] for each in told}
    for condition in mine["status"]["conditions"]:
        condition["lastTransitionTime"] = began.get(condition["type"], now)
    await kube.patch(NODES, NODE, "", {"status": mine["status"]}, subresource="status")
    lease = lease_object(now)
    try:
        await kube.create(lease)
    except AlreadyExists:
        await kube.patch(LEASES, NODE, LEASE_NAMESPACE, {"spec": lease["spec"]})
