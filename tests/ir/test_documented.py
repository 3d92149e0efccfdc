"""Every field of the document is in the table of docs/compatibility.md that says what it does."""

from __future__ import annotations

import re
from typing import Any, get_args, get_type_hints

import msgspec
from tests.conftest import ROOT

from wherry.ir import spec
from wherry.ir.kubernetes import KubernetesExecutorConfig

ROW = re.compile(r"^\| `(?P<record>\w+)` \| (?P<fields>[^|]+) \| (?P<effect>[^|]+) \|$")


def records(kind: type[msgspec.Struct], found: set[type[msgspec.Struct]]) -> set[type[msgspec.Struct]]:
    """The records that one holds, the settings of executors left out: they have a table of their own."""
    if kind not in found and kind is not KubernetesExecutorConfig:
        found.add(kind)
        for hint in get_type_hints(kind).values():
            _within(hint, found)
    return found


def _within(hint: Any, found: set[type[msgspec.Struct]]) -> None:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        records(hint, found)
    for inner in get_args(hint):
        _within(inner, found)


def test_the_table_has_every_field_of_every_message() -> None:
    page = (ROOT / "docs" / "compatibility.md").read_text()
    table = page.split("<!-- fields -->")[1]
    said: dict[str, list[str]] = {}
    for line in table.splitlines():
        if row := ROW.match(line):
            said.setdefault(row["record"], []).extend(re.findall(r"`(\w+)`", row["fields"]))
            assert row["effect"].strip()
    ours = records(spec.PlatformSpec, records(spec.PipelineSpec, set()))
    assert {name: sorted(fields) for name, fields in said.items()} == {
        kind.__name__: sorted(field.encode_name for field in msgspec.structs.fields(kind)) for kind in ours
    }
