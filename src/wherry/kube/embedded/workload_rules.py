"""What the kinds that make pods have in common: a pod's template, a selector, counts and shares of pods.

Called by the rows of those kinds (`replicas`, `stateful`, `jobs`, `cronjobs`).  Source: the validation of the groups
apps and batch.  Invariant: a spec that is judged is `typed`; what else it holds raises nothing here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any, cast

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.codec import own
from wherry.kube.embedded.columns import Cell, Column, at
from wherry.kube.embedded.metadata import annotation_causes, label_causes
from wherry.kube.embedded.pod_rules import validate_pod
from wherry.kube.embedded.pods import default_template
from wherry.kube.errors import Cause
from wherry.kube.names import label_value_error, qualified_name_error
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.schemas import FieldTypeError, builtin, prune
from wherry.kube.selectors import selector_of, selector_text

_PERCENT = re.compile(r"[0-9]+%", re.ASCII)
_NOT_NEGATIVE = "must be greater than or equal to 0"


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def whole(value: Any) -> bool:
    """Whether it is an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def typed(rules: Callable[[dict[str, Any]], Iterable[Cause]]) -> Callable[[Object], list[Cause]]:
    """What is wrong with an object whose spec these rules judge; they see none that its published schema does not fit.

    Clients' objects have passed that already; those of this process have not.
    """

    def validate(obj: Object) -> list[Cause]:
        if not isinstance(obj.get("spec"), dict):
            return [required("spec")]
        schema = builtin(obj["apiVersion"], obj["kind"])
        try:
            if schema is not None:
                prune(schema, own({"spec": obj["spec"]}))
        except FieldTypeError as problem:
            return [Cause("spec", f"Invalid value: {problem}")]
        return list(rules(obj))

    return validate


