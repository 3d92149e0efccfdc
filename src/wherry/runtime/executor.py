"""Calls a lightweight Python component as KFP's executor does: arguments from annotations, outputs from the return.

Called by `wherry.runtime.main` and by `wherry.runtime.executor_main`.  The result is KFP's ExecutorOutput; errors have
the types and texts of kfp 2.17's executor.  Invariant: nothing here knows of commit records or stores.
"""

from __future__ import annotations

import json
import os

from wherry.runtime import annotations as kinds
from wherry.runtime import artifact_types
from wherry.runtime.shapes import as_array, as_object
from wherry.runtime.store import make_folder
from wherry.runtime.task_config import TaskConfig
from wherry.runtime.task_final_status import PipelineTaskFinalStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ABSENT = object()
_BUILTINS: dict[str, type] = {cls.__name__: cls for cls in (str, int, float, bool, dict, list)}


class Executor:
    """One call of one component function.

    `executor_input` is KFP's ExecutorInput as a mapping.  `task_root` (a local path or URI) is what `dsl.get_uri`
    hands out places under; by default the folder of the executor's output file.  `collected` names parameters that so
    many loops within each other have collected: lists of lists, which are joined where the function wants less.
    """

    def __init__(
        self,
        executor_input: dict[str, Any],
        function: Callable[..., Any],
        *,
        task_root: str | None = None,
        collected: dict[str, int] | None = None,
    ) -> None:
        self.function: Callable[..., Any] = getattr(function, "python_func", function)
        self._name = getattr(self.function, "__name__", repr(self.function))
        self._annotations = _annotations_of(self.function)
        self._collected = collected or {}
        self._inputs = as_object(executor_input.get("inputs"))
        self._outputs: dict[str, Any] = executor_input["outputs"]
        artifact_types.CONTAINER_TASK_ROOT = task_root or os.path.dirname(self._outputs["outputFile"])
        self._input_artifacts: dict[str, Any] = {}
        self._output_artifacts: dict[str, artifact_types.Artifact] = {}
        self._parameter_values: dict[str, Any] = {}
        self._make_artifacts()

    def run(self) -> dict[str, Any]:
        """Call the function and return the ExecutorOutput.  Raises what the function raises, and ValueError,
        TypeError or RuntimeError when its signature does not fit the inputs or its result the annotation."""
        result = self.function(**self.arguments())
        return self.output_of(result)

    def _make_artifacts(self) -> None:
        for name, holder in as_object(self._inputs.get("artifacts")).items():
            given = as_array(as_object(holder).get("artifacts"))
            if name not in self._annotations:
                continue
            cls = self._artifact_class(name)
            if _takes_list(self._annotations[name]):  # [] of a loop without iterations, where KFP's executor gives None
                self._input_artifacts[name] = [create_artifact_instance(item, cls) for item in given]
            elif given:
                self._input_artifacts[name] = create_artifact_instance(given[0], cls)
        for name, holder in as_object(self._outputs.get("artifacts")).items():
            given = as_array(as_object(holder).get("artifacts"))
            if given:
                artifact = create_artifact_instance(given[0], self._artifact_class(name))
                self._output_artifacts[name] = artifact
                make_folder(os.path.dirname(artifact.path))

    def _artifact_class(self, name: str) -> Any:
        """The class to use where the schema title is not one of the system's."""
        annotation = kinds.strip_optional(self._annotations.get(name))
        inner = kinds.strip_marker(annotation) if kinds.is_marked_artifact(annotation) else annotation
        while getattr(inner, "__origin__", None) is list:
            inner = inner.__args__[0]
        return inner if isinstance(inner, type) and kinds.is_artifact_class(inner) else artifact_types.Artifact

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments; a parameter without a value is left out, so that its Python default applies."""
        arguments: dict[str, Any] = {}
        for name, annotation in self._annotations.items():
            if name != "return":
                value = self._argument(name, kinds.strip_optional(annotation))
                if value is not _ABSENT:
                    arguments[name] = value
        return arguments

    def _argument(self, name: str, annotation: Any) -> Any:
        if kinds.is_marked_artifact(annotation):
            found = self._input_artifacts if kinds.is_input(annotation) else self._output_artifacts
            return found.get(name)
        if kinds.is_list_of_artifacts(annotation):
            return self._input_artifacts.get(name)
        kind = kinds.parameter_type(annotation)
        if kind is not None:
            value = self._parameter(name, kind)
            return value if name not in self._collected else _joined(value, annotation, self._collected[name])
        if kinds.is_embedded_input(annotation):
            return self._embedded(kinds.strip_marker(annotation))
        if isinstance(annotation, type) and kinds.is_artifact_class(annotation):
            return self._input_artifacts.get(name)
        if kinds.is_output_path(annotation):
            return self._output_path(name, annotation)
        if kinds.is_input_path(annotation):
            return self._input_path(name, annotation)
        return _ABSENT

    def _parameter(self, name: str, kind: str) -> Any:
        value = as_object(self._inputs.get("parameterValues")).get(name)
        if kind == "TASK_CONFIG":
            return TaskConfig.from_struct(value)
        if value is None:
            return _ABSENT
        if kind == "TASK_FINAL_STATUS":
            return PipelineTaskFinalStatus.from_struct(value)
        annotation = kinds.strip_optional(self._annotations[name])
        return annotation(value) if kinds.is_enumeration(annotation) else value

    def _input_path(self, name: str, annotation: Any) -> Any:
        if kinds.is_parameter(annotation.type):
            return self._parameter_path(name)
        if name in self._input_artifacts:
            return self._input_artifacts[name].path
        if _has_default(self.function, name):
            return _ABSENT
        raise ValueError(f"Failed to get input artifact path for artifact name {name}")

    def _parameter_path(self, name: str) -> Any:
        """A file with the text of a parameter's value, for `InputPath(str)`, which KFP 2 compiles and cannot run."""
        value = as_object(self._inputs.get("parameterValues")).get(name)
        if value is None:
            return _ABSENT
        path = os.path.join(os.path.dirname(self._outputs["outputFile"]), "input-parameters", name)
        make_folder(os.path.dirname(path))
        with open(path, "w", encoding="utf-8") as file:
            file.write(value if isinstance(value, str) else json.dumps(value))
        return path

    def _embedded(self, inner: Any) -> Any:
        space: dict[str, Any] = getattr(self.function, "__globals__", {})
        place = space.get("__KFP_EMBEDDED_ASSET_FILE") or space.get("__KFP_EMBEDDED_ASSET_DIR")
        if not place:
            raise RuntimeError("EmbeddedInput was specified but no embedded asset was found at runtime.")
        artifact = (inner if kinds.is_artifact_class(inner) else artifact_types.Artifact)()
        artifact.path = place
        return artifact

    def _output_path(self, name: str, annotation: Any) -> Any:
        if not kinds.is_parameter(annotation.type):
            if name not in self._output_artifacts:
                raise ValueError(f"Failed to get output artifact path for artifact name {name}")
            return self._output_artifacts[name].path
        path = as_object(as_object(self._outputs.get("parameters")).get(name)).get("outputFile")
        if path:
            make_folder(os.path.dirname(path))
        return path

    def output_of(self, result: Any) -> dict[str, Any]:
        """The ExecutorOutput for what the function returned.  Raises as `run`, less what the function raises."""
        if result is not None:
            self._take_result(result)
        output: dict[str, Any] = {}
        if self._parameter_values:
            output["parameterValues"] = self._parameter_values
        if self._output_artifacts:
            output["artifacts"] = {
                name: {"artifacts": [_runtime_artifact(artifact)]} for name, artifact in self._output_artifacts.items()
            }
        return output

    def _take_result(self, result: Any) -> None:
        annotation: Any = kinds.strip_optional(self._annotations.get("return"))
        if kinds.is_parameter(annotation) or _is_artifact(annotation):
            self._take_value("Output", annotation, result)
            return
        if not kinds.is_named_tuple(annotation):
            raise RuntimeError(
                f"Unknown return type: {annotation}. Must be one of `str`, `int`, `float`, a subclass of `Artifact`, "
                f"or a NamedTuple collection of these types. (Function `{self._name}` returned a "
                f"{type(result).__name__}.)"
            )
        fields: tuple[str, ...] = annotation._fields
        if len(fields) != len(result):
            raise RuntimeError(f"Expected {len(fields)} return values from function `{self._name}`, got {len(result)}")
        values: list[Any] = list(result) if _is_plain_tuple(result) else [getattr(result, field) for field in fields]
        for field, value in zip(fields, values):  # noqa: B905 - `strict` needs Python 3.10
            self._take_value(field, annotation.__annotations__[field], value)

    def _take_value(self, name: str, annotation: Any, value: Any) -> None:
        if kinds.is_parameter(annotation):
            if kinds.is_enumeration(annotation):
                value = annotation(value).value
            wanted = _class_of(annotation)
            accepted = (int, float) if wanted is float else wanted
            if not isinstance(value, accepted):
                raise ValueError(
                    f"Function `{self._name}` returned value of type {type(value)}; want type {wanted}"
                    + ("" if name == "Output" else f" for output `{name}`")
                )
            json.dumps(value)  # what is not JSON fails here, inside the call, as in KFP
            self._parameter_values[name] = value
        elif not _is_artifact(annotation):
            raise RuntimeError(
                f"Unknown return type: {annotation}. Must be one of the supported data types: "
                "https://www.kubeflow.org/docs/components/pipelines/v2/data-types/"
            )
        elif kinds.is_artifact_class(value):
            self._output_artifacts[name] = value
        else:
            if name not in self._output_artifacts:
                raise ValueError(f"Failed to get output artifact path for artifact name {name}")
            with open(self._output_artifacts[name].path, "w") as file:
                file.write(str(value))


