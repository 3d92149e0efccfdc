"""What a task is given: parameters and artifacts, from constants, the enclosing component and its producers.

Used when a DAG or loop begins, when a condition is evaluated, and by `resolve` when a leaf is launched.  Follows KFP's
driver (parameters, artifacts, selectors, type check).  Invariant: reads only; a value that cannot be had
is `Unresolvable`, which names the task and the input.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from wherry.errors import WherryError
from wherry.ir import cel
from wherry.pipelines.engine.model import GOOD, ROOT, Path, Phase
from wherry.pipelines.engine.placeholders import Place, filled_deep, value_text
from wherry.pipelines.engine.plan import (
    CONSTANT,
    MISSING,
    OUTER,
    OUTPUT,
    TEMPLATE,
    Definition,
    Given,
    TaskPlan,
    parse_items,
)
from wherry.pipelines.engine.state import AnyNode, Dag, Group, Loop, View, child_path, last_name, parent_path


class Unresolvable(WherryError):
    """An input, a condition or a loop's items have no usable value; the attempt fails without a retry."""


def parameters_of(view: View, dag: Dag, task: TaskPlan) -> dict[str, Any]:
    """The parameters that a task of `dag` has: those with a value, checked against the component's types.

    Absent optional inputs of a leaf are left out (the in-task runtime knows the defaults); those of a DAG
    get their default, or null.  A DAG hands on what it is given for a STRING as it is (the compiler declares every loop
    item of unknown type so): it becomes text where a leaf or a condition reads it.  Raises Unresolvable.
    """
    found: dict[str, Any] = {}
    is_dag = task.component.is_dag
    for given in task.parameters:
        value = parameter_value(view, dag, task, given)
        definition = given.definition
        if value is MISSING or value is None:
            if definition is None or definition.optional:
                continue
            what = "is null" if value is None else "has no value"
            raise Unresolvable(f"task {task.name!r}: the input {given.name!r} {what}, but it is required{_why(given)}")
        if definition is not None and given.source != TEMPLATE and not (is_dag and definition.type == "STRING"):
            value = checked(definition, value, task.name)
        found[given.name] = value
    if task.templates:
        _fill_templates(found, task, Place(view.run.info, task.name, child_path(dag.path, task.name)))
    for name in task.component.required:
        if name not in found and not (task.loop is not None and name == task.loop.item):
            raise Unresolvable(f"task {task.name!r}: the input {name!r} is required, but the task does not give it")
    if is_dag:
        _fill_in(found, task)
    return found


def artifacts_of(view: View, dag: Dag, task: TaskPlan) -> dict[str, list[Any]]:
    """The artifacts that a task of `dag` has, each input a list.  Raises Unresolvable."""
    found: dict[str, list[Any]] = {}
    for given in task.artifacts:
        if given.outer:
            value = dag.item if given.outer == dag.item_name else dag.artifacts.get(given.outer)
        else:
            producer = view.get(child_path(dag.path, given.producer))
            outputs = producer.outputs if producer is not None and producer.phase in GOOD else None
            value = outputs["artifacts"].get(given.key) if outputs else None
        if value is not None:
            found[given.name] = value
        elif not given.optional:
            source = (
                f"the output {given.key!r} of {given.producer!r}" if given.producer else f"the input {given.outer!r}"
            )
            raise Unresolvable(f"task {task.name!r}: the artifact {given.name!r} is missing: {source} has none")
    return found


def items_of(task: TaskPlan, place: Place, parameters: dict[str, Any], artifacts: dict[str, list[Any]]) -> list[Any]:
    """What the loop at `place` runs over; an artifact loop's items are lists of one artifact.  Raises Unresolvable."""
    loop = task.loop
    assert loop is not None
    if loop.artifact:
        return [[artifact] for artifact in artifacts.get(loop.input, [])]
    if loop.items is not None:
        return filled_deep(loop.items, place, parameters) if loop.template else loop.items
    items = parse_items(parameters.get(loop.input))
    if items is None:
        value = value_text(parameters.get(loop.input))
        raise Unresolvable(f"task {task.name!r}: loops over {loop.input!r}, which is not a list: {value[:80]}")
    return items


