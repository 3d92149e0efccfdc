"""The other forms in which KFP writes a pipeline: Kubernetes manifests, and components that stand alone.

Called by `wherry.ir.documents` and `wherry.ir.reader`.  Invariant: only the form is changed; what is malformed is
handed on as it is, for the strict reading to name the place.
"""

from __future__ import annotations

import re
from typing import Any, cast

from wherry.errors import UsageError
from wherry.ir.limits import shortened

Document = dict[str, Any]
GROUP = "pipelines.kubeflow.org/"
SCHEMA_VERSION = "2.1.0"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_VERSION_FIELDS = frozenset(
    {
        "codeSourceURL", "description", "displayName", "pipelineName", "pipelineSpec", "pipelineSpecURI",
        "platformSpec", "tags",
    }
)  # fmt: skip
_COMPONENT = frozenset(
    {
        "inputDefinitions", "outputDefinitions", "executorLabel", "dag", "singlePlatformSpecs",
        "taskConfigPassthroughs",
    }
)  # fmt: skip


class IRError(UsageError):
    """The document is no pipeline that we can run; the message begins with the place in the document."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(shortened(message), hint=hint)


class FirstFormat(IRError):
    """The document is a component of KFP's first format, which `wherry.components` reads."""


def manifest(document: Document) -> list[Any] | None:
    """The pipeline and platform specs in a Kubernetes object of KFP's; None for a document that is no such object.

    A `Pipeline` only names what its versions belong to, and holds none.  Raises IRError for objects of other kinds.
    """
    if not {"apiVersion", "kind"} <= document.keys():
        return None
    version, kind, spec = document["apiVersion"], document["kind"], document.get("spec")
    if not str(version).startswith(GROUP) or kind not in ("Pipeline", "PipelineVersion"):
        raise IRError(
            f"kind: a Kubernetes object {kind} of {version} holds no pipeline",
            hint="KFP's compiler writes objects of the kind PipelineVersion; Argo workflows are KFP 1.",
        )
    if kind == "Pipeline":
        return []
    if not isinstance(spec, dict) or spec.get("pipelineSpec") is None:  # pyright: ignore[reportUnknownMemberType]
        raise IRError("spec.pipelineSpec: missing")
    fields = cast("Document", spec)
    if unknown := fields.keys() - _VERSION_FIELDS:
        raise IRError(f"spec: unknown field {min(unknown)!r}")
    return [fields["pipelineSpec"], fields.get("platformSpec")]


def is_component(document: Document) -> bool:
    """Whether the document is a ComponentSpec, perhaps with the `deploymentSpec` and `components` that it names."""
    return "root" not in document and bool(_COMPONENT & document.keys())


def pipeline_of(component: Document) -> Document:
    """The pipeline whose root is this component."""
    root = {key: value for key, value in component.items() if key in _COMPONENT}
    rest = {key: value for key, value in component.items() if key not in root}
    name = _name(root.get("executorLabel"))
    return {"pipelineInfo": {"name": name}, "schemaVersion": SCHEMA_VERSION, **rest, "root": root}


def rooted(pipeline: Any) -> Any:
    """A pipeline whose root is a component with an executor, as a pipeline with one task; others as they are."""
    root: Any = _mapping(_mapping(pipeline).get("root"))
    label = root.get("executorLabel")
    components: Any = _mapping(pipeline).get("components", {})
    if not isinstance(label, str) or not label or "dag" in root or not isinstance(components, dict):
        return pipeline
    known = _mapping(components)
    task = _name(label)
    component = f"comp-{task}"
    while component in known:
        component += "-1"
    given, made = _definitions(root, "inputDefinitions"), _definitions(root, "outputDefinitions")
    dag: Document = {
        "tasks": {
            task: {
                "cachingOptions": {"enableCache": True},
                "componentRef": {"name": component},
                "inputs": {
                    "parameters": {name: {"componentInputParameter": name} for name in given[0]},
                    "artifacts": {name: {"componentInputArtifact": name} for name in given[1]},
                },
                "taskInfo": {"name": task},
            }
        },
        "outputs": {
            "parameters": {
                name: {"valueFromParameter": {"producerSubtask": task, "outputParameterKey": name}} for name in made[0]
            },
            "artifacts": {
                name: {"artifactSelectors": [{"producerSubtask": task, "outputArtifactKey": name}]} for name in made[1]
            },
        },
    }
    whole: Document = pipeline
    interface: Document = {key: root[key] for key in ("inputDefinitions", "outputDefinitions") if key in root}
    return {**whole, "components": {**known, component: root}, "root": {**interface, "dag": dag}}


def _definitions(component: Document, kind: str) -> tuple[list[Any], list[Any]]:
    """The names of the parameters and of the artifacts."""
    both = _mapping(component.get(kind))
    return list(_mapping(both.get("parameters"))), list(_mapping(both.get("artifacts")))


def _mapping(value: Any) -> Document:
    return cast("Document", value) if isinstance(value, dict) else {}


def _name(label: Any) -> str:
    """A task's name from its executor's label."""
    text = str(label or "").lower().removeprefix("exec-")
    return _NOT_IN_NAMES.sub("-", text).strip("-")[:128].strip("-") or "component"
