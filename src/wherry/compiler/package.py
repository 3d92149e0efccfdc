"""A component or pipeline as a file: KFP's `Compiler`, and the same as a function that gives the documents.

Called by users, the CLI and the client.  What is written runs on every KFP that knows schema 2.1.0.
"""

from __future__ import annotations

import json
import warnings

from wherry.compiler import values
from wherry.compiler.manifests import KubernetesManifestOptions, manifest_documents
from wherry.compiler.places import at
from wherry.ir import yaml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    Document = dict[str, Any]

    class Compilable(Protocol):
        """A component or pipeline (`wherry.dsl.components.BaseComponent`)."""

        @property
        def pipeline_spec(self) -> Document: ...
        @property
        def platform_spec(self) -> Document: ...
        @property
        def description(self) -> str | None: ...


_COMMENT_TYPES = {
    "STRING": "str",
    "NUMBER_INTEGER": "int",
    "NUMBER_DOUBLE": "float",
    "LIST": "list",
    "STRUCT": "dict",
    "BOOLEAN": "bool",
    "TASK_FINAL_STATUS": "PipelineTaskFinalStatus",
    "TASK_CONFIG": "TaskConfig",
}


class Compiler:
    """Writes components and pipelines to files."""

    def compile(
        self,
        pipeline_func: Compilable,
        package_path: str,
        pipeline_name: str | None = None,
        pipeline_display_name: str | None = None,
        pipeline_parameters: Mapping[str, Any] | None = None,
        type_check: bool = True,
        kubernetes_manifest_options: KubernetesManifestOptions | None = None,
        kubernetes_manifest_format: bool = False,
    ) -> None:
        """Write a component or pipeline to a `.yaml`, `.yml` or `.json` file.

        pipeline_parameters: values that take the place of the inputs' defaults.  kubernetes_manifest_format: write it
        as Kubernetes objects of KFP's kinds.  type_check is KFP's, and ignored there too.

        Raises ValueError for what is no component, an unknown parameter, or a path that ends otherwise.
        """
        if not hasattr(pipeline_func, "pipeline_spec"):
            raise ValueError(
                at(
                    "Unsupported pipeline_func type. Expected subclass of `base_component.BaseComponent` or `Callable` "
                    f"constructed with @dsl.pipeline decorator. Got: {type(pipeline_func)}"
                )
            )
        if package_path.endswith(".json") and not kubernetes_manifest_format:
            warnings.warn(
                "Compiling to JSON is deprecated and will be removed in a future version. Please compile to a YAML "
                "file by providing a file path with a .yaml extension instead.",
                DeprecationWarning,
                stacklevel=2,
            )
        manifest = kubernetes_manifest_options or KubernetesManifestOptions() if kubernetes_manifest_format else None
        text = file_text(
            pipeline_func,
            package_path,
            name=pipeline_name,
            display_name=pipeline_display_name,
            parameters=pipeline_parameters,
            manifest=manifest,
        )
        with open(package_path, "w", encoding="utf-8") as file:
            file.write(text)


