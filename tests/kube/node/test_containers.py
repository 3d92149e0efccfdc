from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kube.node.machine import pod_of

from wherry.kube.embedded.node.containers import (
    ConfigError,
    Place,
    command_line,
    environment,
    expand,
    needs_exec,
    references,
    resource_field,
)
from wherry.kube.resources import CONFIGMAPS, SECRETS

PLACE = Place("local", "127.0.0.1", 4, 8 << 30, "/real/runtime.pyz", "/volumes")


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # the kubelet's own cases (third_party/forked/golang/expansion)
        ("$(VAR_A)", "A"),
        ("___$(VAR_B)___", "___B___"),
        ("$(VAR_A)-1", "A-1"),
        ("$$(VAR_B)_$(VAR_A)", "$(VAR_B)_A"),
        ("$$(VAR_A)", "$(VAR_A)"),
        ("$$$(VAR_A)", "$A"),
        ("$$$$(VAR_A)", "$$(VAR_A)"),
        ("$VAR_A", "$VAR_A"),
        ("$(MISSING)", "$(MISSING)"),
        ("$(VAR_A", "$(VAR_A"),
        ("$", "$"),
        ("foo$", "foo$"),
        ("$$", "$"),
        ("$(VAR_A))", "A)"),
        ("$()", "$()"),
        ("plain", "plain"),
    ],
)
def test_expansion(text, expected):
    assert expand(text, {"VAR_A": "A", "VAR_B": "B"}) == expected


@given(st.text(alphabet="$()AB x", max_size=30))
def test_expansion_of_anything(text):
    escaped = text.replace("$", "$$")
    assert expand(escaped, {"A": "1"}) == text
    if "$" not in text:
        assert expand(f"$(A){text}$(B)", {"A": "1"}) == f"1{text}$(B)"


def _pod(**container):
    pod = pod_of(command=["true"], **container)
    pod["metadata"]["uid"] = "uid"
    return pod


def test_later_variables_win_and_see_earlier_ones():
    env = [
        {"name": "X", "value": "own"},
        {"name": "Y", "value": "$(X)$(Z)"},
        {"name": "Z", "value": "late"},
        {"name": "N"},
    ]
    pod = _pod(env=env, envFrom=[{"configMapRef": {"name": "c"}}])
    sources = {(CONFIGMAPS, "c"): {"data": {"X": "map", "K": "$(X)"}}}
    found = environment(pod, pod["spec"]["containers"][0], sources, PLACE)
    assert found == {"X": "own", "K": "$(X)", "Y": "own$(Z)", "Z": "late", "N": ""}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"configMapKeyRef": {"name": "c", "key": "no"}}, 'couldn\'t find key no in configmap "c"'),
        ({"secretKeyRef": {"name": "no", "key": "k"}}, 'secret "no" not found'),
        ({"fieldRef": {"fieldPath": "spec.nothing"}}, "unsupported fieldPath: spec.nothing"),
        ({"resourceFieldRef": {"resource": "cpu"}}, "unsupported container resource: cpu"),
        ({"fileKeyRef": {}}, "valueFrom of kind fileKeyRef is not supported"),
    ],
)
def test_what_cannot_be_resolved_is_named(source, why):
    pod = _pod(env=[{"name": "X", "valueFrom": source}])
    with pytest.raises(ConfigError) as raised:
        environment(pod, pod["spec"]["containers"][0], {(CONFIGMAPS, "c"): {"data": {}}}, PLACE)
    assert raised.value.message == why


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"resource": "limits.cpu"}, "4"),  # unset: the node's
        ({"resource": "limits.memory", "divisor": "1Gi"}, "8"),
        ({"resource": "requests.memory"}, "0"),
        ({"resource": "requests.cpu"}, "1"),  # 250m, rounded up
        ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
        ({"resource": "requests.cpu", "divisor": "0"}, "1"),
    ],
)
def test_resource_fields(reference, expected):
    pod = _pod(resources={"requests": {"cpu": "250m"}})
    assert resource_field(pod, pod["spec"]["containers"][0], reference, PLACE) == expected


def test_command_lines():
    def line(**container):
        return command_line({"image": "x", **container}, {"A": "1"}, PLACE)

    assert line(command=["python3", "/wherry/runtime.pyz"]) is None
    assert line(command=["python3", "/wherry/runtime.pyz"], args=["x"]) == ["python3", "/real/runtime.pyz", "x"]
    assert line(command=["sh", "-c", "run /wherry/runtime.pyz $(A)"]) == ["sh", "-c", "run /real/runtime.pyz 1"]
    with pytest.raises(ConfigError, match="no command"):
        line(args=["only"])
    assert line(image="python:3.11", args=["echo", "$(A)"]) == ["echo", "1"]
    assert line(image="python:3.11") == ["python3"]


def test_what_an_interpreter_reads_at_its_start():
    assert all(needs_exec({name: ""}) for name in ("PYTHONPATH", "LD_PRELOAD", "LC_ALL", "MALLOC_ARENA_MAX"))
    assert not needs_exec({"PATH": "", "MY_PYTHON": "", "OMP_NUM_THREADS": "1"})


def test_references_of_environment_and_volumes():
    volumes = [
        {"name": "a", "configMap": {"name": "a"}},
        {"name": "b", "secret": {"secretName": "b"}},
        {"name": "p", "projected": {"sources": [{"configMap": {"name": "p"}}, {"secret": {"name": "q"}}]}},
    ]
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "e", "key": "k"}}}]
    pod = pod_of(command=["true"], env=env, envFrom=[{"configMapRef": {"name": "f"}}], volumes=volumes)
    maps, secrets = {(CONFIGMAPS, name) for name in "apf"}, {(SECRETS, name) for name in "bqe"}
    assert references(pod) == maps | secrets
