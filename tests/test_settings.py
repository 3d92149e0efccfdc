"""`wherry.toml` and the home: what is read, what is refused and how it is said."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry import home as homes
from wherry import settings
from wherry.errors import UsageError
from wherry.home import Home

WHOLE = """
[targets.prod]
context = "prod-eu"
kubeconfig = "kube.yaml"
namespace = "ml"
artifacts = "s3://bucket/path"

[targets.prod.images]
"tf:*" = "registry/tf:2"

[targets.disk]
artifacts = "results"

[images]
"python:3.11" = { requirements = ["numpy"], python = "3.11" }
"base" = "other"
"team" = { image = "other" }
"alpine" = { python = false }

[code]
include = ["src/", "*.py"]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "wherry.toml"
    path.write_text(text)
    return str(path)


def test_a_cluster_says_how_its_pods_mount_folders(tmp_path: Path) -> None:
    text = """
[targets.prod]
context = "prod"
kubeconfig = "kube.yaml"
artifacts = "/shared/wherry"
volume = { nfs = { server = "files", path = "/export" }, sub_path = "wherry" }
wheels = { claim = "wheels" }
pull_secrets = ["registry"]
pending_limit = "10m"
"""
    prod = settings.read(write(tmp_path, text)).target("prod")
    assert prod.kubeconfig == str(tmp_path / "kube.yaml")
    assert prod.volume == settings.Volume(nfs_server="files", nfs_path="/export", sub_path="wherry")
    assert prod.wheels == settings.Volume(claim="wheels")
    assert (prod.pull_secrets, prod.pending_limit_s) == (("registry",), 600.0)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    project = settings.read(write(tmp_path, WHOLE))
    prod = project.target("prod")
    assert (prod.context, prod.namespace, prod.artifacts, prod.is_local) == (
        "prod-eu",
        "ml",
        "s3://bucket/path",
        False,
    )
    assert [rule.pattern for rule in project.image_rules(prod)] == ["tf:*", "python:3.11", "base", "team", "alpine"]
    assert project.images[0] == settings.ImageRule("python:3.11", requirements=("numpy",), python="3.11")
    assert project.images[1].image == project.images[2].image == "other"
    assert project.images[3] == settings.ImageRule("alpine", without_python=True)
    assert project.code == settings.Code(include=("src/", "*.py"))
    assert project.target(None).is_local


def test_a_folder_of_artifacts_is_relative_to_the_file(tmp_path: Path) -> None:
    project = settings.read(write(tmp_path, WHOLE))
    assert project.target("disk").artifacts == str(tmp_path / "results")
    assert project.target("disk").is_local


