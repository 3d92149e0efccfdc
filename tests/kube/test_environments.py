"""Environments: what images mean, uv's explanations, one making a key, pip's configuration.  No network is used."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile

import pytest

from wherry.kube.embedded import pip_config
from wherry.kube.embedded.environments import RUNNING, EnvironmentFailed, Environments, wanted
from wherry.kube.embedded.pruning import prune


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("python:3.10", "3.10"),
        ("python:3.10-slim-bookworm", "3.10"),
        ("python:3.12.1", "3.12"),
        ("docker.io/library/python:3.9", "3.9"),
        ("python:3.9@sha256:aa", "3.9"),
        ("public.ecr.aws/docker/library/python:3.12", "3.12"),
        ("registry.local:5000/library/python:3.9-slim", "3.9"),
        ("registry.access.redhat.com/ubi9/python-311:latest", "3.11"),
        ("registry.access.redhat.com/ubi8/python-39", "3.9"),
        ("ubi9/python-312-minimal:9.5", "3.12"),
        ("python", RUNNING),
        ("python:3", RUNNING),
        ("python:latest", RUNNING),
    ],
)
def test_python_images_are_clean(image, version):
    asked = wanted(image, None)
    assert (asked.version, asked.clean) == (version, True)


@pytest.mark.parametrize(
    "image",
    [
        "alpine",
        "ghcr.io/me/python:3.10",
        "python-extra:3.10",
        "mypython:3.9",
        "python:alpine/x",
        "ubi9/python",
        "me/python-311",
    ],
)
def test_other_images_are_the_hosts(image):
    assert wanted(image, None) == (RUNNING, (), (), (), False)


def test_a_mapped_image_is_clean():
    assert wanted("me/image", {"python": "3.10", "requirements": ["x"]}).clean
    assert wanted("me/image", {"requirements": ["x"], "mapped": True}).clean
    assert not wanted("me/image", {"requirements": ["x"]}).clean


def wheel(folder, name, version, requires=()):
    """A wheel with one module that says its version."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{each},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for each, text in files.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(each, text)


class Shop:
    """Environments whose only packages are those in a folder."""

    def __init__(self, folder):
        self.folder = folder
        for version in ("1.0", "2.0"):
            wheel(folder / "wheels", "freight", version)
        wheel(folder / "wheels", "boat", "1.0", ["freight<2"])
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
        environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")}
        environ["UV_CACHE_DIR"] = str(folder / "cache")
        self.environ = environ
        self.environments = Environments(folder / "home", environ=environ)

    def ensure(self, *requirements, image="python:" + RUNNING, **more):
        annotation = json.dumps({"requirements": requirements, **more}) if requirements or more else ""
        return asyncio.run(self.environments.ensure(image, annotation))

    def identity(self, *requirements, image="python:" + RUNNING):
        return asyncio.run(self.environments.identity(image, {"requirements": requirements} if requirements else None))


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def ask(interpreter, expression):
    found = subprocess.run(
        [interpreter.python, "-c", f"print({expression})"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or found.stderr.strip().splitlines()[-1]


def test_no_requirements_cost_no_uv(shop):
    found = shop.ensure()
    assert ask(found, "__import__('sys').version_info[:2]") == str(sys.version_info[:2])
    assert ask(found, "__import__('pytest')") == "ModuleNotFoundError: No module named 'pytest'"
    assert ask(found, "__import__('sys').prefix") == os.path.dirname(found.bin)
    assert not (shop.folder / "cache").exists(), "uv has not run"
    assert shop.environments.known("python:" + RUNNING, "") == found


def test_exactly_the_declared_requirements(shop):
    found = shop.ensure("freight==1.0")
    assert ask(found, "__import__('freight').version") == "1.0"
    assert ask(found, "__import__('boat')") == "ModuleNotFoundError: No module named 'boat'"
    assert ask(found, "__import__('pytest')") == "ModuleNotFoundError: No module named 'pytest'"
    other = shop.ensure("boat")
    assert ask(other, "__import__('freight').version") == "1.0"
    assert other.key != found.key


def test_made_once_by_whoever_comes_first(shop):
    async def both():
        other = Environments(shop.folder / "home", environ=shop.environ)
        annotation = json.dumps({"requirements": ["boat"]})
        asked = [each.ensure("python:" + RUNNING, annotation) for each in (shop.environments, other) for _ in range(2)]
        return await asyncio.gather(*asked)

    found = asyncio.run(both())
    assert len(set(found)) == 1
    ready = list((shop.folder / "home" / "envs").glob("*/.wherry-ready"))
    assert len(ready) == 1
    made = ready[0].with_name("pyvenv.cfg").stat().st_mtime_ns
    assert Environments(shop.folder / "home", environ={}).known("python:" + RUNNING, "") is None
    assert shop.ensure("boat") == found[0]
    assert ready[0].with_name("pyvenv.cfg").stat().st_mtime_ns == made


def test_what_was_given_is_not_pruned_and_what_another_server_left_is(shop):
    def left(environments):
        return [one.name for one in asyncio.run(prune(environments, now=2000, unused_s=1, dry_run=False))]

    given = shop.ensure("boat")
    path = shop.environments.folder / given.key
    os.utime(path / ".wherry-ready", (1000, 1000))
    assert given.key not in left(shop.environments)
    shop.environments = Environments(shop.folder / "home", environ=shop.environ)
    assert left(shop.environments) == [given.key]
    assert not path.exists()
    assert shop.ensure("boat") == given
    assert path.exists()


def test_half_made_is_made_again(shop):
    found = shop.ensure("freight==1.0")
    folder = os.path.dirname(found.bin)
    os.unlink(os.path.join(folder, ".wherry-ready"))
    os.unlink(found.python)
    assert shop.ensure("freight==1.0") == found
    assert ask(found, "__import__('freight').version") == "1.0"


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        (["no-such-thing"], ["no-such-thing was not found"]),
        (["boat", "freight==2.0"], ["boat", "freight", "unsatisfiable"]),
        (["a b c"], ["a b c"]),
    ],
)
def test_uv_says_why_not(shop, requirements, words):
    with pytest.raises(EnvironmentFailed) as raised:
        shop.ensure(*requirements)
    assert all(word in raised.value.message for word in words), raised.value.message
    assert "\n" not in raised.value.message
    with pytest.raises(EnvironmentFailed):
        shop.identity(*requirements)


