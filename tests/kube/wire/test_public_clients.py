"""Public Kubernetes clients, as they are released, against `wherry up`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import oracles
from tests.cli.homes import until
from tests.kube.wire.clients import Cluster, serving

pytestmark = pytest.mark.oracle
SCRIPTS = Path(__file__).parent / "public"
PACKAGES = {
    "kubernetes": ["kubernetes==37.0.2"],
    "lightkube": ["lightkube==1.0.1"],
    "kr8s": ["kr8s==0.20.15"],
    "kopf": ["kopf==1.45.2"],
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with serving(tmp_path_factory.mktemp("clients")) as found:
        yield found


@pytest.mark.parametrize("name", ["kubernetes", "lightkube", "kr8s"])
def test_a_client_does_what_its_users_do(cluster: Cluster, name: str) -> None:
    done = cluster.run(oracles.python(name, PACKAGES[name]), SCRIPTS / f"{name}_client.py")
    assert (done.code, done.out) == (0, "done\n"), done.err


def test_an_operator_of_kopf_handles_what_comes_changes_and_goes(cluster: Cluster) -> None:
    kopf = oracles.python("kopf", PACKAGES["kopf"]).with_name("kopf")
    official = oracles.python("kubernetes", PACKAGES["kubernetes"])

    def ask(code: str) -> str:
        head = (
            "import json; from kubernetes import client, config; config.load_kube_config(); v1 = client.CoreV1Api(); "
        )
        done = cluster.run(official, "-c", head + code)
        assert done.code == 0, done.err
        return done.out

    body = {"metadata": {"name": "g", "labels": {"greet": "1"}}, "data": {"name": "bob"}}
    operator = cluster.start(kopf, "run", SCRIPTS / "kopf_operator.py", "--namespace", "default")
    try:
        ask(f"v1.create_namespaced_config_map('default', json.loads({json.dumps(body)!r}))")
        read = "print(v1.read_namespaced_config_map('g', 'default').data.get('greeting', ''))"
        until(lambda: ask(read) == "hello bob\n", "the operator's greeting")
        ask("v1.patch_namespaced_config_map('g', 'default', {'data': {'name': 'ann'}})")
        until(lambda: ask(read) == "hello ann\n", "the operator's second greeting")
        ask("v1.delete_namespaced_config_map('g', 'default')")
        names = "print([each.metadata.name for each in v1.list_namespaced_config_map('default').items])"
        until(lambda: "'g'" not in ask(names), "the end of the object, when its finalizer is gone")
    finally:
        operator.terminate()
        said, _ = operator.communicate(timeout=30)
    assert "good-bye ann" in said, said
