"""Packages that a task needs and its image lacks; images without Python; what Kubernetes settings do to the pod."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.homes import RealHome
from tests.cluster.conftest import Cluster, target
from tests.oracles import CACHE, download

from wherry.kube.resources import NODES, PODS

pytestmark = pytest.mark.cluster

FLOWS = """
from wherry import dsl
from wherry.dsl import kubernetes

INDEX = "@INDEX@"
HOST = "@HOST@"


@dsl.component(packages_to_install=["wherry-pebble==1.0"], pip_index_urls=[INDEX], pip_trusted_hosts=[HOST])
def installs() -> str:
    import wherry_pebble

    return wherry_pebble.NAME


@dsl.component(packages_to_install=["wherry-boulder"], pip_index_urls=[INDEX], pip_trusted_hosts=[HOST])
def lacks() -> str:
    return "never"


@dsl.container_component
def dumb(text: str, words: dsl.Output[dsl.Dataset], length: dsl.OutputPath(int)):
    return dsl.ContainerSpec(
        image="@BARE@",
        command=["/tool", "write"],
        args=[text, words.path, length],
    )


@dsl.container_component
def dumb_failure():
    return dsl.ContainerSpec(image="@BARE@", command=["/tool", "fail"])


@dsl.component
def read(words: dsl.Input[dsl.Dataset], length: int) -> str:
    with open(words.path) as file:
        return f"{file.read().strip()} {length}"


@dsl.pipeline
def installing() -> str:
    return installs().output


@dsl.pipeline
def lacking() -> str:
    return lacks().output


@dsl.pipeline
def without() -> str:
    made = dumb(text="hello")
    return read(words=made.outputs["words"], length=made.outputs["length"]).output


@dsl.pipeline
def without_failing():
    dumb_failure()


@dsl.component
def looks() -> str:
    import os

    with open("/secret/word") as file:
        return f"{file.read()} {os.environ['WORD']} {os.environ['NODE']}"


@dsl.pipeline
def settled() -> str:
    task = looks()
    kubernetes.use_secret_as_volume(task, "words", "/secret")
    kubernetes.use_secret_as_env(task, "words", {"word": "WORD"})
    kubernetes.use_field_path_as_env(task, "NODE", "spec.nodeName")
    kubernetes.set_image_pull_secrets(task, ["words"])
    kubernetes.add_toleration(task, key="special", operator="Exists", effect="NoSchedule")
    kubernetes.add_node_selector(task, "kubernetes.io/os", "linux")
    task.set_cpu_request("10m").set_memory_limit("200Mi")
    return task.output
"""


def wheel(folder: Path, name: str, version: str, source: str) -> Path:
    """A wheel of one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: wherry\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"]))
    return path


def pip_wheel() -> Path:
    """A wheel of pip, kept for other runs of the tests."""
    kept = CACHE / "pip"
    if not list(kept.glob("pip-*.whl")):
        kept.mkdir(parents=True, exist_ok=True)
        download(["pip"], kept)
    return sorted(kept.glob("pip-*.whl"))[-1]


@pytest.fixture(scope="module")
def index(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A package index with two packages, on the node's address, which is this machine's."""
    folder = tmp_path_factory.mktemp("index")
    for found in (pip_wheel(), wheel(folder, "wherry_pebble", "1.0", "NAME = 'pebble'\n")):
        project = found.name.partition("-")[0].replace("_", "-")
        page = folder / "simple" / project
        page.mkdir(parents=True)
        (page / found.name).write_bytes(found.read_bytes())
        digest = hashlib.sha256(found.read_bytes()).hexdigest()
        (page / "index.html").write_text(f'<a href="{found.name}#sha256={digest}">{found.name}</a>')
    (node,) = cluster.ask(lambda kube: kube.list(NODES)).items
    address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **more) -> None:
            super().__init__(*args, directory=str(folder), **more)

        def end_headers(self) -> None:
            if self.path.endswith(".whl"):
                self.send_header("cache-control", "max-age=365000000, immutable")  # as PyPI says of its files
            super().end_headers()

        def log_message(self, *_) -> None:
            pass

    with http.server.ThreadingHTTPServer((address, 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{address}:{server.server_port}/simple"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def flows(place: RealHome, cluster: Cluster, index: str, bare_image: str) -> RealHome:
    host = index.removeprefix("http://").partition(":")[0]
    text = FLOWS.replace("@INDEX@", index).replace("@HOST@", host).replace("@BARE@", bare_image)
    place.write("flows.py", text)
    store = place.home.parent / "store"
    place.write(
        "wherry.toml",
        target("test", cluster, store)
        + target("wheels", cluster, store, f'wheels = {{ host_path = "{store}/wheels" }}')
        + f'[images]\n"{bare_image}" = {{ python = false }}\n',
    )
    (store / "wheels").mkdir()
    return place


def end_of(home: RealHome, pipeline: str, *words: str, on: str = "test") -> dict:
    done = home.run("run", f"flows.py:{pipeline}", "--on", on, "--json", *words)
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events, done.err
    assert events[-1]["event"] == "run-finished", events[-1]
    return events[-1]


def why(home: RealHome, end: dict) -> dict:
    assert end["state"] == "FAILED", end
    return home.json("show", end["run"], "--json")["error"]


def test_packages_are_installed_where_the_image_has_no_pip(flows: RealHome) -> None:
    end = end_of(flows, "installing")
    assert (end["state"], end["outputs"]) == ("SUCCEEDED", {"Output": "pebble"}), end


def test_what_is_fetched_stays_on_the_volume_of_wheels(flows: RealHome) -> None:
    end = end_of(flows, "installing", "--no-cache", on="wheels")
    assert end["state"] == "SUCCEEDED", end
    kept = flows.home.parent / "store" / "wheels" / "cache"
    assert any(path.is_file() for path in kept.rglob("*"))


def test_a_package_that_is_not_there_fails_the_task_with_what_pip_says(flows: RealHome) -> None:
    error = why(flows, end_of(flows, "lacking"))
    assert error["type"] == "RequirementsError"
    assert "No matching distribution found for wherry-boulder" in error["message"]


def test_an_image_without_python_gets_its_inputs_and_gives_its_outputs(flows: RealHome) -> None:
    end = end_of(flows, "without")
    assert (end["state"], end["outputs"]) == ("SUCCEEDED", {"Output": "hello 5"}), end


def test_an_exit_code_of_an_image_without_python_is_told(flows: RealHome) -> None:
    error = why(flows, end_of(flows, "without_failing"))
    assert (error["type"], "exited with code 7" in error["message"]) == ("ExitCode", True), error


def test_kubernetes_settings_reach_the_pod(flows: RealHome, cluster: Cluster) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "words"}, "stringData": {"word": "pebble"}}
    cluster.make(secret)
    end = end_of(flows, "settled")
    (node,) = cluster.ask(lambda kube: kube.list(NODES)).items
    assert end["outputs"] == {"Output": f"pebble pebble {node['metadata']['name']}"}, end
    assert cluster.list(PODS) == []