def test_identity_is_content(shop):
    plain, one, two = shop.identity(), shop.identity("freight==1.0"), shop.identity("freight")
    assert len({plain, one, two}) == 3
    assert shop.identity("freight == 1.0") == one
    assert plain == f"python {RUNNING}"
    assert shop.identity(image="alpine") != plain


def test_requirements_on_an_unmapped_image_come_on_top_of_the_host(shop):
    found = shop.ensure("freight", image="me/image")
    assert ask(found, "__import__('freight').version") == "2.0"
    assert ask(found, "__import__('pytest').__name__") == "pytest"


def test_another_python_of_this_machine(shop):
    here = next((v for v in ("3.12", "3.10", "3.13") if v != RUNNING and _there(shop, v)), None)
    if here is None:
        pytest.skip("only one Python on this machine")
    found = shop.ensure(image=f"python:{here}")
    assert ask(found, "'%d.%d' % __import__('sys').version_info[:2]") == here


def _there(shop, version):
    shop.environ["UV_PYTHON_DOWNLOADS"] = "never"
    try:
        asyncio.run(Environments(shop.folder / "probe", environ=shop.environ).ensure(f"python:{version}", ""))
    except EnvironmentFailed:
        return False
    return True


def test_a_python_that_cannot_be_had(shop):
    environments = Environments(shop.folder / "home", environ={**shop.environ, "UV_PYTHON_DOWNLOADS": "never"})
    with pytest.raises(EnvironmentFailed) as raised:
        asyncio.run(environments.ensure("python:3.99", ""))
    assert raised.value.message.startswith("Python 3.99 is not on this machine and uv cannot fetch it")
    assert "wherry.toml" in (raised.value.hint or "")


def test_pip_configuration(tmp_path):
    config = tmp_path / ".config" / "pip"
    config.mkdir(parents=True)
    (config / "pip.conf").write_text(
        "[global]\nindex-url = https://one/simple\nfind-links =\n  /a\n  /b\n[install]\ntrusted-host = one two\n"
    )
    found = pip_config.read({"HOME": str(tmp_path), "PIP_EXTRA_INDEX_URL": "https://two/simple https://three/simple"})
    assert found.index_url == "https://one/simple"
    assert found.extra_index_urls == ("https://two/simple", "https://three/simple")
    assert found.find_links == ("/a", "/b")
    assert found.trusted_hosts == ("one", "two")
    assert pip_config.read({"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}) == pip_config.Indexes()
    assert pip_config.read({"HOME": str(tmp_path), "UV_INDEX_URL": "https://uv"}).index_url == ""


def test_index_arguments():
    indexes = pip_config.Indexes(index_url="https://one", extra_index_urls=("https://two",), trusted_hosts=("one",))
    assert indexes.arguments()[2:] == [
        *("--index-url", "https://one", "--extra-index-url", "https://two", "--allow-insecure-host", "one")
    ]
    task = indexes.with_task(["https://a", "https://b"], ["a"])
    assert (task.index_url, task.extra_index_urls) == ("https://a", ("https://b",))
    assert task.trusted_hosts == ("one", "a")
    assert pip_config.Indexes(no_index=True, extra_index_urls=("x",)).arguments()[2:] == ["--no-index"]