def create_artifact_instance(runtime_artifact: dict[str, Any], fallback: Any = artifact_types.Artifact) -> Any:
    """The artifact object for a RuntimeArtifact: by its schema title, else of the class `fallback`."""
    title = as_object(runtime_artifact.get("type")).get("schemaTitle", "")
    cls: Any = artifact_types.SCHEMA_TITLE_TO_TYPE.get(title, fallback)
    make: Any = getattr(cls, "_from_executor_fields", cls)
    return make(
        uri=runtime_artifact.get("uri") or "",
        name=runtime_artifact.get("name") or "",
        metadata=runtime_artifact.get("metadata") or {},
    )


def _joined(value: Any, annotation: Any, levels: int) -> Any:
    """What loops within each other collected, with as many levels of lists as the annotation has: `List[int]` takes one
    flat list.  A plain `list` takes it as it is."""
    wanted = 0
    while getattr(annotation, "__origin__", None) is list and getattr(annotation, "__args__", None):
        wanted, annotation = wanted + 1, annotation.__args__[0]
    if not wanted or annotation not in (str, int, float, bool, dict):
        return value
    for _ in range(min(levels - 1, _depth(value) - wanted)):
        value = [each for part in value for each in part]
    return value


def _depth(value: Any) -> int:
    return 1 + max(map(_depth, as_array(value)), default=0) if isinstance(value, list) else 0


