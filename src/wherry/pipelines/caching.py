"""When a task need not run: the key of its content, and the earlier result that lies under it.

Called by the driver before a pod is made.  Pure but for `find`.  Invariant: the key is made of content, never of
place: two tasks with equal keys would do the same, and a result whose artifacts are gone is no result.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from wherry.pipelines.engine.model import Outputs
from wherry.pipelines.lightweight import Function
from wherry.pipelines.platform_volumes import claim_name
from wherry.pipelines.pods import Inputs
from wherry.pipelines.templates import Template
from wherry.storage import cache
from wherry.storage.artifacts import ArtifactStore
from wherry.storage.database import Database

_canonical = msgspec.json.Encoder(order="sorted")


class Found(NamedTuple):
    """An earlier result and the id of the run that it comes from."""

    run_id: str
    outputs: Outputs


def key_of(template: Template, inputs: Inputs, *, environment: str, cache_key: str) -> str | None:
    """The SHA-256 key of the task, None when an input artifact's content is not known.

    `environment` is the environment's identity; `cache_key`, the component's own, replaces everything else, as in KFP.
    """
    if cache_key:
        return hashlib.sha256(f"{template.name}\0{cache_key}".encode()).hexdigest()
    artifacts: dict[str, Any] = {}
    for name, found in inputs.artifacts.items():
        if not all(artifact.get("digest") for artifact in found):
            return None
        artifacts[name] = [
            {"type": artifact.get("type"), "metadata": artifact.get("metadata"), "digest": artifact["digest"]}
            for artifact in found
        ]
    content: dict[str, Any] = {
        "v": 1,
        "program": _program(template),
        "env": [[variable.name, variable.value] for variable in template.container.env],
        "code": template.code.sha256 if template.code else None,
        "environment": environment,
        "declared": template.declared,
        "outputs": template.output_artifacts,
        "parameters": inputs.parameters,
        "artifacts": artifacts,
    }
    if template.platform is not None and template.platform.pvc_mount:
        content["claims"] = sorted(claim_name(mount, inputs.value_of) for mount in template.platform.pvc_mount)
    return hashlib.sha256(_canonical.encode(content)).hexdigest()


async def find(db: Database, store: ArtifactStore, namespace: str, key: str) -> Found | None:
    """The newest result under the key whose artifacts are all there."""
    for hit in await db.read(lambda tx: cache.lookup(tx, namespace, key)):
        outputs: Outputs = msgspec.json.decode(hit.outputs)
        if await _all_there(store, outputs):
            return Found(hit.run_id, outputs)
    return None


async def _all_there(store: ArtifactStore, outputs: Outputs) -> bool:
    """Whether the content that was recorded still lies where it was; metrics, say, may be metadata alone."""
    for found in (outputs.get("artifacts") or {}).values():
        for artifact in found:
            if artifact.get("digest") and not await store.exists(artifact.get("uri") or ""):
                return False
    return True


def _program(template: Template) -> dict[str, Any]:
    program = template.program
    if isinstance(program, Function):
        return {"source": template.source.sha256 if template.source else "", "function": program.name}
    return {"argv": [*program.command, *program.args]}