def required(field: str, why: str = "") -> Cause:
    """A field that has to be there."""
    return Cause(field, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def bad(field: str, value: Any, why: str) -> Cause:
    """A value that cannot be."""
    return Cause(field, f"Invalid value: {json.dumps(value, separators=(',', ':'))}: {why}")


def forbidden(field: str, why: str) -> Cause:
    """A field that may not be said, or not be changed."""
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def unsupported(field: str, value: Any, allowed: tuple[str, ...]) -> Cause:
    """A word that is none of those allowed."""
    listed = ", ".join(f'"{word}"' for word in sorted(allowed))
    return Cause(field, f"Unsupported value: {json.dumps(value)}: supported values: {listed}", "FieldValueNotSupported")


def without_nulls(value: Any) -> Any:
    """The value without members that are null: to the API server they are the same as left out."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: without_nulls(item) for key, item in items if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in cast("list[Any]", value)]
    return value


def default_spec(obj: Object, defaults: dict[str, Any]) -> dict[str, Any]:
    """Fills `defaults` in where the spec says nothing; returns the spec, an empty mapping when there is none."""
    if not isinstance(obj.get("spec"), dict):
        return {}
    spec = obj["spec"] = without_nulls(obj["spec"])
    for key, value in defaults.items():
        spec.setdefault(key, value)
    return spec


def default_pods(spec: dict[str, Any]) -> None:
    """Completes the template of pods in the spec."""
    template: Any = spec.get("template")
    if isinstance(template, dict):
        fields = cast("dict[str, Any]", template)
        fields.setdefault("metadata", {})
        default_template(fields)


def counts(spec: dict[str, Any], *keys: str, prefix: str = "spec", least: int = 0) -> Iterator[Cause]:
    """Causes for the fields that are no whole numbers from `least` on; those left out are fine."""
    for key in keys:
        value: Any = spec.get(key)
        if value is None:
            continue
        if not whole(value) or not -(2**31) <= value < 2**31:
            yield bad(f"{prefix}.{key}", value, "must be an integer")
        elif value < least:
            yield bad(f"{prefix}.{key}", value, _NOT_NEGATIVE if least == 0 else f"must be greater than {least - 1}")


def share_problem(value: Any) -> str:
    """Why this is neither a count nor a percentage; empty when it is one."""
    if whole(value):
        return "" if value >= 0 else _NOT_NEGATIVE
    if isinstance(value, str) and _PERCENT.fullmatch(value) and len(value) < 10:
        return ""
    return "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%')"


def share(value: Any, total: int, *, up: bool) -> int:
    """So many of `total` as a count or a percentage means, rounded up or down."""
    if isinstance(value, str):
        part = Fraction(int(value[:-1]) * total, 100)
        return -int(-part // 1) if up else int(part // 1)
    return int(value or 0)


def selector_causes(field: str, selector: Any) -> Iterator[Cause]:
    """What is wrong with a selector in an object (meta/v1 LabelSelector)."""
    if not isinstance(selector, dict):
        yield bad(field, selector, "must be an object")
        return
    said = cast("dict[str, Any]", selector)
    if said.get("matchLabels") is not None:
        yield from label_causes(f"{field}.matchLabels", said["matchLabels"])
    expressions: Any = said.get("matchExpressions")
    if expressions is not None and not isinstance(expressions, list):
        yield bad(f"{field}.matchExpressions", expressions, "must be a list of objects")
    for index, item in enumerate(objects(said, "matchExpressions")):
        yield from _expression(f"{field}.matchExpressions[{index}]", item)


def _expression(field: str, item: dict[str, Any]) -> Iterator[Cause]:
    operator: Any = item.get("operator")
    said: Any = item.get("values") or []
    values = cast("list[Any]", said) if isinstance(said, list) else [said]
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(f"{field}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    else:
        yield bad(f"{field}.operator", operator, "not a valid selector operator")
    if problem := qualified_name_error(str(item.get("key") or "")):
        yield bad(f"{field}.key", item.get("key"), problem)
    for index, value in enumerate(values):
        problem = label_value_error(value) if isinstance(value, str) else "must be a string"
        if problem:
            yield bad(f"{field}.values[{index}]", value, problem)


def own_selector(spec: dict[str, Any], *, empty: str) -> Iterator[Cause]:
    """What is wrong with the selector of a workload; `empty` is said of one that chooses everything."""
    selector: Any = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
        return
    causes = list(selector_causes("spec.selector", selector))
    yield from causes
    if not causes and not selector_of(selector).requirements:
        yield bad("spec.selector", selector, empty)


def template_causes(spec: dict[str, Any], *, kind: str, field: str = "spec.template") -> Iterator[Cause]:
    """What is wrong with a template whose pods run for ever, under a selector of the same spec."""
    yield from pod_causes(spec, field=field)
    template = mapping(spec.get("template"))
    labels = mapping(mapping(template.get("metadata")).get("labels"))
    selector: Any = spec.get("selector")
    if not isinstance(selector, dict) or list(selector_causes("", selector)):
        pass  # said of the selector
    elif not selector_of(cast("dict[str, Any]", selector)).matches(labels):
        yield bad(f"{field}.metadata.labels", labels, "`selector` does not match template `labels`")
    pod = mapping(template.get("spec"))
    if pod.get("restartPolicy") not in ("Always", None):
        yield unsupported(f"{field}.spec.restartPolicy", pod["restartPolicy"], ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        yield forbidden(f"{field}.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {kind} is not Supported")


def pod_causes(spec: dict[str, Any], *, field: str = "spec.template") -> Iterator[Cause]:
    """What is wrong with the template itself."""
    template: Any = spec.get("template")
    if not isinstance(template, dict):
        yield required(field)
        return
    fields = cast("dict[str, Any]", template)
    metadata: Any = fields.get("metadata") or {}
    if not isinstance(metadata, dict):
        yield bad(f"{field}.metadata", metadata, "must be an object")
        return
    if (labels := cast("dict[str, Any]", metadata).get("labels")) is not None:
        yield from label_causes(f"{field}.metadata.labels", labels)
    if (annotations := cast("dict[str, Any]", metadata).get("annotations")) is not None:
        yield from annotation_causes(f"{field}.metadata.annotations", annotations)
    for cause in validate_pod(fields):
        yield cause._replace(field=f"{field}.{cause.field}")


def unchanged(old: Object, new: Object, *keys: str) -> list[Cause]:
    """Fields of the spec that may not change."""
    before, after = mapping(old.get("spec")), mapping(new.get("spec"))
    return [
        bad(f"spec.{key}", after.get(key), "field is immutable")
        for key in keys
        if not same(before.get(key), after.get(key))
    ]


# --- columns that all of them have in wide tables


def _containers(*template: str) -> Cell:
    def cell(obj: Object, now: float) -> str:
        return ",".join(str(item.get("name")) for item in objects(mapping(at(obj, *template)), "containers"))

    return cell


def _images(*template: str) -> Cell:
    def cell(obj: Object, now: float) -> str:
        return ",".join(str(item.get("image")) for item in objects(mapping(at(obj, *template)), "containers"))

    return cell


def selector_cell(obj: Object, now: float) -> str:
    """The selector as text."""
    selector = at(obj, "spec", "selector")
    return selector_text(selector_of(selector)) if selector else "<none>"


def wide_columns(*template: str) -> tuple[Column, Column]:
    """The containers and images of a template's pods."""
    return (
        Column("Containers", _containers(*template), priority=1),
        Column("Images", _images(*template), priority=1),
    )


SELECTOR = Column("Selector", selector_cell, priority=1)


def number(*path: str) -> Cell:
    """The count at a path, 0 when there is none."""

    def cell(obj: Object, now: float) -> int:
        value = at(obj, *path)
        return value if isinstance(value, int) else 0

    return cell


def ready_of_wanted(obj: Object, now: float) -> str:
    """`2/3`: how many of the pods are ready."""
    return f"{at(obj, 'status', 'readyReplicas') or 0}/{at(obj, 'spec', 'replicas') or 0}"
