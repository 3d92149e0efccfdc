from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.runtime.tasks import interpreter, interpreters

from wherry.runtime import task_dsl, zipapp

BARE = {"PATH": os.environ["PATH"]}


def test_it_is_deterministic_and_named_by_its_content(tmp_path: Path) -> None:
    first = zipapp.build(tmp_path / "deep" / "runtime.pyz")
    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    assert digest == zipapp.digest()
    named = zipapp.build(tmp_path)
    assert named == tmp_path / f"runtime-{digest[:12]}.pyz"
    inode = named.stat().st_ino
    assert zipapp.build(tmp_path) == named
    assert named.stat().st_ino == inode
    named.write_text("damaged")
    assert zipapp.build(tmp_path).read_bytes() == first.read_bytes()


def test_what_is_in_it() -> None:
    names = set(zipfile.ZipFile(io.BytesIO(zipapp.content())).namelist())
    assert {"__main__.py", "wherry/__init__.py", "wherry/dsl/__init__.py", "wherry/runtime/main.py"} <= names
    assert {"kfp/__init__.py", "kfp/dsl/__init__.py", "kfp/dsl/executor_main.py"} <= names
    assert all(name == "__main__.py" or name.split("/")[0] in ("wherry", "kfp") for name in names)


@pytest.mark.parametrize("minor", interpreters())
def test_its_modules_import_on_their_own(pyz: Path, minor: str) -> None:
    program = (
        "import kfp, sys; from kfp import dsl; from kfp.dsl import *; from wherry import dsl as ours\n"
        "from kfp.dsl.types.artifact_types import Artifact, _SCHEMA_TITLE_TO_TYPE\n"
        "from kfp.dsl.types.type_annotations import InputPath\n"
        "from wherry.dsl.types.artifact_types import Dataset as by_path; assert by_path is dsl.Dataset\n"
        "assert ours.component is dsl.component and Dataset is dsl.Dataset is _SCHEMA_TITLE_TO_TYPE['system.Dataset']\n"
        "assert kfp.__version__\n"
        "try:\n    from wherry import run\nexcept ImportError as error:\n    print(error)\n"
    )
    python = interpreter(minor)
    assert python
    done = subprocess.run(
        [python, "-S", "-E", "-W", "error", "-c", f"import sys; sys.path.insert(0, {str(pyz)!r})\n{program}"],
        capture_output=True,
        text=True,
        env=BARE,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", "wherry.run is not available inside a task: only wherry.dsl is\n")


def test_it_needs_the_standard_library_only(pyz: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(pyz)!r})\n"
        "from wherry.runtime import main; main.preload()\n"
        "import wherry.runtime.executor_main\n"
        "ours = ('wherry', 'kfp')\n"
        "print(sorted({n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names) - set(ours)))\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, env=BARE, check=True)
    assert done.stdout == "['__main__']\n" or done.stdout == "[]\n"


def test_a_task_that_needs_no_packages_and_no_archive_loads_nothing_for_them(pyz: Path) -> None:
    program = (
        f"import json, sys; sys.path.insert(0, {str(pyz)!r})\n"
        "from wherry.runtime import main, requirements; main.preload()\n"
        "asked = {'python': '%s.%s' % sys.version_info[:2], 'requirements': []}\n"
        "requirements.install({requirements.VARIABLE: json.dumps(asked)})\n"
        "dear = 'email importlib.metadata random shutil ssl subprocess tempfile urllib zipfile'\n"
        "print([name for name in dear.split() if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, env=BARE, check=True)
    assert done.stdout == "[]\n"


def test_names_inside_a_task() -> None:
    assert sorted(task_dsl.__all__) == sorted(set(task_dsl.__all__))
    for name in task_dsl.__all__:
        assert hasattr(task_dsl, name)
    for build in (task_dsl.If, task_dsl.ContainerSpec, task_dsl.ParallelFor, task_dsl.importer):
        with pytest.raises(RuntimeError, match="cannot be used inside a running task"):
            build(True)
    with pytest.raises(NotImplementedError):
        task_dsl.run_notebook()

    @task_dsl.component
    def plain() -> int:
        return 1

    @task_dsl.component(base_image="x")
    def configured() -> int:
        return 2

    assert plain() == plain.python_func() == 1
    assert configured() == 2
    assert task_dsl.component(len) is len


def test_a_homes_archive_has_this_pythons_code_beside_the_sources(tmp_path: Path) -> None:
    plain = zipfile.ZipFile(io.BytesIO(zipapp.content())).namelist()
    path = zipapp.build(tmp_path, compiled=True)
    assert zipapp.build(tmp_path, compiled=True) == path
    added = set(zipfile.ZipFile(path).namelist()) - set(plain)
    assert "wherry/runtime/main.pyc" in added
    assert {name.removesuffix("c") for name in added} < set(plain)
    program = (
        f"import sys; sys.path.insert(0, {str(path)!r})\n"
        "from wherry.runtime import main\n"
        f"assert main.__file__ == {str(path / 'wherry/runtime/main.pyc')!r}, main.__file__\n"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def test_equal_sources_give_equal_code_whatever_else_a_process_holds() -> None:
    program = (
        "import hashlib, sys; from wherry.runtime import zipapp\n"
        "text = '\\n'.join(data.decode() for data in zipapp._members().values())\n"
        "kept = [sys.intern(word) for word in text.replace('\"', ' ').split()] if sys.argv[1:] else []\n"
        "print(hashlib.sha256(zipapp.content(compiled=True)).hexdigest())\n"
    )
    found = {
        subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True).stdout
        for words in ([], ["with much in memory"])
    }
    assert len(found) == 1
