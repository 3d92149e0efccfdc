"""Bad input, end to end: one clear error that names what and where, the proper exit code, and nothing left running."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.cli.homes import RealHome, until

COMPONENTS = """
from typing import NamedTuple

from wherry import dsl
from wherry.dsl import Dataset, Output


@dsl.component
def raises(n: int = 1) -> int:
    def inner():
        raise ValueError(f"no good: {n}")

    inner()


@dsl.component
def exits() -> int:
    import sys

    sys.exit(7)


@dsl.component
def killed():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


@dsl.component
def lacks_a_module() -> int:
    import sklearn_which_nobody_has


@dsl.component
def wrong_type() -> int:
    return "text"


@dsl.component
def never_writes(out: Output[Dataset]):
    pass


@dsl.component
def too_big() -> str:
    return "x" * 10_000_000


@dsl.component
def leaves_children() -> int:
    import subprocess

    subprocess.Popen(["sleep", "600"])
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    return 1


@dsl.component
def closes_stdout() -> int:
    import os

    os.close(1)
    os.close(2)
    return 1


@dsl.component
def prints_much() -> int:
    import sys

    for _ in range(100):
        sys.stdout.write("x" * ((1 << 20) - 1) + "\\n")
    return 1


@dsl.component
def prints_bytes() -> int:
    import sys

    sys.stdout.buffer.write(b"\\xff\\xfe\\x00 bytes")
    return 1


@dsl.component
def escapes(out: Output[Dataset]):
    out.path = "/tmp/../etc/wherry-was-here"


@dsl.component(packages_to_install=["no-such-package-of-anybody-zzz"])
def no_such_package() -> int:
    return 1


@dsl.component(packages_to_install=["six==1.16.0", "six==1.15.0"])
def two_that_conflict() -> int:
    return 1
