"""`wherry apply`, `get`, `describe`, `delete` on a real home, as the guide says them, and a run that uses them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.homes import Done, RealHome

from wherry.client.objects import merge_patch
from wherry.kube.patches import merge

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "secrets-and-volumes.md"
FLOW = """
pipelineInfo: {name: uses-a-secret}
schemaVersion: 2.1.0
deploymentSpec:
  executors:
    exec-t: {container: {image: busybox, command: [sh, -c, 'echo "the password is $PASSWORD"']}}
components: {comp-t: {executorLabel: exec-t}}
root: {dag: {tasks: {t: {componentRef: {name: comp-t}, taskInfo: {name: t}}}}}
---
platforms:
  kubernetes:
    deploymentSpec:
      executors:
        exec-t: {secretAsEnv: [{secretName: database, keyToEnv: [{secretKey: password, envVar: PASSWORD}]}]}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> RealHome:
    found = RealHome(tmp_path_factory.mktemp("objects"))
    yield found
    found.end()


def blocks(language: str) -> list[str]:
    """The guide's examples."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_the_guide_does_what_it_says(home: RealHome) -> None:
    home.write("objects.yaml", blocks("yaml")[0])
    answers = {}
    for line in blocks("sh")[0].splitlines():
        done = home.run(*line.split()[1:])
        assert done.code == 0, done.err
        answers[line.split()[1]] = done.out
    assert answers["apply"].splitlines() == [
        "secret/database created",
        "configmap/settings created",
        "persistentvolumeclaim/disk created",
    ]
    assert answers["get"].splitlines()[0].split() == ["NAME", "TYPE", "DATA", "AGE"]
    assert "phase: Bound" in answers["describe"]
    assert answers["delete"] == 'configmap "settings" deleted\n'
    home.write("flow.yaml", FLOW)
    done = home.run("run", "flow.yaml")
    assert done.code == 0, done.out + done.err
    assert home.run("logs", "latest", "t").out == "the password is s3cret\n"


def test_the_server_applies_and_names_who_owns_a_field(home: RealHome) -> None:
    def apply(*words: str, **data: str) -> Done:
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "served"}, "data": data}
        (home.work / "served.json").write_text(json.dumps(obj))
        return home.run("apply", "-f", "served.json", *words)

    assert apply("--server-side", a="1", b="1").out == "configmap/served serverside-applied\n"
    refused = apply("--server-side", "--field-manager", "other", a="2")
    assert refused.code == 1
    assert 'conflict with "wherry": .data.a' in refused.err
    assert "--force-conflicts" in refused.err
    assert apply("--server-side", "--field-manager", "other", "--force-conflicts", a="2").code == 0
    assert apply("--server-side", b="2").code == 0
    told = json.loads(home.run("get", "configmap", "served", "-o", "json").out)
    assert told["data"] == {"a": "2", "b": "2"}
    assert apply("--force-conflicts", a="1").code == 2
    assert home.run("delete", "configmap", "served").code == 0


def test_applying_again_changes_what_was_applied_and_nothing_else(home: RealHome) -> None:
    def apply(**data: str) -> str:
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "again"}, "data": data}
        home.write("again.json", json.dumps(obj))
        done = home.run("apply", "-f", "again.json", "-n", "default")
        assert done.code == 0, done.err
        return done.out.split()[1]

    assert [apply(a="1", b="2"), apply(a="1", b="2"), apply(a="3")] == ["created", "unchanged", "configured"]
    shown = json.loads(home.run("get", "configmap/again", "-o", "json").out)
    assert shown["data"] == {"a": "3"}
    assert home.run("get", "cm", "again", "-o", "name").out == "configmap/again\n"
    wide = home.run("get", "configmaps", "-A").out.splitlines()
    assert wide[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert home.run("delete", "-f", "again.json").out == 'configmap "again" deleted\n'
    gone = home.run("get", "configmaps")
    assert (gone.code, gone.out, gone.err) == (0, "", "no configmaps found in namespace default\n")


def test_waiting_for_what_comes_and_what_does_not(home: RealHome) -> None:
    script = f"touch {home.work}/begun; until [ -e {home.work}/go ]; do sleep 0.02; done"
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
    spec = {"restartPolicy": "Never", "containers": [container]}
    home.write("pod.json", json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "w"}, "spec": spec}))
    waiting = home.start("wait", "pod", "w", "--for=create")
    assert home.run("apply", "-f", "pod.json").code == 0
    assert waiting.communicate(timeout=30)[0] == "pod/w condition met\n"
    assert home.run("wait", "pod/w", "--for=condition=Ready").out == "pod/w condition met\n"
    late = home.run("wait", "pod", "w", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=1s")
    assert (late.code, late.out) == (1, "")
    assert "timed out" in late.err
    waiting = home.start("wait", "pod", "w", "--for=jsonpath={.status.phase}=Succeeded")
    (home.work / "go").touch()
    assert waiting.communicate(timeout=30)[0] == "pod/w condition met\n"
    waiting = home.start("wait", "pod", "w", "--for=delete")
    assert home.run("delete", "pod", "w").code == 0
    assert waiting.communicate(timeout=30)[0] == "pod/w deleted\n"


def test_a_secret_is_described_without_its_values(home: RealHome) -> None:
    home.write("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: quiet}\nstringData: {key: hush}\n")
    assert home.run("apply", "-f", "s.yaml").code == 0
    shown = home.run("describe", "secret", "quiet").out
    assert "key: (not shown)" in shown
    assert "hush" not in shown
    assert "aHVzaA" not in shown


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["apply"], 2, "which objects?"),
        (["apply", "-f", "none.yaml"], 2, "none.yaml cannot be read"),
        (["apply", "-f", "text.yaml"], 2, "no Kubernetes object"),
        (["apply", "-f", "kind.yaml"], 2, "no kind 'Nothing' in version 'v9'"),
        (["apply", "-f", "bad.yaml"], 1, "spec.accessModes"),
        (["get", "nothings"], 2, "the server has no kind 'nothings'"),
        (["get", "selfsubjectreviews"], 2, "the server has no kind 'selfsubjectreviews'"),
        (["get", "nothings"], 2, ", endpointslices, events, jobs, "),
        (["get", "secret", "absent"], 1, 'secrets "absent" not found'),
        (["get", "secret/x", "y"], 2, "not both"),
        (["describe", "secrets"], 2, "which secrets?"),
        (["delete", "secret", "absent"], 1, 'secrets "absent" not found'),
        (["delete"], 2, "which objects?"),
        (["wait", "pods", "--for=delete"], 2, "which pods?"),
        (["wait", "pod", "x", "--for=luck"], 2, "--for=luck is not understood"),
        (["wait", "pod", "x", "--for=delete", "--timeout=soon"], 2, "no length of time"),
    ],
)
def test_what_cannot_be_done_is_said(home: RealHome, words: list[str], code: int, message: str) -> None:
    home.write("text.yaml", "just text\n")
    home.write("kind.yaml", "apiVersion: v9\nkind: Nothing\nmetadata: {name: x}\n")
    home.write("bad.yaml", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: x}\nspec: {}\n")
    done = home.run(*words)
    assert (done.code, message in done.err) == (code, True), done.err
    assert "Traceback" not in done.err


TREES = st.recursive(st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3))
OBJECTS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_a_patch_leads_from_what_was_applied_to_what_is_wanted(before: dict, wanted: dict) -> None:
    assert _pruned(merge(before, merge_patch(before, wanted))) == _pruned(wanted)


@given(OBJECTS, OBJECTS)
def test_a_patch_keeps_what_others_have_set(before: dict, wanted: dict) -> None:
    there = {**before, "theirs": {"x": 1}}
    assert merge(there, merge_patch(before, wanted))["theirs"] == {"x": 1}


def _pruned(value: dict) -> dict:
    """Without empty mappings, which a merge patch cannot remove one by one."""
    inner = {key: _pruned(each) if isinstance(each, dict) else each for key, each in value.items()}
    return {key: each for key, each in inner.items() if each != {}}
