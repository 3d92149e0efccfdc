"""kubectl prints the same here and against a real cluster: one script, two servers, the outputs side by side."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.kube.wire.clients import Cluster, Kubectl, needs_kubectl, serving

pytestmark = [pytest.mark.oracle, pytest.mark.cluster, needs_kubectl]
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {app: demo}}\ndata: {%s}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: hush, labels: {app: demo}}\nstringData: {password: secret}\n"
# Each step: the words after `kubectl -n NAMESPACE`, and what is sent.
SCRIPT: tuple[tuple[str, str], ...] = (
    ("apply -f -", CONFIG % ("one", "a: '1'")),
    ("apply -f -", CONFIG % ("one", "a: '1'")),
    ("diff -f -", CONFIG % ("one", "a: '2'")),
    ("apply -f -", CONFIG % ("one", "a: '2', b: '3'")),
    ("create -f -", CONFIG % ("two", "c: '4'")),
    ("apply -f -", SECRET),
    ("get cm -l app=demo", ""),
    ("get cm -l app=demo -o wide --show-labels", ""),
    ("get cm one -o yaml", ""),
    ("get cm one -o jsonpath={.data.a}", ""),
    ("get cm -l app=demo -o custom-columns=NAME:.metadata.name,DATA:.data --sort-by=.metadata.name", ""),
    ("describe secret hush", ""),
    ("get cm absent", ""),
    ("get nothings", ""),
    ("label cm one tier=front", ""),
    ("label cm one tier=back", ""),
    ("annotate cm one note=short", ""),
    ('patch cm one -p {"data":{"z":"9"}}', ""),
    ('patch cm one --type=merge -p {"data":{"z":null}}', ""),
    ('patch cm one --type=json -p [{"op":"add","path":"/data/y","value":"8"}]', ""),
    ('patch cm one --type=json -p [{"op":"remove","path":"/data/absent"}]', ""),
    ("replace -f -", CONFIG % ("one", "q: '1'")),
    ("wait cm/one --for=jsonpath={.data.q}=1 --timeout=10s", ""),
    ("apply --dry-run=server -f -", CONFIG % ("dry", "a: '1'")),
    ("create -f -", CONFIG % ("Bad_Name", "a: '1'")),
    ("delete cm one", ""),
    ("delete cm one", ""),
    ("delete cm,secret -l app=demo", ""),
    ("get cm -l app=demo", ""),
)
# What differs between two runs on one server; and we say what is wrong with a patch, where a server does not.
_VARIES = (
    (re.compile(r"(due to an error in our request): .*"), r"\1"),
    (re.compile(r"(uid|resourceVersion|creationTimestamp)(\"?): .*"), r"\1\2: -"),
    (re.compile(r"(\s)\d+[smh](\d+s)?\b"), r"\1-"),
    (re.compile(r"(--- |\+\+\+ |diff ).*"), r"\1-"),
    (re.compile(r"\s+\n"), "\n"),
    (re.compile(r" {2,}"), "  "),
)


def normal(text: str, namespace: str) -> str:
    for pattern, put in _VARIES:
        text = pattern.sub(put, text)
    return text.replace(namespace, "NAMESPACE")


def printed(kubectl: Kubectl, namespace: str) -> list[tuple[str, int, str]]:
    kubectl(f"create namespace {namespace}")
    try:
        done = [(line, kubectl.run(f"-n {namespace} {line}", stdin=sent)) for line, sent in SCRIPT]
    finally:
        kubectl(f"delete namespace {namespace} --wait=false")
    return [(line, each.code, normal(each.out + each.err, namespace)) for line, each in done]


def test_the_same_is_printed_by_both_sides(tmp_path: Path, kubeconfig: Path) -> None:
    (tmp_path / "there").mkdir()
    there = printed(Kubectl(Cluster(tmp_path / "there", kubeconfig.read_text())), "wherry-kubectl-alike")
    with serving(tmp_path / "here") as home:
        here = printed(Kubectl(home), "wherry-kubectl-alike")
    assert [pair for pair in zip(here, there, strict=True) if pair[0] != pair[1]] == []