def compile(
    component: Compilable,
    *,
    name: str | None = None,
    display_name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Document:
    """The pipeline document of a component or pipeline, as protobuf JSON; see `documents` for both documents."""
    return documents(component, name=name, display_name=display_name, parameters=parameters)[0]


def documents(
    component: Compilable,
    *,
    name: str | None = None,
    display_name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[Document, Document]:
    """The pipeline document and the platform document (empty when there are no platform settings).

    `parameters` take the place of the inputs' defaults.  Raises ValueError for one that is not an input,
    NotImplementedError for an artifact.
    """
    spec = component.pipeline_spec
    info = dict(spec["pipelineInfo"])
    if name is not None:
        info["name"] = name
    if display_name is not None:
        info["displayName"] = display_name
    root = _with_defaults(spec["root"], parameters) if parameters else spec["root"]
    return spec | {"pipelineInfo": info, "root": root}, component.platform_spec


def file_text(
    component: Compilable,
    path: str,
    *,
    name: str | None = None,
    display_name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    manifest: KubernetesManifestOptions | None = None,
) -> str:
    """What the file `path` of a component or pipeline holds, by the end of its name; `manifest`: Kubernetes objects.

    Raises ValueError for an unknown parameter, a path that ends otherwise, or what the file cannot hold.
    """
    pipeline_spec, platform_spec = documents(component, name=name, display_name=display_name, parameters=parameters)
    _check_workspace(pipeline_spec, platform_spec)
    description = component.description
    if manifest is not None:
        return yaml.dump_all(manifest_documents(manifest, pipeline_spec, platform_spec, description))
    if path.endswith(".json"):
        return _json_text(pipeline_spec, platform_spec, path)
    if path.endswith((".yaml", ".yml")):
        return yaml_text(pipeline_spec, platform_spec, description)
    raise ValueError(at(f'The output path {path} should end with ".yaml".'))


def yaml_text(pipeline_spec: Document, platform_spec: Document, description: str | None = None) -> str:
    """Both documents as KFP's YAML, the interface in comments before them."""
    written = [pipeline_spec, platform_spec] if platform_spec else [pipeline_spec]
    return comments(pipeline_spec, description) + yaml.dump_all(written)


def comments(pipeline_spec: Document, description: str | None) -> str:
    """The lines that tell a reader what a document is and takes."""
    lines = ["# PIPELINE DEFINITION", "# Name: " + pipeline_spec["pipelineInfo"]["name"]]
    if description:
        lines.append("# Description: " + "\n#              ".join(description.splitlines()))
    for heading, key in (("# Inputs:", "inputDefinitions"), ("# Outputs:", "outputDefinitions")):
        definitions = pipeline_spec["root"].get(key)
        if definitions:
            described = [(name, _parameter(body)) for name, body in definitions.get("parameters", {}).items()]
            described += [
                (name, body["artifactType"]["schemaTitle"]) for name, body in definitions.get("artifacts", {}).items()
            ]
            lines += [heading, *(f"#    {name}: {text}" for name, text in sorted(described))]
    return "\n".join(lines) + "\n"


def _parameter(body: Document) -> str:
    text = _COMMENT_TYPES[body["parameterType"]]
    if "defaultValue" in body:
        default = body["defaultValue"]
        text += f" [Default: '{default}']" if isinstance(default, str) else f" [Default: {default}]"
    return text


def _with_defaults(root: Document, parameters: Mapping[str, Any]) -> Document:
    definitions = root.get("inputDefinitions", {})
    known = dict(definitions.get("parameters", {}))
    for name, value in parameters.items():
        if name in known:
            if value is not None:
                default = values.default(value, known[name]["parameterType"])
                known[name] = known[name] | {"defaultValue": default}
        elif name in definitions.get("artifacts", {}):
            raise NotImplementedError(at("Default value for artifact input is not supported."))
        else:
            raise ValueError(at(f"Pipeline parameter {name} does not match any known pipeline input."))
    return root | {"inputDefinitions": definitions | {"parameters": known}}


def _json_text(pipeline_spec: Document, platform_spec: Document, path: str) -> str:
    if platform_spec:
        raise ValueError(
            at(
                "Platform-specific features are only supported when serializing to YAML. "
                f"Argument for {path!r} has file extension '.json'."
            )
        )
    return json.dumps(pipeline_spec, indent=2, sort_keys=True)


def _check_workspace(pipeline_spec: Document, platform_spec: Document) -> None:
    executors = pipeline_spec.get("deploymentSpec", {}).get("executors", {})
    downloads = any(one.get("importer", {}).get("downloadToWorkspace") for one in executors.values())
    has_workspace = any(
        "workspace" in platform.get("pipelineConfig", {}) for platform in platform_spec.get("platforms", {}).values()
    )
    if downloads and not has_workspace:
        raise ValueError(
            at(
                "dsl.importer(download_to_workspace=True) requires PipelineConfig(workspace=...) on the pipeline. Add "
                "workspace configuration to your @dsl.pipeline decorator: "
                "pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size='1Gi'))"
            )
        )
