"""A compiled document as a component: KFP's PipelineSpec, with a PlatformSpec if it has one.

Called by `wherry.components.loading`.  A document that is exactly one component (what compiling a component writes)
becomes that component, whose tasks take container settings; anything else is a pipeline used as a component.
"""

from __future__ import annotations

import ast
from typing import Any

from wherry import ir
from wherry.compiler import names, types
from wherry.compiler.interface import ComponentSpec, ContainerSpec, GraphSpec, InputSpec, OutputSpec
from wherry.ir import documents as ir_documents

Document = dict[str, Any]

_TYPE_NAMES = {parameter_type: name for name, parameter_type in types.INTERFACE_TYPES.items()}
_CONTAINER_FIELDS = {"image", "command", "args", "env"}
_HEADING = "# Description: "
_CONTINUED = "#              "


def component(documents: list[Any], text: str) -> tuple[ComponentSpec, Document, Document]:
    """The component that the parsed `documents` of `text` are, with the pipeline and platform documents.

    Raises IRError for a document that cannot run.
    """
    combined = ir_documents.combine(documents)
    ir.from_builtins(combined)
    pipeline, platform = ir_documents.split(combined)
    alone = None if platform else _only_component(pipeline)
    definitions = pipeline["root"] if alone is None else alone[0]
    container = None if alone is None else alone[1]
    spec = ComponentSpec(
        pipeline["pipelineInfo"]["name"],
        {name: _input(definition) for name, definition in _definitions(definitions, "inputDefinitions").items()},
        {name: _output(definition) for name, definition in _definitions(definitions, "outputDefinitions").items()},
        description=_description(container, pipeline, text),
        implementation=GraphSpec(pipeline, platform or {}) if container is None else _container(container),
    )
    spec.task_config_passthroughs = [
        (one["field"], bool(one.get("applyToTask"))) for one in definitions.get("taskConfigPassthroughs", ())
    ]
    return spec, pipeline, platform or {}


def _only_component(pipeline: Document) -> tuple[Document, Document] | None:
    """The one component of a document that runs it and adds nothing, with its container; None for other documents."""
    root, name = pipeline["root"], names.sanitize(pipeline["pipelineInfo"]["name"])
    key, label = names.component_key(name), names.executor_label(name)
    executors = pipeline.get("deploymentSpec", {}).get("executors", {})
    tasks = root.get("dag", {}).get("tasks", {})
    if pipeline.get("components", {}).keys() != {key} or executors.keys() != {label} or tasks.keys() != {name}:
        return None
    definition, container, task = pipeline["components"][key], executors[label].get("container"), tasks[name]
    wired = {"parameters": "componentInputParameter", "artifacts": "componentInputArtifact"}
    inputs = {
        kind: {each: {field: each} for each in definition.get("inputDefinitions", {}).get(kind, {})}
        for kind, field in wired.items()
    }
    expected = {
        "taskInfo": {"name": name},
        "componentRef": {"name": key},
        "cachingOptions": {"enableCache": True},
        "inputs": {kind: wires for kind, wires in inputs.items() if wires},
    }
    if container is None:
        return None
    is_plain = (
        container.keys() <= _CONTAINER_FIELDS
        and {"inputs": {}, **task} == expected
        and {**definition, "dag": root["dag"]} == {**root, "executorLabel": label}
    )
    return (definition, container) if is_plain else None


def _definitions(body: Document, key: str) -> Document:
    definitions = body.get(key, {})
    return {**definitions.get("parameters", {}), **definitions.get("artifacts", {})}


def _input(definition: Document) -> InputSpec:
    if "parameterType" not in definition:
        return InputSpec(
            _artifact(definition),
            optional=definition.get("isOptional", False),
            is_artifact_list=definition.get("isArtifactList", False),
        )
    optional = definition.get("isOptional", "defaultValue" in definition)
    default = definition.get("defaultValue") if optional else None
    return InputSpec(
        _TYPE_NAMES[definition["parameterType"]],
        default=default,
        optional=optional,
        literals=definition.get("literals"),
    )


def _output(definition: Document) -> OutputSpec:
    if "parameterType" in definition:
        return OutputSpec(_TYPE_NAMES[definition["parameterType"]])
    return OutputSpec(_artifact(definition), is_artifact_list=definition.get("isArtifactList", False))


def _artifact(definition: Document) -> str:
    schema = definition["artifactType"]
    title, version = schema.get("schemaTitle"), schema.get("schemaVersion")
    if not title:
        raise ir.IRError("artifactType.schemaTitle: missing; a component's artifacts are known by their schema title")
    return f"{title}@{version or '0.0.1'}"


def _container(document: Document) -> ContainerSpec:
    spec = ContainerSpec(document["image"], document.get("command"), document.get("args"))
    spec.env = {each["name"]: each.get("value", "") for each in document.get("env", ())}
    return spec


def _description(container: Document | None, pipeline: Document, text: str) -> str | None:
    """The docstring of the function that runs, or what the document's first comments or its `pipelineInfo` say."""
    for word in (container or {}).get("command", ()):
        found = _docstring(word) if "import kfp" in word else None
        if found:
            return found
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(_HEADING):
            more: list[str] = []
            for following in lines:
                if not following.startswith(_CONTINUED):
                    break
                more.append(following[len(_CONTINUED) :])
            return "\n".join([line[len(_HEADING) :], *more])
        if not line.startswith("#"):
            break
    return pipeline["pipelineInfo"].get("description")


def _docstring(source: str) -> str | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    holders = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)))
    return next((found for found in map(ast.get_docstring, holders) if found), None)