def item_value(task: TaskPlan, item: Any) -> Any:
    """One item, as the loop's component declares it (a STRING as in `parameters_of`).  Raises Unresolvable."""
    assert task.loop is not None
    definition = None if task.loop.artifact else task.component.definitions.get(task.loop.item)
    if definition is None or item is None or definition.type == "STRING":
        return item
    return checked(definition, item, task.name)


def iteration_item(group: AnyNode | None, task: TaskPlan, path: Path) -> Any:
    """The item of the iteration at `path` of the loop `group`.

    Raises Unresolvable, also for what is left of an earlier life of the loop, which had other items.
    """
    index = int(last_name(path)) if path.endswith("]") else -1
    if not isinstance(group, Loop) or not 0 <= index < len(group.items):
        raise Unresolvable(f"{path} is of an earlier attempt of {parent_path(path)}, whose inputs are not kept")
    return item_value(task, group.items[index])


def condition_holds(view: View, dag: Dag, task: TaskPlan) -> bool:
    """Whether the task's trigger condition is met; True without one.  Raises Unresolvable."""
    if task.condition is None:
        return True
    artifacts = {name: {"artifacts": value} for name, value in artifacts_of(view, dag, task).items()}
    parameters = parameters_of(view, dag, task)
    for name, value in parameters.items():
        definition = task.component.definitions.get(name)
        if definition is not None and value is not None:
            parameters[name] = checked(definition, value, task.name)
    inputs = {"parameter_values": parameters, "artifacts": artifacts}
    try:
        value = task.condition.evaluate({"inputs": inputs})
    except cel.CELError as error:
        fault = f"task {task.name!r}: the condition {task.condition.text} has no value: {error.message}"
        raise Unresolvable(fault + _where(task.condition, parameters)) from None
    if not isinstance(value, bool):
        fault = (
            f"task {task.name!r}: the condition {task.condition.text} is {value_text(value)[:80]}, not true or false"
        )
        raise Unresolvable(fault + _where(task.condition, parameters))
    return value


_NAMED = re.compile(r"""parameter_values(?:\.(\w+)|\[\s*(?:'([^']*)'|"([^"]*)")\s*\])""")


def _where(condition: cel.Expression, parameters: dict[str, Any]) -> str:
    """`, where a is 3 (int) and b is "x" (string)`: the values of the parameters that a condition names."""
    names = dict.fromkeys(found[1] or found[2] or found[3] for found in _NAMED.finditer(condition.text))
    known = [
        f"{name} is {json.dumps(parameters[name])[:80]} ({cel.type_of(parameters[name])})"
        if name in parameters
        else f"{name} has no value"
        for name in names
    ]
    return f", where {' and '.join(known)}" if known else ""


def root_inputs(view: View) -> dict[str, Any]:
    """The root's parameters: the run's arguments, defaults, or null.  Raises Unresolvable."""
    run = view.run
    found: dict[str, Any] = {}
    for name, definition in run.plan.root.definitions.items():
        value = run.arguments.get(name, MISSING)
        if value is MISSING or (value is None and definition.default is not MISSING):
            value = filled_deep(definition.default, Place(run.info, "", ROOT), {})
        if value is MISSING or value is None:
            if not definition.optional:
                raise Unresolvable(f"the pipeline's parameter {name!r} has no value")
            found[name] = None
        else:
            found[name] = checked(definition, value, "")
    return found


def checked(definition: Definition, value: Any, task: str) -> Any:
    """`value` as the declared type wants it: STRING takes anything, the others must match.  Raises Unresolvable."""
    kind = definition.type
    cls = value.__class__
    if kind == "STRING":
        result = value if cls is str else value_text(value)
    elif kind == "NUMBER_INTEGER" and cls in (int, float) and (cls is int or value.is_integer()):
        result = int(value)
    elif kind == "NUMBER_DOUBLE" and cls in (int, float):
        result = float(value)
    elif cls is _CLASSES.get(kind, cls) and kind not in ("NUMBER_INTEGER", "NUMBER_DOUBLE"):
        result = value
    else:
        raise Unresolvable(
            f"{_whose(task)} {definition.name!r} must be {kind}, but its value is {value_text(value)[:80]}"
        )
    if definition.literals and result not in definition.literals:
        allowed = ", ".join(value_text(each) for each in definition.literals)
        raise Unresolvable(f"{_whose(task)} {definition.name!r} is {value_text(result)[:80]}, not one of: {allowed}")
    return result


