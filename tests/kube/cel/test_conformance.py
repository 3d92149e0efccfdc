"""The rules of the ecosystem's own definitions: all compile, and they tell good objects from bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.kube.cel import rules
from wherry.kube.cel.places import RULES

FOLDERS = ("katib", "kserve", "notebooks", "spark", "trainer", "training-operator-v1")


@pytest.fixture(scope="module")
def schemas(conformance: Path) -> dict[str, dict[str, Any]]:
    """The schemas that have rules, by the name of their definition (and version, where it has several)."""
    found: dict[str, dict[str, Any]] = {}
    for folder in FOLDERS:
        for path in sorted((conformance / folder).rglob("*.yaml")):
            text = path.read_text()
            if RULES not in text or "kind: CustomResourceDefinition" not in text:
                continue
            for document in yaml.load_all(text, Loader=yaml.CSafeLoader):
                for version in ((document or {}).get("spec") or {}).get("versions") or ():
                    found[f"{document['metadata']['name']}/{version['name']}"] = version["schema"]["openAPIV3Schema"]
    return found


def test_all_rules_of_the_ecosystem_compile(schemas: dict[str, dict[str, Any]]) -> None:
    assert len(schemas) >= 15
    for name, schema in schemas.items():
        compiled = rules.compile(schema)
        assert compiled.faults == [], name
        assert not compiled.empty, name
