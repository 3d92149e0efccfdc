"""What a DAG or a loop puts out once it has succeeded, put together from what its children put out.

Used by `flow` when a group ends and by `restore`.  Invariant: work is proportional to the declared outputs (of a loop:
times its iterations), paid once; lists hold references, not copies.  An output without a value is left out; whoever
needs it says so.
"""

from __future__ import annotations

from typing import Any

from wherry.pipelines.engine.model import GOOD, Outputs
from wherry.pipelines.engine.plan import MISSING, Selector
from wherry.pipelines.engine.state import Dag, Loop, View, child_path, iteration_path


def dag_outputs(view: View, dag: Dag) -> Outputs:
    """The outputs of a DAG: of several sources (OneOf) the first that succeeded and has the value."""
    parameters: dict[str, Any] = {}
    artifacts: dict[str, Any] = {}
    for selector in dag.component.parameters:
        value = _first(view, dag, selector, "parameters")
        if value is not MISSING:
            parameters[selector.name] = value
    for selector in dag.component.artifacts:
        value = _first(view, dag, selector, "artifacts")
        if value is not MISSING:
            artifacts[selector.name] = value
    return {"parameters": parameters, "artifacts": artifacts}


def _first(view: View, dag: Dag, selector: Selector, kind: str) -> Any:
    for task, key in selector.sources:
        node = view.get(child_path(dag.path, task))
        if node is not None and node.phase in GOOD and node.outputs and key in node.outputs[kind]:
            return node.outputs[kind][key]
    return MISSING


def loop_outputs(view: View, loop: Loop) -> Outputs:
    """The outputs of a loop: each a list over the iterations, in order (`dsl.Collected`).

    What an inner loop collected stays a list in the list, but artifacts make one list: there are no lists of lists of
    them.  An iteration that has no value (its producer was skipped) adds nothing.
    """
    assert loop.task is not None
    component = loop.task.component
    definitions = component.spec.output_definitions
    parameters: dict[str, list[Any]] = {name: [] for name in definitions.parameters}
    artifacts: dict[str, list[Any]] = {name: [] for name in definitions.artifacts}
    if not parameters and not artifacts:
        return {"parameters": {}, "artifacts": {}}
    for index in range(len(loop.items)):
        node = view.get(iteration_path(loop.path, index))
        if node is None or node.outputs is None:
            continue
        for name, value in node.outputs["parameters"].items():
            if name in parameters:
                parameters[name].append(value)
        for name, value in node.outputs["artifacts"].items():
            if name in artifacts:
                artifacts[name].extend(value)
    return {"parameters": parameters, "artifacts": artifacts}