_CLASSES: dict[str, type] = {
    "BOOLEAN": bool, "LIST": list, "STRUCT": dict, "TASK_FINAL_STATUS": dict, "TASK_CONFIG": dict,
}  # fmt: skip


def _whose(task: str) -> str:
    return f"task {task!r}: the input" if task else "the pipeline's parameter"


def _fill_templates(found: dict[str, Any], task: TaskPlan, place: Place) -> None:
    """Constants may name facts of the run, and other inputs of the task (an f-string over a task's output)."""
    known = {name: value for name, value in found.items() if name not in task.templates}
    for name in task.templates:
        if name not in found:
            continue
        value = filled_deep(found[name], place, known)
        definition = task.component.definitions.get(name)
        found[name] = value if definition is None else checked(definition, value, task.name)


def _fill_in(found: dict[str, Any], task: TaskPlan) -> None:
    item = task.loop.item if task.loop else None
    for name, definition in task.component.definitions.items():
        if name in found or name == item:
            continue
        default = definition.default
        found[name] = None if default is MISSING or default is None else checked(definition, default, task.name)


def parameter_value(view: View, dag: Dag, task: TaskPlan, given: Given) -> Any:
    """The value that a task of `dag` gives, before the type check; MISSING when its source has none."""
    value = _source_value(view, dag, task, given)
    return value if given.selector is None or value is MISSING else _selected(task, given, value)


def _source_value(view: View, dag: Dag, task: TaskPlan, given: Given) -> Any:
    source = given.source
    if source == OUTPUT:
        producer = view.get(child_path(dag.path, given.producer))
        if producer is None or producer.phase not in GOOD or producer.outputs is None:
            return MISSING
        return producer.outputs["parameters"].get(given.key, MISSING)
    if source == OUTER:
        return outer_parameter(dag, given.value)
    if source in (CONSTANT, TEMPLATE):
        return given.value
    return final_status(view, dag, given.producer)


def outer_parameter(dag: Group, name: str) -> Any:
    """The value of an input of the component that `dag` is an instance of; MISSING when it has none."""
    if isinstance(dag, Dag) and name == dag.item_name:
        return dag.item
    return dag.parameters.get(name, MISSING)


_STATES = {Phase.SUCCEEDED: "COMPLETE", Phase.CACHED: "COMPLETE", Phase.FAILED: "FAILED"}


def final_status(view: View, dag: Dag, producer: str) -> dict[str, Any]:
    """KFP's PipelineTaskFinalStatus of a task that is over: COMPLETE, FAILED, or CANCELED when it did not run."""
    node = view.get(child_path(dag.path, producer))
    error = node.error if node is not None else None
    return {
        "state": _STATES.get(node.phase, "CANCELED") if node is not None else "CANCELED",
        "pipelineTaskName": producer,
        "pipelineJobResourceName": view.run.info.resource_name,
        "error": {"code": 2, "message": str(error.get("message", ""))} if error else {},  # 2: gRPC's UNKNOWN
    }


def _selected(task: TaskPlan, given: Given, value: Any) -> Any:
    """The expression selector's value; its variables are the fields of protobuf's Value."""
    assert given.selector is not None
    text = value if isinstance(value, str) else json.dumps(value)
    names: dict[type, str] = {bool: "bool_value", int: "number_value", float: "number_value", list: "list_value"}
    name = names.get(cast("Any", value).__class__, "struct_value")
    try:
        return given.selector.evaluate({name: value, "string_value": text})
    except cel.CELError as error:
        raise Unresolvable(
            f"task {task.name!r}: the input {given.name!r}: {error.message} in: {given.selector.text}"
        ) from None


def _why(given: Given) -> str:
    return f" ({given.producer!r} did not produce {given.key!r})" if given.source == OUTPUT else ""
