"""A pipeline as Kubernetes objects: KFP's kinds Pipeline and PipelineVersion.

Called by `wherry.compiler.package`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

_API_VERSION = "pipelines.kubeflow.org/v2beta1"


class KubernetesManifestOptions:
    """The names of the objects; each defaults to the one before it, the first to the pipeline's name."""

    def __init__(
        self,
        pipeline_name: str | None = None,
        pipeline_display_name: str | None = None,
        pipeline_version_name: str | None = None,
        pipeline_version_display_name: str | None = None,
        namespace: str | None = None,
        include_pipeline_manifest: bool = False,
    ) -> None:
        self.pipeline_name = pipeline_name
        self.pipeline_display_name = pipeline_display_name
        self.pipeline_version_name = pipeline_version_name
        self.pipeline_version_display_name = pipeline_version_display_name
        self.namespace = namespace
        self.include_pipeline_manifest = include_pipeline_manifest


def manifest_documents(
    options: KubernetesManifestOptions, pipeline_spec: Document, platform_spec: Document, description: str | None
) -> list[Document]:
    """The PipelineVersion, after the Pipeline when that was asked for."""
    name = options.pipeline_name if options.pipeline_name is not None else pipeline_spec["pipelineInfo"]["name"]
    version_name = options.pipeline_version_name or name
    version: Document = {
        "displayName": options.pipeline_version_display_name or version_name,
        "pipelineName": name,
        "pipelineSpec": pipeline_spec,
    }
    if platform_spec:
        version["platformSpec"] = platform_spec
    documents: list[Document] = []
    if options.include_pipeline_manifest:
        pipeline: Document = {"displayName": options.pipeline_display_name or name}
        documents.append(_object("Pipeline", name, options.namespace, pipeline, description))
    documents.append(_object("PipelineVersion", version_name, options.namespace, version, description))
    return documents


def _object(kind: str, name: str, namespace: str | None, spec: Document, description: str | None) -> Document:
    metadata = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if description:
        spec["description"] = description
    return {"apiVersion": _API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
