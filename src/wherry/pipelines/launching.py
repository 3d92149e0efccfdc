"""From a leaf attempt that may start to its pod: inputs, cache, files in the store, the pod itself.

Called by the driver, once an incarnation.  Invariant: a pod is made only after all that it needs lies in the store;
an importer and a cache hit need no pod at all.
"""

from __future__ import annotations

from collections.abc import Callable

from wherry.errors import WherryError
from wherry.ir.operations import PVC_OPERATIONS
from wherry.ir.spec import Workspace
from wherry.pipelines import caching, pods, templates, workspace
from wherry.pipelines.claims import Claims
from wherry.pipelines.delivery import Delivery
from wherry.pipelines.engine import Resolved, imported, resolve, resolve_value
from wherry.pipelines.engine.model import Event, Outputs, Succeeded
from wherry.pipelines.engine.state import Dag
from wherry.pipelines.flights import Flight, LiveRun, Notice
from wherry.pipelines.pods import Inputs
from wherry.pipelines.targets import Site
from wherry.pipelines.templates import ObjectRef, Template
from wherry.storage.database import Database
from wherry.storage.errors import AccessRefused


class ImportRefused(WherryError):
    """An importer's uri leads nowhere."""


class WorkspaceMissing(WherryError):
    """A task uses the workspace of a pipeline that has none."""


_GIVE_IT_ONE = "Give it one: @dsl.pipeline(pipeline_config=dsl.PipelineConfig(workspace=...))."


class Launcher:
    """Makes the pods of one site."""

    def __init__(self, db: Database, site: Site) -> None:
        self._db = db
        self._site = site
        self._store = site.store
        self._claims = Claims(db, site.kube, site.store)
        self.delivery = Delivery(site.kube, site.store, site.granter)

    async def launch(self, flight: Flight, tell: Callable[[Notice], None]) -> Event | None:
        """Make the flight's pod; returns None, or the attempt's success when it needs no pod.

        `tell` is for what the user should know.  Raises WherryError for what can never be launched, KubeError and
        StorageError for what the API server or the medium refuses.
        """
        live = flight.live
        resolved = resolve(live.engine, flight.path)
        if resolved.kind == "importer":
            outputs = await self._imported(resolved)
            if resolved.executor.importer is not None and resolved.executor.importer.download_to_workspace:
                _into_workspace(live, resolved, outputs, tell, self._is_seen)
            return Succeeded(flight.path, flight.attempt, outputs)
        if resolved.container.image in PVC_OPERATIONS:
            return await self._claims.operate(flight, resolved, tell)
        template = self._template(live, resolved, tell)
        inputs = Inputs(
            resolved.parameters,
            resolved.artifacts,
            resolved.env,
            resolved.resources,
            lambda spec: resolve_value(live.engine, flight.path, spec),
            self._workspace_of(live, resolved),
            resolved.component.task_config_passthroughs,
        )
        if resolved.caching and (resolved.cache_key or not self._writes_to_workspace(inputs, resolved)):
            key = await self._key(live, template, inputs, resolved.cache_key)
            flight.cache_key = key
            if key is not None and live.options.cache:
                hit = await caching.find(self._db, self._store, live.info.namespace, key)
                if hit is not None:
                    return Succeeded(flight.path, flight.attempt, hit.outputs, cached_from=hit.run_id)
        built = pods.build(
            template,
            flight.identity,
            inputs,
            info=live.info,
            name=flight.name,
            root=flight.root,
            run_root=live.root,
            needed=_needed(live, resolved),
            equipment=self._site.equipment,
        )
        for upload in built.uploads:
            await self._upload(live, upload)
        asked = workspace_of(live)
        if asked is not None and inputs.workspace:
            await self._claims.make_workspace(live.info, asked)
        if template.platform is not None:
            for sentence in self._site.lacking(built.pod):
                if sentence not in live.noticed:
                    tell(Notice(sentence, "NotApplicable"))
        await self.delivery.create(built.pod)
        return None

    async def workspaces(self) -> list[tuple[str, str, str]]:
        """Run id, claim and namespace of each workspace that is there.  Raises KubeError, StorageError."""
        return await self._claims.workspaces()

    async def discard_workspace(self, name: str, namespace: str) -> None:
        """Delete the workspace of a run that is over for good, if it has one.  Raises KubeError, StorageError."""
        await self._claims.discard_workspace(name, namespace)

    def _writes_to_workspace(self, inputs: Inputs, resolved: Resolved) -> bool:
        """Whether what the task does may lie in the workspace, where no later run finds it."""
        return bool(inputs.workspace) and workspace.named(resolved.container, resolved.parameters)

    def _workspace_of(self, live: LiveRun, resolved: Resolved) -> str:
        """The claim of the run's workspace, when the task uses it; else ""."""
        if workspace_of(live) is None:
            if workspace.asked_for(resolved.container, resolved.task):
                raise WorkspaceMissing(
                    f"the task {resolved.display_name!r} uses the workspace, but the pipeline has none",
                    hint=_GIVE_IT_ONE,
                )
            return ""
        if workspace.mentioned(resolved.container, resolved.parameters, resolved.artifacts):
            return workspace.claim_name(live.info.resource_name)
        return ""

    def _template(self, live: LiveRun, resolved: Resolved, tell: Callable[[Notice], None]) -> Template:
        image = resolved.image
        key = (resolved.component_name, image)
        template = live.templates.get(key)
        if template is None:
            template = live.templates[key] = templates.make(
                resolved.component_name,
                resolved.component,
                resolved.container,
                image=image,
                platform=resolved.platform,
                images=live.options.images,
                code_sha256=live.options.code,
                store_root=self._store.root,
                levels=resolved.levels,
            )
            advice = self._site.advise(template.image, template.environment)
            if advice is not None:
                tell(Notice(advice, "Image"))
        return template

    async def _key(self, live: LiveRun, template: Template, inputs: Inputs, cache_key: str) -> str | None:
        identity = live.identities.get(template)
        if identity is None:
            identity = await self._site.identify(template.image, template.environment)
            live.identities[template] = identity
        return caching.key_of(template, inputs, environment=identity, cache_key=cache_key)

    async def _upload(self, live: LiveRun, upload: ObjectRef) -> None:
        if upload.data is not None and upload.uri not in live.uploaded:
            await self._store.ensure(upload.uri, upload.data)
            live.uploaded.add(upload.uri)

    async def _imported(self, resolved: Resolved) -> Outputs:
        """The artifact that an importer names; one that this store can see must be there, and counts by its content."""
        outputs = imported(resolved)
        for artifacts in outputs["artifacts"].values():
            for artifact in artifacts:
                uri: str = artifact["uri"]
                if self._is_seen(uri):
                    artifact["digest"] = await self._version(resolved, uri)
                elif "://" not in uri:
                    raise ImportRefused(
                        f"the importer {resolved.display_name!r} is given {uri!r},"
                        " which is neither an absolute path nor a uri"
                    )
        return outputs

    def _is_seen(self, uri: str) -> bool:
        """Whether the store can look at it: files where artifacts are files, objects where they are objects."""
        scheme = uri.partition("://")[0] if "://" in uri else ""
        return uri.startswith("/") or (bool(scheme) and self._store.root.startswith(f"{scheme}://"))

    async def _version(self, resolved: Resolved, uri: str) -> str:
        try:
            found = await self._store.version(uri)
        except AccessRefused as error:
            raise ImportRefused(f"the importer {resolved.display_name!r} may not read {uri}: {error}") from error
        if found is None:
            raise ImportRefused(f"the importer {resolved.display_name!r} finds nothing at {uri}")
        return found


