"""Definitions for the tests of custom kinds."""

from __future__ import annotations

from typing import Any

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "tests.wherry.dev"
WIDGETS = f"/apis/{GROUP}/v1/namespaces/default/widgets"
SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["mode"],
    "properties": {
        "mode": {"type": "string", "enum": ["a", "b"], "description": "How it turns."},
        "replicas": {"type": "integer", "minimum": 1, "default": 3},
        "port": {"x-kubernetes-int-or-string": True},
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
        "template": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": SPEC,
        "status": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "selector": {"type": "string"},
                "conditions": {
                    "type": "array",
                    "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
        },
    },
}
COLUMNS = [
    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Mode", "type": "string", "jsonPath": ".spec.mode", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]
SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def version(name: str = "v1", **more: Any) -> dict[str, Any]:
    """A version that is served and stored, with status and scale."""
    return {
        "name": name,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {"status": {}, "scale": SCALE},
        "additionalPrinterColumns": COLUMNS,
        **more,
    }


def definition(
    *versions: dict[str, Any], plural: str = "widgets", kind: str = "Widget", **names: Any
) -> dict[str, Any]:
    """A definition in the group of the tests."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, **names},
            "versions": list(versions or [version()]),
        },
    }


def widget(name: str, spec: Any = None, *, api: str = "v1", **more: Any) -> dict[str, Any]:
    """An object of the kind."""
    metadata = {"name": name, "namespace": "default"}
    obj: dict[str, Any] = {"apiVersion": f"{GROUP}/{api}", "kind": "Widget", "metadata": metadata, **more}
    return obj if spec is None else {**obj, "spec": spec}


def condition(obj: dict[str, Any], type: str) -> dict[str, Any]:
    """A condition of an object."""
    return next(each for each in obj["status"]["conditions"] if each["type"] == type)
