"""Small pipeline documents for engine tests, written the short way."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from wherry import ir


class Out(NamedTuple):
    """An output parameter of a sibling task."""

    task: str
    key: str = "Output"


class Outer(NamedTuple):
    """An input of the enclosing component, with an expression selector if need be."""

    name: str
    selector: str = ""


class Status(NamedTuple):
    """The final status of a sibling task."""

    task: str


class Artifact(NamedTuple):
    """An output artifact of a sibling task, or (no key) an input artifact of the enclosing component."""

    task: str
    key: str = ""


def task(
    component: str,
    *,
    after: tuple[str, ...] | list[str] = (),
    when: str = "",
    always: bool = False,
    over: Any = None,
    over_input: str = "",
    over_artifact: str = "",
    limit: int = 0,
    retry: dict[str, Any] | None = None,
    **inputs: Any,
) -> dict[str, Any]:
    """A task of a component; `over` makes it a loop (a list: constant items), whose item is the input `item`."""
    found: dict[str, Any] = {"componentRef": {"name": f"comp-{component}"}, "taskInfo": {"name": component}}
    parameters: dict[str, Any] = {}
    artifacts: dict[str, Any] = {}
    for name, value in inputs.items():
        match value:
            case Out(producer, key):
                source = {"producerTask": producer, "outputParameterKey": key}
                parameters[name] = {"taskOutputParameter": source}
            case Outer(outer, selector):
                parameters[name] = {"componentInputParameter": outer}
                if selector:
                    parameters[name]["parameterExpressionSelector"] = selector
            case Status(producer):
                parameters[name] = {"taskFinalStatus": {"producerTask": producer}}
            case Artifact(producer, key) if key:
                artifacts[name] = {"taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": key}}
            case Artifact(outer):
                artifacts[name] = {"componentInputArtifact": outer}
            case _:
                parameters[name] = {"runtimeValue": {"constant": value}}
    found["inputs"] = {"parameters": parameters, "artifacts": artifacts}
    if after:
        found["dependentTasks"] = list(after)
    policy: dict[str, Any] = {}
    if when:
        policy["condition"] = when
    if always:
        policy["strategy"] = "ALL_UPSTREAM_TASKS_COMPLETED"
    if policy:
        found["triggerPolicy"] = policy
    if over is not None:
        found["parameterIterator"] = {"itemInput": "item", "items": {"raw": json.dumps(over)}}
    if over_input:
        found["parameterIterator"] = {"itemInput": "item", "items": {"inputParameter": over_input}}
    if over_artifact:
        found["artifactIterator"] = {"itemInput": "item", "items": {"inputArtifact": over_artifact}}
    if limit:
        found["iteratorPolicy"] = {"parallelismLimit": limit}
    if retry:
        found["retryPolicy"] = retry
    return found


def definitions(parameters: dict[str, Any] | None, artifacts: dict[str, Any] | None = None) -> dict[str, Any]:
    """Definitions from `{"x": "STRING"}`; a trailing `?` makes an input optional, a mapping is taken as it is."""

    def parameter(kind: Any) -> dict[str, Any]:
        if isinstance(kind, dict):
            return kind
        return {"parameterType": kind.rstrip("?"), **({"isOptional": True} if kind.endswith("?") else {})}

    def artifact(kind: Any) -> dict[str, Any]:
        if isinstance(kind, dict):
            return kind
        return {"artifactType": {"schemaTitle": f"system.{kind.rstrip('*')}"}, "isArtifactList": kind.endswith("*")}

    return {
        "parameters": {name: parameter(kind) for name, kind in (parameters or {}).items()},
        "artifacts": {name: artifact(kind) for name, kind in (artifacts or {}).items()},
    }


class Pipeline:
    """Collects components; `document` closes it with the root's tasks."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self.executors: dict[str, Any] = {}

    def leaf(
        self,
        name: str,
        inputs: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
        *,
        takes: dict[str, Any] | None = None,
        makes: dict[str, Any] | None = None,
        executor: dict[str, Any] | None = None,
    ) -> Pipeline:
        """A component with an executor; `takes` and `makes` are artifacts."""
        self.executors[f"exec-{name}"] = executor or {"container": {"image": "python:3.11", "command": ["true"]}}
        self.components[f"comp-{name}"] = {
            "executorLabel": f"exec-{name}",
            "inputDefinitions": definitions(inputs, takes),
            "outputDefinitions": definitions({"Output": "STRING"} if outputs is None else outputs, makes),
        }
        return self

    def dag(self, name: str, tasks: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any) -> Pipeline:
        """A component with tasks; see `_dag` for the rest."""
        self.components[f"comp-{name}"] = _dag(tasks, inputs, **more)
        return self

    def builtins(self, tasks: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """The document as plain values."""
        return {
            "pipelineInfo": {"name": "pipe"},
            "schemaVersion": "2.1.0",
            "components": self.components,
            "deploymentSpec": {"executors": self.executors},
            "root": _dag(tasks, inputs, **more),
        }

    def document(self, tasks: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any) -> ir.Document:
        """The document, checked."""
        return ir.from_builtins(self.builtins(tasks, inputs, **more))


def _dag(
    tasks: dict[str, Any],
    inputs: dict[str, Any] | None,
    *,
    takes: dict[str, Any] | None = None,
    outputs: dict[str, tuple[str, Any]] | None = None,
    makes: dict[str, tuple[str, Any]] | None = None,
) -> dict[str, Any]:
    """`outputs` is `{"name": (type, Out or a list of them for OneOf)}`, `makes` the same with Artifact."""
    parameters, artifacts = {}, {}
    for name, (_, source) in (outputs or {}).items():
        found = [{"producerSubtask": each.task, "outputParameterKey": each.key} for each in _list(source)]
        one = isinstance(source, list)
        parameters[name] = (
            {"valueFromOneof": {"parameterSelectors": found}} if one else {"valueFromParameter": found[0]}
        )
    for name, (_, source) in (makes or {}).items():
        found = [{"producerSubtask": each.task, "outputArtifactKey": each.key} for each in _list(source)]
        artifacts[name] = {"artifactSelectors": found}
    return {
        "dag": {"tasks": tasks, "outputs": {"parameters": parameters, "artifacts": artifacts}},
        "inputDefinitions": definitions(inputs, takes),
        "outputDefinitions": definitions(
            {name: kind for name, (kind, _) in (outputs or {}).items()},
            {name: kind for name, (kind, _) in (makes or {}).items()},
        ),
    }


def _list(source: Any) -> list[Any]:
    return source if isinstance(source, list) else [source]
