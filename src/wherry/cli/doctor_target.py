"""`wherry doctor --on NAME`: what a cluster lacks before a pipeline runs on it, each with the fix.

Loaded by `wherry.cli.doctor` when a target is named.  Invariant: what is made for the trial (a pod, a file in the
store) is gone afterwards; the runtime's ConfigMap stays, for runs need it anyway.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from wherry.client.submission import cluster
from wherry.errors import WherryError
from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.connection import Patience
from wherry.kube.errors import Forbidden, KubeError, NotFound
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import NAMESPACES, PODS
from wherry.pipelines.pods import COMMAND, MANAGED_BY, equipped
from wherry.pipelines.runtime_map import ensure_runtime
from wherry.pipelines.targets import Target
from wherry.pipelines.verdicts import Over, of_pod, waiting
from wherry.server.clusters import access_of, equipment, settled, store_of
from wherry.settings import Target as Setting
from wherry.storage.stores import is_object_store, open_granter

TRIAL_S = 90.0
"""How long the pod of the trial may take: an image is pulled in less, mostly."""
PERMISSIONS: tuple[tuple[str, str], ...] = (
    *(("pods", verb) for verb in ("create", "get", "list", "watch", "delete")),
    ("pods/log", "get"),
    *(("configmaps", verb) for verb in ("create", "get", "list", "delete")),
    *(("secrets", verb) for verb in ("create", "list", "delete")),
    *(("events", verb) for verb in ("list", "watch")),
    *(("persistentvolumeclaims", verb) for verb in ("create", "get", "list", "delete")),
)
"""Resource and verb of everything that a run asks of the API server; docs/guides/clusters.md shows them as a Role."""
_TRIAL = """
import json, os, sys
told = {"python": list(sys.version_info[:2]), "runtime": os.path.isfile(sys.argv[1]), "wrong": []}
for folder in sys.argv[2:]:
    path = os.path.join(folder, os.environ["HOSTNAME"])
    try:
        with open(path, "w") as file:
            file.write("wherry")
        os.unlink(path)
    except OSError as error:
        told["wrong"].append([folder, str(error)])