def _annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations, those written as text (`from __future__ import annotations`) evaluated where they resolve."""
    found: dict[str, Any] = dict(getattr(function, "__annotations__", {}))
    for name, annotation in found.items():
        if isinstance(annotation, str) and annotation not in _BUILTINS:
            try:
                found[name] = eval(annotation, getattr(function, "__globals__", {}))
            except (NameError, AttributeError, SyntaxError, TypeError):
                continue  # stays text: a parameter type's name, or unknown
    return found


def _class_of(annotation: Any) -> Any:
    """`list` of `List[int]`, `str` of the text 'str': what a returned value must be an instance of."""
    chosen = kinds.choices(annotation)
    if chosen:
        return chosen[0].__class__
    if isinstance(annotation, str):
        return _BUILTINS.get(kinds.short_type_name(annotation).lower(), annotation)
    return getattr(annotation, "__origin__", None) or annotation


def _is_artifact(annotation: Any) -> bool:
    return isinstance(annotation, type) and kinds.is_artifact_class(annotation)


def _is_plain_tuple(value: object) -> bool:
    return type(value) is tuple


def _takes_list(annotation: Any) -> bool:
    stripped = kinds.strip_optional(annotation)
    if kinds.is_marked_artifact(stripped):
        stripped = kinds.strip_marker(stripped)
    return kinds.is_list_of_artifacts(stripped)


def _has_default(function: Callable[..., Any], name: str) -> bool:
    code: Any = getattr(function, "__code__", None)
    if code is None:
        return False
    if name in (getattr(function, "__kwdefaults__", None) or {}):
        return True
    positional = code.co_varnames[: code.co_argcount]
    defaults = getattr(function, "__defaults__", None) or ()
    return name in positional[len(positional) - len(defaults) :]


def _runtime_artifact(artifact: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": artifact.name, "uri": artifact.uri, "metadata": artifact.metadata}
    custom_path = getattr(artifact, "custom_path", "")
    if custom_path:
        fields["custom_path"] = custom_path
    return fields