def workspace_of(live: LiveRun) -> Workspace | None:
    """The workspace that the run's pipeline asks for."""
    platform = live.engine.plan.document.platform
    kubernetes = platform.platforms.kubernetes if platform is not None else None
    return kubernetes.pipeline_config.workspace if kubernetes is not None else None


def _into_workspace(
    live: LiveRun,
    resolved: Resolved,
    outputs: Outputs,
    tell: Callable[[Notice], None],
    is_seen: Callable[[str], bool],
) -> None:
    """Marks what an importer puts out as lying in the workspace: the first task that reads it copies it there."""
    if workspace_of(live) is None:
        raise WorkspaceMissing(
            f"the importer {resolved.display_name!r} downloads to the workspace, but the pipeline has none",
            hint=_GIVE_IT_ONE,
        )
    for artifacts in outputs["artifacts"].values():
        for artifact in artifacts:
            if is_seen(artifact["uri"]):
                artifact["metadata"] = {**artifact["metadata"], workspace.IN_WORKSPACE: True}
            else:
                tell(Notice(f"{artifact['uri']} is not downloaded to the workspace.", "NotApplicable"))


def _needed(live: LiveRun, resolved: Resolved) -> list[str]:
    """The names of the task's output artifacts that another task or the enclosing component reads."""
    if not resolved.component.output_definitions.artifacts:
        return []
    node = live.engine.get(resolved.path)
    group = live.engine.get(node.parent) if node is not None else None
    if not isinstance(group, Dag):
        return []
    readers = group.component
    read = {given.key for task in readers.tasks for given in task.artifacts if given.producer == resolved.name}
    read |= {key for selector in readers.artifacts for producer, key in selector.sources if producer == resolved.name}
    return sorted(read)
