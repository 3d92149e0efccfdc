"""Which nodes a task's pod may run on: node selectors, tolerations and affinities."""

from __future__ import annotations

from wherry.compiler.channels import PipelineParameterChannel
from wherry.compiler.places import at
from wherry.dsl.kubernetes import config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from wherry.dsl.task import PipelineTask

    Document = dict[str, Any]

_OPERATORS = ("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")
# Kubernetes' NodeAffinity, and its names as Kubernetes' Python client has them.
_NODE_AFFINITY = frozenset(
    (
        "preferredDuringSchedulingIgnoredDuringExecution",
        "preferred_during_scheduling_ignored_during_execution",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "required_during_scheduling_ignored_during_execution",
    )
)


def add_node_selector(task: PipelineTask, label_key: str, label_value: str) -> PipelineTask:
    """Run only on nodes with this label."""
    labels = config.of(task).setdefault("nodeSelector", {}).setdefault("labels", {})
    labels[config.text(label_key, "label_key")] = config.text(label_value, "label_value")
    return task


def add_node_selector_json(task: PipelineTask, node_selector_json: PipelineParameterChannel | dict[str, str]) -> Any:
    """Run only on nodes with these labels: a dict, or a parameter that will be one.  Replaces an earlier one."""
    reference = config.parameter(task, node_selector_json, "node_selector_json")
    config.of(task).setdefault("nodeSelector", {})["nodeSelectorJson"] = reference
    return task


def add_toleration(
    task: PipelineTask,
    key: str | None = None,
    operator: Literal["Equal", "Exists"] | None = None,
    value: str | None = None,
    effect: Literal["NoExecute", "NoSchedule", "PreferNoSchedule"] | None = None,
    toleration_seconds: int | None = None,
) -> PipelineTask:
    """Also run on nodes with this taint.  Nothing given matches everything, as in Kubernetes.

    toleration_seconds: how long a taint with the effect NoExecute is borne; for ever when not given.
    """
    fields = (("key", key), ("operator", operator), ("value", value), ("effect", effect))
    toleration = config.given(**{name: None if one is None else config.text(one, name) for name, one in fields})
    if toleration_seconds is not None:
        toleration["tolerationSeconds"] = str(config.integer(toleration_seconds, "toleration_seconds"))
    config.add(task, "tolerations", toleration)
    return task


def add_toleration_json(
    task: PipelineTask, toleration_json: PipelineParameterChannel | list[dict[str, Any]] | dict[str, Any]
) -> PipelineTask:
    """Also run on nodes with these taints: a dict, a list of dicts, or a parameter that will be one of them.

    The keys are the arguments of `add_toleration`.  Raises ValueError for anything else.
    """
    if isinstance(toleration_json, PipelineParameterChannel):
        reference = config.parameter(task, toleration_json, "toleration_json")
        config.add(task, "tolerations", {"tolerationJson": reference})
        return task
    if not isinstance(toleration_json, (dict, list)):  # pyright: ignore[reportUnnecessaryIsInstance] - users' values
        raise ValueError(at("toleration_json must be a dict, list, or input parameter"))
    for one in toleration_json if isinstance(toleration_json, list) else [toleration_json]:
        names = ("key", "operator", "value", "effect", "toleration_seconds")
        add_toleration(task, **{name: one.get(name) for name in names})
    return task


def add_node_affinity(
    task: PipelineTask,
    match_expressions: list[dict[str, Any]] | None = None,
    match_fields: list[dict[str, Any]] | None = None,
    weight: int | None = None,
) -> PipelineTask:
    """Run only on nodes that match; with a `weight` of 1 to 100, rather there than elsewhere.

    Each match is a dict with `key`, `operator` and `values`.  Raises ValueError for one that is incomplete.
    """
    term = config.given(
        matchExpressions=_requirements(match_expressions, "match_expression"),
        matchFields=_requirements(match_fields, "match_field"),
    )
    if weight is not None:
        if not 1 <= config.integer(weight, "weight") <= 100:
            raise ValueError(at(f"weight must be between 1 and 100, got {weight}."))
        term["weight"] = weight
    config.add(task, "nodeAffinity", term)
    return task


def add_node_affinity_json(
    task: PipelineTask, node_affinity_json: PipelineParameterChannel | dict[str, Any]
) -> PipelineTask:
    """Set the pod's `nodeAffinity` to a dict in Kubernetes' form, or a parameter that will be one.

    Replaces an earlier one.  Raises ValueError for a dict of another form.
    """
    if isinstance(node_affinity_json, dict):
        unknown = [name for name in node_affinity_json if name not in _NODE_AFFINITY]
        if unknown:
            raise ValueError(at(f"Invalid V1NodeAffinity JSON: it has no field {unknown[0]!r}"))
    reference = config.parameter(task, node_affinity_json, "node_affinity_json")
    settings = config.of(task)
    others = [term for term in settings.get("nodeAffinity", []) if "nodeAffinityJson" not in term]
    settings["nodeAffinity"] = [*others, {"nodeAffinityJson": reference}]
    return task


def _requirements(terms: list[dict[str, Any]] | None, kind: str) -> list[Document]:
    found: list[Document] = []
    for term in terms or []:
        key, operator = term.get("key"), term.get("operator")
        if not key:
            raise ValueError(at(f"Each {kind} must have a non-empty 'key'."))
        if not operator:
            raise ValueError(at(f"Each {kind} for key '{key}' must have a non-empty 'operator'."))
        if operator not in _OPERATORS:
            raise ValueError(
                at(f"Invalid operator '{operator}' for key '{key}' in {kind}. Must be one of {list(_OPERATORS)}.")
            )
        values = config.texts(term.get("values", []), f"the values of {kind}s")
        found.append(config.given(key=config.text(key, "key"), operator=operator, values=values))
    return found