def test_the_file_is_found_upwards(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert settings.project(str(deep)).path == os.path.realpath(path)
    assert settings.project(str(deep)).folder == os.path.realpath(tmp_path)


def test_without_a_file_all_is_empty(tmp_path: Path) -> None:
    found = settings.find(str(tmp_path))
    if found is None:  # a stranger's machine may have one above its temporary folder
        assert settings.project(str(tmp_path)) == settings.Project()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[target.x]", ["unknown key 'target' at the top", "did you mean 'targets'?"]),
        ("[targets.x]\ncontxt = 'a'", ["unknown key 'contxt' in [targets.x]", "did you mean 'context'?"]),
        ("[code]\ninclud = []", ["unknown key 'includ' in [code]", "'include'"]),
        ("[images]\n'a' = { requirement = [] }", ["unknown key 'requirement'", "'requirements'"]),
        ("[targets.x]\ncontext = 3", ["targets.x.context must be a text", "not a number"]),
        ("[targets.x]\ncontext = ''", ["targets.x.context", "an empty text"]),
        ("[code]\ninclude = 'src'", ["code.include must be a list of texts, not a text"]),
        ("[code]\ninclude = [1]", ["code.include must be a list of texts"]),
        ("code = 1", ["code must be a table, not a number"]),
        ("targets = 1", ["targets must be a table"]),
        ("[targets]\nx = 'y'", ["targets.x must be a table, not a text"]),
        ("[images]\n'a' = 2020-01-01", ["must be a table, not a date or time"]),
        ("[targets.x]\ncontext = 'a'\nserver = 'b'", ["both context and server"]),
        ("[images]\na = {python = false, requirements = ['b']}", ['images."a" has requirements, but no Python']),
        ("[images]\na = {image = 'b', python = '3.11'}", ['images."a" names another image']),
        ("[targets.x]\nvolume = {claim = 'a'}", ["[targets.x] has volume, but no context", "clusters"]),
        (
            "[targets.x]\ncontext = 'a'\nvolume = {}",
            ["[targets.x.volume] needs one of claim, host_path, nfs, not none"],
        ),
        (
            "[targets.x]\ncontext = 'a'\nvolume = {claim = 'a', host_path = '/b'}",
            ["[targets.x.volume]", "not claim and host_path"],
        ),
        ("[targets.x]\ncontext = 'a'\nvolume = {clam = 'a'}", ["'clam'", "did you mean 'claim'?"]),
        (
            "[targets.x]\ncontext = 'a'\nwheels = {nfs = {server = 's'}}",
            ["[targets.x.wheels.nfs] needs server and path"],
        ),
        ("[targets.x]\ncontext = 'a'\npending_limit = '10'", ["targets.x.pending_limit", "90s, 10m or 2h", "'10'"]),
        ("[targets.x]\ncontext = 'a'\npending_limit = '0s'", ["targets.x.pending_limit", "'0s'"]),
        ("[targets", ["is not valid TOML"]),
        ("\xff", ["is not valid TOML"]),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        settings.read(path)
    for word in [path, *words]:
        assert word in str(caught.value)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wherry.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        settings.read(str(path))


def test_an_unknown_target_is_named_with_a_suggestion(tmp_path: Path) -> None:
    project = settings.read(write(tmp_path, WHOLE))
    with pytest.raises(UsageError, match=r"no target 'prd'.*\n.*did you mean 'prod'"):
        project.target("prd")
    with pytest.raises(UsageError, match="none was found"):
        settings.Project().target("prod")


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"wherry-settings-{os.getpid()}.toml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    try:
        with suppress(UsageError):
            settings.read(str(path))
    finally:
        path.unlink()


def test_the_home_is_absolute_and_its_socket_short_enough(tmp_path: Path) -> None:
    assert homes.of({"WHERRY_HOME": str(tmp_path)}).path == os.path.realpath(tmp_path)
    assert homes.of({}).path.endswith(".wherry")
    deep = Home(str(tmp_path / ("x" * 90) / ("y" * 90)))
    assert len(deep.socket.encode()) <= homes.SOCKET_PATH_LIMIT
    assert os.stat(os.path.dirname(deep.socket)).st_mode & 0o077 == 0
    other = Home(str(tmp_path / ("x" * 90) / ("z" * 90)))
    assert deep.socket != other.socket


def test_a_short_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / f"wherry-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(Exception, match="not a private folder"):
        homes.short_folder()


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"WHERRY_IDLE_S": "soon"}, "WHERRY_IDLE_S"),
        ({"WHERRY_IDLE_S": "nan"}, "seconds"),
        ({"WHERRY_DURABILITY": "x"}, "power"),
    ],
)
def test_the_servers_settings_are_checked(environ: dict[str, str], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        settings.server_settings(environ)


def test_the_servers_settings() -> None:
    chosen = settings.server_settings({"WHERRY_IDLE_S": "1.5", "WHERRY_DURABILITY": "power"})
    assert chosen == settings.ServerSettings(idle_s=1.5, durability="power")


def test_importing_settings_loads_no_parser() -> None:
    code = "import sys, wherry.settings; print([m for m in ('tomllib', 'difflib', 'hashlib') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