print(json.dumps(told))
"""


class Finding(NamedTuple):
    """One line: `ok`, `note` (works, with less) or `lack`."""

    what: str
    level: str
    text: str


def examine(setting: Setting, image: str) -> list[Finding]:
    """All that there is to say about the target, in the order of the checks; what cannot be checked is left out."""

    async def collected() -> list[Finding]:
        found: list[Finding] = []
        try:
            async with aclosing(_examined(setting, image)) as findings:
                async for finding in findings:
                    found.append(finding)  # one by one: what was found before a failure stays
        except KubeError as error:
            found.append(Finding("cluster", "lack", _said(error)))
        return found

    return asyncio.run(collected())


async def _examined(setting: Setting, image: str) -> AsyncGenerator[Finding]:
    try:
        target = msgspec.convert(cluster(setting, os.environ), Target)
        target = settled(target, os.environ)
    except WherryError as error:
        yield Finding("target", "lack", _said(error))
        return
    yield Finding("target", "ok", f"context {target.context}, namespace {target.namespace}")
    access = access_of(target, os.environ)
    async with ClusterKube(access, scope=target.namespace, patience=Patience(request_s=5.0)) as kube:
        try:
            version = await kube.version()
        except WherryError as error:
            yield Finding("cluster", "lack", f"{access.server}: {_said(error)}")
            return
        yield Finding("cluster", "ok", f"Kubernetes {version} at {access.server}")
        there = await _namespace(kube, target.namespace)
        yield there
        denied = await _denied(kube, target.namespace)
        if denied:
            text = f"you may not {', '.join(denied)}; docs/guides/clusters.md has the Role that allows it"
            yield Finding("rights", "lack", text)
        else:
            yield Finding("rights", "ok", f"all {len(PERMISSIONS)} that a run needs")
        yield await _store(target)
        if is_object_store(target.artifacts):
            yield await _grant(target)
        if there.level != "lack" and not denied:
            async for finding in _trial(kube, target, image):
                yield finding


async def _namespace(kube: Kube, name: str) -> Finding:
    try:
        await kube.get(NAMESPACES, name)
    except NotFound:
        return Finding("namespace", "lack", f"{name} is not there: kubectl create namespace {name}")
    except Forbidden:
        return Finding(
            "namespace", "note", f"{name} may not be looked at; whether it is there shows when a pod is made"
        )
    return Finding("namespace", "ok", name)


async def _denied(kube: Kube, namespace: str) -> list[str]:
    """The permissions that are lacking, as `verb resource`."""
    denied: list[str] = []
    for resource, verb in PERMISSIONS:
        name, _, subresource = resource.partition("/")
        attributes = {"namespace": namespace, "verb": verb, "resource": name, "subresource": subresource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": attributes},
        }
        answer = await kube.create(review)
        if not answer["status"].get("allowed"):
            denied.append(f"{verb} {resource}")
    return denied


async def _store(target: Target) -> Finding:
    """Whether this machine, where the server is, can write and read the artifacts."""
    try:
        store = store_of(target, os.environ)
        uri = f"{store.root.rstrip('/')}/.doctor-{secrets.token_hex(8)}"
        await store.put(uri, b"wherry")
        assert await store.read(uri) == b"wherry"
        await store.delete_tree(uri)
    except WherryError as error:
        return Finding("artifacts", "lack", _said(error))
    return Finding("artifacts", "ok", f"{target.artifacts} can be written and read from here")


async def _grant(target: Target) -> Finding:
    """Whether a task would get into the object store."""
    try:
        store = store_of(target, os.environ)
        granter = open_granter(target.artifacts, os.environ, target.object_settings)
        assert granter is not None
        grant = await granter.grant(f"{store.root.rstrip('/')}/.doctor", [])
    except WherryError as error:
        return Finding("grant", "lack", _said(error))
    session = f"a session of {target.object_settings.grant_hours:g} h" if grant.secret else "their pod's own identity"
    return Finding("grant", "ok", f"tasks get in with {session}")


async def _trial(kube: Kube, target: Target, image: str) -> AsyncGenerator[Finding]:
    """What a pod finds: its image, Python, the runtime and the volumes."""
    try:
        pod = await _tried(kube, target, image)
    except TimeoutError:
        yield Finding("pod", "lack", f"a pod of {image} has not ended within {TRIAL_S:g} s")
        return
    except KubeError as error:
        yield Finding("pod", "lack", f"a pod cannot be made: {error.message}")
        return
    told = _told(pod)
    if told is None:
        verdict = of_pod(pod)
        reason = verdict.error if isinstance(verdict, Over) else waiting(pod)
        why = f"{reason['type']}: {reason['message']}"
        yield Finding("pod", "lack", f"a pod of {image} does not run: {why}")
        return
    yield Finding("pod", "ok", f"a pod of {image} runs")
    major, minor = told["python"]
    level = "ok" if (major, minor) >= (3, 9) else "lack"
    yield Finding("python", level, f"{major}.{minor} in {image}" + ("" if level == "ok" else "; wherry needs 3.9"))
    if not told["runtime"]:
        yield Finding("runtime", "lack", f"{COMMAND[1]} is not in the pod: something else is mounted over it")
    for folder, error in told["wrong"]:
        what = "artifacts" if folder == target.artifacts else "wheels"
        yield Finding(what, "lack", f"pods cannot write to {folder}: {error}; look at the target's volume")
    if not told["wrong"]:
        yield Finding("volumes", "ok", "what pods mount can be written")


async def _tried(kube: Kube, target: Target, image: str) -> Object:
    """The pod of the trial at its end, or where it got stuck; it is deleted.  Raises KubeError, TimeoutError."""
    name = f"wherry-doctor-{secrets.token_hex(5)}"
    given = equipment(target, await ensure_runtime(kube, target.namespace))
    folders = [mount["mountPath"] for mount in given.mounts if not mount.get("readOnly")]
    container = {"name": "main", "image": image, "command": [COMMAND[0], "-c", _TRIAL, COMMAND[1], *folders], "env": []}
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": target.namespace, "labels": dict(MANAGED_BY)},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    last = await kube.create(equipped(pod, given))
    try:
        async with asyncio.timeout(TRIAL_S):
            watch = kube.watch(PODS, target.namespace, fields=f"metadata.name={name}")
            async with aclosing(watch) as events:
                async for event in events:
                    if event.type in ("ADDED", "MODIFIED"):
                        last = event.object
                    if _is_decided(last):
                        break
            if _phase(last) == "Succeeded":
                async with aclosing(kube.logs(name, target.namespace)) as chunks:
                    last["told"] = b"".join([chunk async for chunk in chunks]).decode("utf-8", "replace")
    finally:
        try:
            await kube.delete(PODS, name, target.namespace, grace_period_s=0)
        except NotFound:
            pass
    return last


def _is_decided(pod: Object) -> bool:
    stuck = waiting(pod)["type"] not in ("Pending", "ContainerCreating", "PodInitializing")
    return _phase(pod) in ("Succeeded", "Failed") or (_phase(pod) == "Pending" and stuck)


def _phase(pod: Object) -> str:
    status: dict[str, Any] = pod.get("status") or {}
    return status.get("phase") or ""


def _told(pod: Object) -> dict[str, Any] | None:
    for line in reversed(str(pod.get("told") or "").splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    return None


def _said(error: WherryError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