"""


@pytest.fixture(scope="module")
def bad(shared: RealHome) -> RealHome:
    """A home whose flows are all bad."""
    shared.write("bad.py", COMPONENTS)
    return shared


INNER_LINE = COMPONENTS.splitlines().index("    inner()") + 1
LACKING_LINE = COMPONENTS.splitlines().index("def lacks_a_module() -> int:")  # the decorator's: one above


@pytest.mark.parametrize(
    ("component", "words"),
    [
        (
            "raises",
            ["task raises failed: ValueError: no good: 1", f'bad.py", line {INNER_LINE}, in raises'],
        ),
        ("exits", ["task exits failed", "sys.exit(7)"]),
        ("killed", ["task killed failed", "signal 9 (SIGKILL)"]),
        (
            "lacks_a_module",
            [
                "ModuleNotFoundError: No module named 'sklearn_which_nobody_has'",
                f"decorator at bad.py:{LACKING_LINE}",
                "packages_to_install=['sklearn_which_nobody_has']",
            ],
        ),
        ("wrong_type", ["task wrong-type failed", "<class 'str'>", "<class 'int'>"]),
        ("never_writes", ["task never-writes failed", "'out'", "never written"]),
        ("too_big", ["task too-big failed", "'Output'", "use an artifact"]),
    ],
)
def test_a_task_that_fails_says_what_and_where(bad: RealHome, component: str, words: list[str]) -> None:
    done = bad.run("run", f"bad.py:{component}")
    assert done.code == 1, done
    for word in words:
        assert word in done.err
    assert "wherry/runtime" not in done.err
    assert done.err.splitlines()[-1].startswith("full log: wherry logs ")


@pytest.mark.parametrize("component", ["closes_stdout", "leaves_children", "prints_much", "prints_bytes"])
def test_odd_tasks_succeed_and_leave_nothing(bad: RealHome, component: str) -> None:
    done = bad.run("run", f"bad.py:{component}", "--no-cache")
    assert done.code == 0, done.err
    assert not [process for process in bad.processes() if "sleep" in process.cmdline()]


def test_a_hundred_megabytes_of_log_come_back(bad: RealHome) -> None:
    assert bad.run("run", "bad.py:prints_much").code == 0
    run = json.loads(bad.run("ls", "--json", "-n", "1").out)["id"]
    cached = bad.json("show", run, "--json")["tasks"]
    origin = next((task["cached_from"] for task in cached if task["cached_from"]), run)
    reader = bad.start("logs", origin, "prints-much", bufsize=1 << 20)
    assert reader.stdout is not None
    size = 0
    while data := reader.stdout.read(1 << 20):
        size += len(data)
    reader.communicate()
    assert (reader.returncode, size) == (0, 100 << 20)


def test_bytes_that_are_not_utf8_come_back_as_they_were(bad: RealHome) -> None:
    assert bad.run("run", "bad.py:prints_bytes", "--no-cache").code == 0
    log = bad.run("logs", "latest", "prints-bytes").out
    assert log.encode("utf-8", "surrogateescape") == b"\xff\xfe\x00 bytes"


@pytest.mark.parametrize(
    ("component", "word"),
    [("no_such_package", "no-such-package-of-anybody-zzz"), ("two_that_conflict", "six==1.15.0")],
)
def test_requirements_that_cannot_be_met_are_named(bad: RealHome, component: str, word: str) -> None:
    done = bad.run("run", f"bad.py:{component}")
    assert done.code == 1
    assert word in done.err
    assert "Traceback" not in done.err


def test_a_path_that_leaves_its_folder_harms_nothing(bad: RealHome) -> None:
    bad.run("run", "bad.py:escapes")
    assert not Path("/etc/wherry-was-here").exists()


def valid(bad: RealHome) -> dict[str, object]:
    """A compiled pipeline, to be made wrong."""
    assert bad.run("compile", "hello.py", "-o", "valid.json").code == 0
    return json.loads((bad.work / "valid.json").read_text())


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["root", "dag", "tasks", "hello", "dependentTasks"], ["hello"], ["wait for each other: hello -> hello"]),
        (["root", "dag", "tasks", "hello", "dependentTasks"], ["nobody"], ["nobody"]),
        (["root", "dag", "tasks", "hello", "componentRef", "name"], "comp-none", ["comp-none"]),
        (["root", "dag", "tasks", "hello", "frobnicate"], 1, ["frobnicate"]),
        (["schemaVersion"], "9.9.9", ["schemaVersion", "9.9.9"]),
        (["pipelineInfo", "name"], "../../etc", ["pipelineInfo.name"]),
        (["pipelineInfo"], None, ["pipelineInfo"]),
        (["root", "dag", "tasks", "hello", "iteratorPolicy"], {"parallelismLimit": "x"}, ["parallelismLimit"]),
    ],
)
def test_ir_that_cannot_be_run_is_refused_with_the_field(
    bad: RealHome, path: list[str], value: object, words: list[str]
) -> None:
    document = valid(bad)
    inner = document
    for key in path[:-1]:
        inner = inner[key]  # type: ignore[assignment, index]
    inner[path[-1]] = value
    bad.write("wrong.json", json.dumps(document))
    before = bad.run("ls", "--json", "--all").out
    done = bad.run("run", "wrong.json")
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert bad.run("ls", "--json", "--all").out == before


@pytest.mark.parametrize("name", ["../escape", "a/b", "..", "x\x00y"])
def test_names_that_leave_a_folder_are_refused(bad: RealHome, name: str) -> None:
    text = json.dumps(valid(bad)).replace('"Output"', json.dumps(name)).replace('"hello"', json.dumps(name))
    bad.write("names.json", text)
    done = bad.run("run", "names.json")
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    outside = [path for path in bad.home.parent.rglob("*escape*") if bad.home / "artifacts" not in path.parents]
    assert outside == []


def test_an_argument_of_ten_megabytes_is_refused(bad: RealHome) -> None:
    bad.write("args.json", json.dumps({"name": "x" * 10_000_000}))
    done = bad.run("run", "hello.py", "--args", "args.json")
    assert done.code == 2
    assert "'name'" in done.err
    assert "1 MiB" in done.err
    assert len(done.err) < 1000


@pytest.mark.parametrize(
    ("flow", "word"),
    [
        ("none.py", "there is no file none.py"),
        ("broken.py", "does not parse"),
        ("empty.py", "has no pipeline"),
        ("three.py", "has 3 pipelines: a, b, c"),
        ("raises.py", "ZeroDivisionError"),
    ],
)
def test_files_that_are_no_flows(bad: RealHome, flow: str, word: str) -> None:
    bad.write("broken.py", "def broken(:\n")
    bad.write("empty.py", "x = 1\n")
    bad.write("raises.py", "1 / 0\n")
    one = "@dsl.pipeline(name='{0}')\ndef {0}():\n    hello()\n\n\n"
    imports = "from hello import hello\nfrom wherry import dsl\n\n\n"
    bad.write("three.py", imports + "".join(one.format(name) for name in "abc"))
    done = bad.run("run", flow)
    assert (done.code, done.out) == (2, "")
    assert word in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr!r}")
    try:
        real = RealHome(tmp_path, home=disk / "home")
        real.write(
            "fill.py",
            "from wherry import dsl\nfrom wherry.dsl import Dataset, Output\n\n\n@dsl.component\n"
            "def fills(out: Output[Dataset]):\n    with open(out.path, 'wb') as file:\n"
            "        for _ in range(30):\n            file.write(b'x' * (1 << 20))\n",
        )
        done = real.run("run", "fill.py")
        assert done.code == 1
        assert "no space" in done.err.lower() or "disk is full" in done.err
        assert "is kept" in done.err or "task fills failed" in done.err
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        until(lambda: real.json("show", "latest", "--json")["state"] in ("SUCCEEDED", "FAILED"), "the run's end")
        assert real.run("run", "fill.py", "--no-cache").code == 0
        real.end()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
