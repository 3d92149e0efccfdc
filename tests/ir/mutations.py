"""Documents made wrong: one of the field's, with a few of its values, names and places changed.

Used by `test_fuzz`.  Invariant: the original is never changed, and every choice is drawn by hypothesis, so that a
failure shrinks and repeats.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

WORDS = (
    "", "a", "comp-a", "exec-a", "root", "..", "/", "a/b", "x[0]", "\x00", "é", "\ud800", "Output", "artifact",
    "{{$}}", "{{$.inputs.parameters['x']}}", "{{$.pipeline_job_name}}", "{{$.workspace_path}}", "{{$.inputs",
    "parseJson(string_value)[\"a\"]", "inputs.parameter_values['x'] == '1'", "((((", "1 +", "[1, 2]", "[", "{}",
    "1.5s", "-1s", "1e999s", "STRING", "NUMBER_INTEGER", "TASK_FINAL_STATUS", "2.1.0", "100m", "1Gi", "null", "true",
    "ALL_UPSTREAM_TASKS_COMPLETED", "argostub/createpvc", "x" * 5000,
)  # fmt: skip
FIELDS = (
    "dag", "executorLabel", "inputDefinitions", "outputDefinitions", "parameters", "artifacts", "tasks", "outputs",
    "componentRef", "dependentTasks", "inputs", "triggerPolicy", "parameterIterator", "artifactIterator", "items",
    "raw", "inputParameter", "itemInput", "iteratorPolicy", "retryPolicy", "runtimeValue", "constant", "constantValue",
    "componentInputParameter", "taskOutputParameter", "producerTask", "outputParameterKey", "taskFinalStatus",
    "parameterExpressionSelector", "defaultValue", "isOptional", "parameterType", "literals", "valueFromOneof",
    "artifactSelectors", "container", "importer", "resolver", "image", "command", "args", "env", "resources",
    "accelerator", "platforms", "pipeline_spec", "executors", "backoffFactor", "maxRetryCount", "unknown",
)  # fmt: skip

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from((0, 1, -1, 2, 10**6, 2**31, 2**63, 2**64, 10**400, 0.5, 1.0, -0.0, 1e308)),
    st.sampled_from((float("nan"), float("inf"), float("-inf"))),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*FIELDS, *WORDS)), inner, max_size=3),
    max_leaves=6,
)


def mutated(draw: Any, original: Any) -> Any:
    """A copy of a document with one to four changes."""
    document = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 4))):
        holder, key = _place(draw, document)
        if holder is not None:
            _change(draw, document, holder, key)
    return document


def _place(draw: Any, document: Any) -> tuple[Any, Any]:
    """A container somewhere in the document, and a key of it."""
    holder: Any = document
    while True:
        keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return None, None
        key = draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or not holder[key] or draw(st.integers(0, 5)) == 0:
            return holder, key
        holder = holder[key]


def _change(draw: Any, document: Any, holder: Any, key: Any) -> None:
    kind = draw(st.sampled_from(("replace", "word", "remove", "rename", "move", "add", "deepen")))
    if kind == "replace":
        holder[key] = draw(values)
    elif kind == "word":
        holder[key] = draw(st.sampled_from(WORDS))
    elif kind == "remove":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        holder[draw(st.sampled_from((*FIELDS, *WORDS)))] = holder.pop(key)
    elif kind == "move":  # what stands somewhere else in the document
        other, name = _place(draw, document)
        if other is not None:
            holder[key] = copy.deepcopy(other[name])
    elif kind == "add" and isinstance(holder, dict):
        holder[draw(st.sampled_from((*FIELDS, *WORDS)))] = draw(values)
    elif kind == "deepen":
        for _ in range(draw(st.sampled_from((1, 3, 120)))):
            holder[key] = [holder[key]]


def spoiled(draw: Any, text: str) -> bytes:
    """A text with one to three places cut, doubled, or written over."""
    data = text.encode()
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, max(len(data) - 1, 0)))
        end = min(len(data), begin + draw(st.sampled_from((0, 1, 7, 80, 2000))))
        put = draw(
            st.one_of(
                st.just(b""),
                st.just(data[begin:end] * 2),
                st.binary(max_size=6),
                st.sampled_from(
                    (b"\t", b"\r\n", b"---\n", b"*a", b"&a ", b"!!python/object:os.system ", b"<<: ", b"{", b"[", b'"',
                     b"'", b"|\n", b"? ", b": ", b"#", b"%", b"\xff", b"\xef\xbb\xbf", b"\x00", b"9" * 5000)
                ),
            )
        )  # fmt: skip
        data = data[:begin] + put + data[end:]
    return data
