"""Targets: where runs go, as records that are kept with the run, and as sites that are open.

A `Target` is stored with each run that names one, so that a restarted server finds the place again; a `Site` is what
the driver and the launcher get of it.  Invariants: a target holds no secret; all that differs between places is a value
of the site, so that nobody above needs to ask where it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from wherry.kube.protocol import Kube, Object
from wherry.pipelines.templates import EnvRequest
from wherry.storage.artifacts import ArtifactStore
from wherry.storage.stores import Granter, ObjectSettings

Identify = Callable[[str, EnvRequest | None], Awaitable[str]]
"""The identity of an image's environment, for cache keys: `(image, what the annotation asks for)`."""
Advise = Callable[[str, EnvRequest | None], str | None]
"""A sentence for the user where an image means something that the user may not expect."""
Lacking = Callable[[Object], Sequence[str]]
"""What a pod asks for that means nothing where it runs, as sentences for the user."""
Mend = Callable[[str], Awaitable[None]]
"""Told why a pod cannot mount something, brings back what of the equipment somebody has deleted.  Raises KubeError."""


class Volume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How pods mount a folder: one of a claim, a folder of the nodes, or an NFS export; `sub_path` is inside it."""

    claim: str = ""
    host_path: str = ""
    nfs_server: str = ""
    nfs_path: str = ""
    sub_path: str = ""

    def source(self) -> dict[str, Any]:
        """The volume's source, as a pod names it."""
        if self.claim:
            return {"persistentVolumeClaim": {"claimName": self.claim}}
        if self.host_path:
            return {"hostPath": {"path": self.host_path}}
        return {"nfs": {"server": self.nfs_server, "path": self.nfs_path}}


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cluster to run on, or another place for artifacts: all that it takes to open it again, and nothing secret.

    kubeconfig: absolute paths as in KUBECONFIG, empty for this pod's own cluster.  artifacts: a folder, or a URL of an
    object store.  volume: how pods mount the folder of artifacts.  wheels: where pip keeps what it has fetched.
    """

    name: str
    context: str = ""
    kubeconfig: str = ""
    namespace: str = ""
    artifacts: str = ""
    volume: Volume | None = None
    wheels: Volume | None = None
    service_account: str = ""
    pull_secrets: tuple[str, ...] = ()
    python_image: str = "python:3.11"
    pending_limit_s: float = 3600.0
    endpoint: str | None = None
    home: bool = False
    """The pods run on the home's own node, and only the artifacts lie elsewhere, in an object store."""
    grant: Literal["sts", "pod"] = "sts"
    grant_role: str | None = None
    grant_hours: float = 12.0

    @property
    def place(self) -> tuple[str, str, str]:
        """What makes two targets the same place, whatever else is said of them."""
        return self.kubeconfig, self.context, self.namespace

    @property
    def object_settings(self) -> ObjectSettings:
        """How its object store is reached, where it has one."""
        return ObjectSettings(self.endpoint, self.grant, self.grant_role, self.grant_hours)


class Carrier(msgspec.Struct, frozen=True):
    """How a container whose image has no Python comes to one: an init container of `image` copies its own."""

    image: str
    command: tuple[str, ...]
    """Of the init container; it fills `folder`."""
    folder: str
    start: tuple[str, ...]
    """What starts the runtime in the container itself, in the place of its command."""


class Equipment(msgspec.Struct, frozen=True):
    """What each pod of a site gets beside what its task asks for; nothing on a laptop, whose node brings it along."""

    volumes: tuple[dict[str, Any], ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()
    env: tuple[dict[str, Any], ...] = ()
    spec: dict[str, Any] = {}
    carrier: Carrier | None = None


NO_EQUIPMENT = Equipment()


def _no_advice(_image: str, _request: EnvRequest | None) -> str | None:
    return None


def _nothing_lacks(_pod: Object) -> Sequence[str]:
    return ()


async def _mends_nothing(_message: str) -> None:
    return None


class Site(NamedTuple):
    """An open place: `window` is how many pods may exist at once, `pending_limit_s` how long one may wait to start,
    `granter` lets pods into an object store; where it `makes_namespaces`, that of a run need not be there before;
    `mend` is told why a pod cannot mount something."""

    kube: Kube
    store: ArtifactStore
    identify: Identify
    window: int
    advise: Advise = _no_advice
    lacking: Lacking = _nothing_lacks
    equipment: Equipment = NO_EQUIPMENT
    pending_limit_s: float | None = None
    granter: Granter | None = None
    makes_namespaces: bool = False
    mend: Mend = _mends_nothing


class Targets(Protocol):
    """Opens targets; made by `wherry.server.compose`."""

    def settled(self, target: Target) -> Target:
        """The target with what its kubeconfig says today (context, namespace).  Raises UsageError."""
        ...

    def open(self, target: Target) -> AbstractAsyncContextManager[Site]:
        """The site of a settled target, with all that its pods need beforehand.  Raises WherryError."""
        ...
