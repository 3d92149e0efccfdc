"""Custom kinds through kubectl and through the official Python client, against `wherry up`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml
from tests import oracles
from tests.kube.wire.clients import needs_kubectl, serving
from tests.kube.wire.customs import GROUP, definition, widget
from tests.kube.wire.test_kubectl import Kubectl
from tests.kube.wire.test_public_clients import PACKAGES, SCRIPTS

pytestmark = [pytest.mark.oracle, needs_kubectl]
NAME = f"widgets.{GROUP}"


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    with serving(tmp_path_factory.mktemp("definitions")) as cluster:
        yield Kubectl(cluster)


def test_a_kind_is_added_used_and_taken_away(kubectl: Kubectl) -> None:
    text = yaml.safe_dump(definition(shortNames=["wd"], categories=["all"]))
    assert kubectl("apply -f -", stdin=text) == f"customresourcedefinition.apiextensions.k8s.io/{NAME} created\n"
    assert "condition met" in kubectl(f"wait --for=condition=Established crd/{NAME} --timeout=20s")
    assert kubectl("get crd").splitlines()[0].split() == ["NAME", "CREATED", "AT"]
    assert kubectl("apply -f -", stdin=text).endswith("unchanged\n")
    resources = [line.split() for line in kubectl(f"api-resources --api-group={GROUP}").splitlines()]
    assert ["widgets", "wd", f"{GROUP}/v1", "true", "Widget"] in resources
    told = kubectl("explain widget.spec.mode")
    assert "How it turns." in told
    assert "ENUM" in told.upper()
    assert "replicas" in kubectl("explain widgets.spec")
    assert kubectl("apply -f -", stdin=json.dumps(widget("w", {"mode": "a"}))) == f"widget.{GROUP}/w created\n"
    header, row = (line.split() for line in kubectl("get wd").splitlines())
    assert (header, row[:2]) == (["NAME", "REPLICAS", "READY", "AGE"], ["w", "3"])
    assert kubectl("get widget w -o wide").splitlines()[0].split() == ["NAME", "REPLICAS", "READY", "MODE", "AGE"]
    assert "Replicas:" in kubectl("describe wd w")
    kubectl(
        "patch wd w --subresource=status --type=merge -p",
        '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}',
    )
    assert "condition met" in kubectl("wait --for=condition=Ready wd/w --timeout=20s")
    assert "scaled" in kubectl("scale wd w --replicas=5")
    assert kubectl("get wd w -o jsonpath={.spec.replicas}") == "5"
    assert "w" in kubectl("get all")
    changed = json.dumps(widget("w", {"mode": "b"}))
    assert "+  mode: b" in kubectl.cluster.run(kubectl.program, "diff", "-f", "-", stdin=changed).out
    assert kubectl("apply -f -", stdin=changed).endswith("configured\n")
    wrong = json.dumps(widget("w", {"mode": "c"}))
    assert 'spec.mode: Unsupported value: "c": supported values: "a", "b"' in kubectl.refused("apply -f -", stdin=wrong)
    unknown = json.dumps(widget("w", {"mode": "b", "color": "red"}))
    assert 'unknown field "spec.color"' in kubectl.refused("apply -f -", stdin=unknown)
    assert (
        "warning"
        in kubectl.cluster.run(kubectl.program, "apply", "--validate=warn", "-f", "-", stdin=unknown).err.lower()
    )
    assert kubectl(f"delete crd {NAME}").startswith("customresourcedefinition.apiextensions.k8s.io")
    assert "the server could not find the requested resource" in kubectl.refused("get widgets")


def test_the_official_python_client(kubectl: Kubectl) -> None:
    kubectl("apply -f -", stdin=yaml.safe_dump(definition()))
    python = oracles.python("kubernetes", PACKAGES["kubernetes"])
    done = kubectl.cluster.run(python, SCRIPTS / "custom_objects_client.py")
    assert (done.code, done.out) == (0, "done\n"), done.err
    kubectl(f"delete crd {NAME}")
