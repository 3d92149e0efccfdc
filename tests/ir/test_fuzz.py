"""Whatever a document is turned into, it is read or refused: no crash, little time and memory, nothing executed.

What is read survives being written and read again, and a run of it can begin.  `make fuzz` takes 10,000 cases.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import SHARED
from tests.ir.mutations import mutated, spoiled
from tests.ir.test_forms import COMPONENT, DEPLOYMENT, version
from tests.ir.test_reader import PLATFORM, base

from wherry import ir
from wherry.errors import WherryError
from wherry.ir import documents, yaml
from wherry.pipelines.engine import (
    Begin,
    Event,
    Failed,
    Run,
    RunInfo,
    Start,
    Succeeded,
    apply,
    decide,
    imported,
    resolve,
    resolve_value,
)
from wherry.pipelines.platform import platform_parts

CASES = int(os.environ.get("WHERRY_FUZZ", "0"))
"""All cases together; each of the tests takes its share."""
SECONDS = 5.0
MEBIBYTES = 200
STEPS = 60  # tasks of one run that are followed
_EFFECTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"})
_watched: list[bool] = []


def fuzz(share: float, quick: int) -> Any:
    """The settings of one test: `quick` cases in the suite, its share of `WHERRY_FUZZ` else."""
    return settings(
        max_examples=int(CASES * share) or quick,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def _audit(event: str, arguments: Any) -> None:
    if _watched and event in _EFFECTS:
        raise AssertionError(f"{event} {arguments}")


sys.addaudithook(_audit)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def bounded() -> Iterator[None]:
    """Within these bounds each case must stay."""
    before, start = peak_mib(), time.process_time()  # of this process: others may have the machine
    _watched.append(True)
    try:
        yield
    finally:
        _watched.clear()
    assert time.process_time() - start < SECONDS
    assert peak_mib() - before < MEBIBYTES


def texts() -> list[str]:
    """Documents of our own and, where they are, KFP's."""
    own: list[Any] = [
        [base()],
        [base(), PLATFORM],
        [{"pipeline_spec": base(), "platform_spec": PLATFORM}],
        [version(pipelineSpec=base(), platformSpec=PLATFORM)],
        [{**COMPONENT, "deploymentSpec": DEPLOYMENT}],
    ]
    found = [yaml.dump_all(each) for each in own]
    found += [json.dumps(each[0]) for each in own]
    return found + [path.read_text() for path in sorted(Path(SHARED, "conformance", "kfp-ir").glob("*.yaml"))]


TEXTS = texts()
DOCUMENTS = [found for text in TEXTS if (found := [each for each in yaml.load_all(text) if each is not None])]


VALUES: dict[str, Any] = {
    "NUMBER_INTEGER": 3, "NUMBER_DOUBLE": 0.5, "BOOLEAN": True, "LIST": [{"a": 1}], "STRUCT": {"a": "b"},
}  # fmt: skip


def arguments(document: ir.Document) -> dict[str, Any]:
    """An argument for every parameter that needs one."""
    return {
        name: VALUES.get(definition.declared, "text")
        for name, definition in document.pipeline.root.input_definitions.parameters.items()
        if not definition.is_optional
    }


def survives(document: ir.Document) -> None:
    """A document that was read can be written and read again, and a run of it comes to an end."""
    plain = document.to_builtins()
    assert ir.from_builtins(plain) == document
    assert ir.load(json.dumps(plain)) == document
    run = Run(document, info=RunInfo(run_id="r", pipeline="p"), arguments=arguments(document))
    left = tell(run, Begin())
    for _ in range(STEPS):
        if not left:
            return
        left += tell(run, ended(run, left.pop(0)))


def tell(run: Run, event: Event) -> list[Start]:
    delta = decide(run, event)
    apply(run, delta)
    return delta.starts


def ended(run: Run, start: Start) -> Event:
    """How a task ends: with outputs of the types that it declares, or because it cannot be launched."""
    try:
        resolved = resolve(run, start.path)
        if resolved.kind == "importer":
            return Succeeded(start.path, start.attempt, imported(resolved))
        json.dumps([resolved.image, resolved.env, resolved.resources, resolved.caching])
        if resolved.platform is not None:
            platform_parts(resolved.platform, lambda spec: resolve_value(run, start.path, spec))
    except WherryError as error:
        return Failed(start.path, start.attempt, {"message": error.message}, retriable=False)
    if "fail" in resolved.name:
        return Failed(start.path, start.attempt, {"message": "as its name says"})
    made = resolved.component.output_definitions
    parameters = {name: VALUES.get(each.declared, "text") for name, each in made.parameters.items()}
    artifacts = {name: [{"name": name, "type": {}, "uri": f"/{name}", "metadata": {}}] for name in made.artifacts}
    return Succeeded(start.path, start.attempt, {"parameters": parameters, "artifacts": artifacts})


def is_read_or_refused(read: Callable[[], ir.Document]) -> None:
    """One case; a refusal is a sentence of a length that somebody reads."""
    with bounded():
        try:
            document = read()
        except WherryError as error:
            refusal = error.message
        else:
            survives(document)
            return
    assert refusal.strip()
    assert len(refusal) < 1_000


@fuzz(0.6, 250)
@given(st.data())
def test_a_document_with_other_values_is_read_or_refused(data: st.DataObject) -> None:
    changed = mutated(data.draw, DOCUMENTS[data.draw(st.integers(0, len(DOCUMENTS) - 1))])
    is_read_or_refused(lambda: ir.from_builtins(documents.combine(changed)))


@fuzz(0.4, 150)
@given(st.data())
def test_a_spoiled_text_is_read_or_refused(data: st.DataObject) -> None:
    text = spoiled(data.draw, TEXTS[data.draw(st.integers(0, len(TEXTS) - 1))])
    is_read_or_refused(lambda: ir.load(text))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_read_is_written_and_read_again(text: str) -> None:
    try:
        document = ir.load(text)
    except WherryError:
        return
    survives(document)
    plain = document.to_builtins()
    both = [plain] if document.platform is None else [plain["pipeline_spec"], plain["platform_spec"]]
    assert ir.load(yaml.dump_all(both)) == document
