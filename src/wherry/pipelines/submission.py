"""Checks a submission before anything of it is stored: document, arguments, options.

Called by `wherry.pipelines.service`.  Invariant: what passes here can be run; what cannot is refused with a sentence
that names the fault.
"""

from __future__ import annotations

import difflib
import re
from contextlib import suppress
from typing import Any

import msgspec

from wherry.errors import UsageError
from wherry.ir import Document, IRError
from wherry.ir.values import check_values
from wherry.kube.errors import AlreadyExists, NotFound
from wherry.kube.protocol import Kube
from wherry.kube.resources import NAMESPACES
from wherry.pipelines.engine import Run
from wherry.pipelines.engine.inputs import Unresolvable, root_inputs
from wherry.pipelines.engine.model import RunInfo
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.recovery import run_options
from wherry.pipelines.templates import code_ref
from wherry.pipelines.verdicts import PARAMETER_LIMIT_BYTES
from wherry.storage.artifacts import ArtifactStore, child
from wherry.storage.errors import UriRefused

RESERVED = frozenset({"commit.json", "main.log"})
"""Files that the runtime and the driver write beside the outputs of a task."""
_RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME_LIMIT = 256


async def ensure_namespace(kube: Kube, name: str) -> None:
    """Makes the namespace unless it is there.  Raises KubeError."""
    try:
        await kube.get(NAMESPACES, name)
    except NotFound:
        with suppress(AlreadyExists):
            await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


async def check(
    document: Document,
    *,
    arguments: dict[str, Any],
    options: SubmitOptions,
    info: RunInfo,
    store: ArtifactStore,
    window: int,
) -> Run:
    """The engine's fresh run that the submission asks for.  Raises UsageError, UriRefused."""
    _check_names(document)
    await _check_options(options, info, store)
    _check_arguments(document, arguments)
    engine = Run(document, info=info, arguments=arguments, options=run_options(options, window))
    try:
        root_inputs(engine)
    except Unresolvable as error:
        raise UsageError(error.message) from error
    return engine


def with_root(document: Document, options: SubmitOptions, store: ArtifactStore) -> tuple[SubmitOptions, str]:
    """The options with the document's `defaultPipelineRoot` where they name no root, and a sentence for the user.

    Documents carry roots of other places (`gs://...`) and still run here: a root that this store cannot have is left
    out, and the sentence, otherwise "", says so.
    """
    asked = document.pipeline.default_pipeline_root
    if not asked or options.pipeline_root is not None:
        return options, ""
    try:
        store.allow(asked.removeprefix("file://"))
    except UriRefused:
        return options, f"The pipeline's own root {asked} is not used: artifacts are kept in {store.root}."
    return msgspec.structs.replace(options, pipeline_root=asked.removeprefix("file://")), ""


def _check_names(document: Document) -> None:
    """Output artifacts become file names."""
    for component_name, component in document.pipeline.components.items():
        for name in component.output_definitions.artifacts:
            child(f"the outputs of {component_name}", name)
            if name in RESERVED:
                raise UsageError(f"the output of {component_name} cannot be called {name!r}: wherry writes such a file")


async def _check_options(options: SubmitOptions, info: RunInfo, store: ArtifactStore) -> None:
    if _RUN_ID.fullmatch(info.run_id) is None:
        raise UsageError(f"{info.run_id!r} is not a run id (a UUID of version 4)")
    if _NAMESPACE.fullmatch(options.namespace) is None:
        raise UsageError(f"{options.namespace!r} is not a namespace")
    if len(info.name) > _NAME_LIMIT:
        raise UsageError(f"the name of a run has at most {_NAME_LIMIT} characters, this one has {len(info.name)}")
    if options.parallelism is not None and options.parallelism < 1:
        raise UsageError(f"parallelism is {options.parallelism}, but must be at least 1")
    if options.pipeline_root is not None:
        store.allow(options.pipeline_root)
    if options.code is not None and not await store.touch(code_ref(store.root, options.code).uri):
        raise UsageError(f"the code archive {options.code} has not been uploaded")


def _check_arguments(document: Document, arguments: dict[str, Any]) -> None:
    known = document.pipeline.root.input_definitions
    for name, value in arguments.items():
        if name in known.artifacts:
            raise UsageError(f"the pipeline's input {name!r} is an artifact; only parameters can be given to a run")
        if name not in known.parameters:
            raise UsageError(f"the pipeline has no parameter {name!r}", hint=_hint(name, list(known.parameters)))
        try:
            check_values([value])
        except IRError as error:
            raise UsageError(f"the argument {name!r} is not a JSON value: {error.message}") from error
        if len(msgspec.json.encode(value)) > PARAMETER_LIMIT_BYTES:
            raise UsageError(
                f"the argument {name!r} is larger than 1 MiB", hint="Put it into a file and import it as an artifact."
            )
    for name, definition in known.artifacts.items():
        if not definition.is_optional:
            raise UsageError(f"the pipeline needs the artifact {name!r}, which a run cannot be given")


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"It has: {', '.join(known)}." if known else "It has none."
