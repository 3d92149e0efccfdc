"""Recognition of KFP's command lines: every form it writes is taken apart, anything else is left alone."""

# ruff: noqa: E501 - command lines as KFP writes them

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import oracles

from wherry.pipelines.lightweight import Function, Installs, Program, needs_real_kfp, recognise

HEADER = "\nimport kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n\n"
SOURCE = HEADER + "def add(a: int, b: int) -> int:\n    return a + b\n\n"
RUN = """program_path=$(mktemp -d)

printf "%s" "$0" > "$program_path/ephemeral_component.py"
_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main                         --component_module_path                         "$program_path/ephemeral_component.py"                         "$@"
"""
ARGS = ["--executor_input", "{{$}}", "--function_to_execute", "add"]
KFP = "python3 -m pip install --quiet --no-warn-script-location {options}'kfp==2.17.0' '--no-deps' 'typing-extensions>=3.7.4,<5; python_version<\"3.9\"'"
VENV = '\nexport PIP_DISABLE_PIP_VERSION_CHECK=1\ntmp=$(mktemp -d)\npython3 -m venv "$tmp/venv" --system-site-packages\n. "$tmp/venv/bin/activate"\n'


def pip(commands: str) -> str:
    return f"""
if ! [ -x "$(command -v pip)" ]; then
    python3 -m ensurepip || python3 -m ensurepip --user || apt-get install python3-pip
fi

PIP_DISABLE_PIP_VERSION_CHECK=1 {commands} && "$0" "$@"
"""


def function(commands: str | None, source: str = SOURCE) -> Function | Program:
    prefix = ["sh", "-c", pip(commands)] if commands is not None else []
    return recognise([*prefix, "sh", "-ec", RUN, source], ARGS)


INSTALL = "python3 -m pip install --quiet --no-warn-script-location "


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        (None, Installs()),
        (KFP.format(options=""), Installs(kfp="kfp==2.17.0")),
        (KFP.format(options="--index-url https://i/simple --trusted-host https://i/simple "), Installs(kfp="kfp==2.17.0")),
        (VENV + " " + KFP.format(options=""), Installs(kfp="kfp==2.17.0")),
        (INSTALL + "'pandas>=2; python_version>\"3.9\"' 'numpy'", Installs(('pandas>=2; python_version>"3.9"', "numpy"))),
        (
            INSTALL + "--index-url https://i --extra-index-url https://j --trusted-host i 'pandas'  &&  "
            + KFP.format(options="--index-url https://i --extra-index-url https://j --trusted-host i "),
            Installs(("pandas",), ("https://i", "https://j"), ("i",), "kfp==2.17.0"),
        ),
        (INSTALL + "'pandas'  && " + VENV + " " + KFP.format(options=""), Installs(("pandas",), kfp="kfp==2.17.0")),
        (INSTALL + "'kfp==2.1.0'", Installs(kfp="kfp==2.1.0")),
        (
            INSTALL + "'git+https://github.com/kubeflow/pipelines@refs/pull/1/merge#subdirectory=sdk/python' '--no-deps'",
            Installs(kfp="git+https://github.com/kubeflow/pipelines@refs/pull/1/merge#subdirectory=sdk/python"),
        ),
        (INSTALL + "'kfp-kubernetes' 'kfp'", Installs(("kfp-kubernetes", "kfp"))),
        (INSTALL + "'kfp'", Installs(("kfp",))),  # nothing that KFP writes by itself: the user wants it
        (INSTALL + "'kfp>=2.4'", Installs(("kfp>=2.4",))),
        (INSTALL + "'kfp==2.4.0' 'pandas'", Installs(("kfp==2.4.0", "pandas"))),
        (INSTALL + "'pandas' '-i' 'https://k' '--upgrade'", Installs(("pandas",), ("https://k",))),
        ("pip install -q --index-url=https://i --extra-index-url=https://j 'pandas'", Installs(("pandas",), ("https://i", "https://j"))),
    ],
)  # fmt: skip
def test_lightweight_components_become_functions(commands: str | None, expected: Installs) -> None:
    assert function(commands) == Function(SOURCE, hashlib.sha256(SOURCE.encode()).hexdigest(), "add", expected)


def test_components_of_kfp_2_0() -> None:
    """One line for all packages, kfp the last of them; the executor had another name."""
    line = "python3 -m pip install --quiet     --no-warn-script-location --index-url https://i --trusted-host https://i 'pandas==2.2.0' 'kfp==2.0.1'"
    run = RUN.replace("_KFP_RUNTIME=true ", "").replace("kfp.dsl.", "kfp.components.").replace("\n\n", "\n")
    found = recognise(["sh", "-c", pip(line), "sh", "-ec", run, SOURCE], ARGS)
    assert isinstance(found, Function)
    assert found.installs == Installs(("pandas==2.2.0",), ("https://i",), ("https://i",), "kfp==2.0.1")


@pytest.mark.oracle
def test_every_command_of_the_released_kfp_is_recognised(tmp_path: Path) -> None:
    """All options of the decorator that shape the command, compiled by kfp itself."""
    options: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
        "plain": ({}, ()),
        "packages": ({"packages_to_install": ["a==1", 'b>=2; python_version>"3.8"', "it's"]}, ("a==1", 'b>=2; python_version>"3.8"', "it's")),
        "indexes": ({"packages_to_install": ["a"], "pip_index_urls": ["https://i", "https://j"], "pip_trusted_hosts": ["i"]}, ("a",)),
        "no kfp": ({"packages_to_install": ["a"], "install_kfp_package": False}, ("a",)),
        "nothing": ({"install_kfp_package": False}, ()),
        "kfp from git": ({"kfp_package_path": "git+https://github.com/kubeflow/pipelines@abc#subdirectory=sdk/python"}, ()),
        "kfp from git as an egg": ({"packages_to_install": ["a"], "kfp_package_path": "git+https://github.com/kubeflow/pipelines.git@abc#egg=kfp&subdirectory=sdk/python"}, ("a",)),
        "venv": ({"use_venv": True, "packages_to_install": ["a"]}, ("a",)),
        "venv of nothing": ({"use_venv": True}, ()),
    }  # fmt: skip
    (tmp_path / "ask.py").write_text(
        "import json, sys\nfrom kfp import dsl\ndef f(a: int) -> int:\n    return a\n"
        "containers = {}\n"
        "for name, options in json.loads(sys.argv[1]).items():\n"
        "    spec = dsl.component(f, **options).component_spec.implementation.container\n"
        "    containers[name] = [list(spec.command), list(spec.args)]\n"
        "print(json.dumps(containers))\n"
    )
    asked = json.dumps({name: given for name, (given, _) in options.items()})
    done = subprocess.run(
        [oracles.python("kfp", oracles.KFP), "-W", "ignore", tmp_path / "ask.py", asked],
        capture_output=True,
        check=True,
    )
    for name, (command, args) in json.loads(done.stdout).items():
        found = recognise(command, args)
        assert isinstance(found, Function), name
        assert found.installs.requirements == options[name][1], name
        assert found.name == "f"


@pytest.mark.parametrize(
    "commands",
    [
        INSTALL + "--pre 'pandas'",
        INSTALL + "'pandas' && rm -rf /",
        "echo hello",
        INSTALL + "'unbalanced",
        INSTALL + "--index-url",
        INSTALL + "--no-deps 'pandas'",
        INSTALL + "--extra-index-url https://j 'pandas'",
        INSTALL + "--index-url https://i --index-url https://j 'pandas'",
        INSTALL + "pandas; echo done",
        INSTALL + "pandas>=2",
        INSTALL + "pandas # the newest",
        INSTALL + '"$PACKAGES"',
        INSTALL + "`cat names`",
    ],
)
def test_what_is_not_understood_runs_as_it_stands(commands: str) -> None:
    command = ["sh", "-c", pip(commands), "sh", "-ec", RUN, SOURCE]
    assert recognise(command, ARGS) == Program(tuple(command), tuple(ARGS), Installs(), mentions_kfp=True)


def test_pip_lines_in_front_of_other_programs_are_taken_off() -> None:
    line = "PIP_DISABLE_PIP_VERSION_CHECK=1 " + INSTALL + "'xgboost==1.1.1' 'pandas'"
    script = f'({line} || {line} --user) && "$0" "$@"'
    found = recognise(["sh", "-c", script, "python3", "-u", "-c", "print(1)"], ["--x", "1"])
    assert found == Program(
        ("python3", "-u", "-c", "print(1)"), ("--x", "1"), Installs(("xgboost==1.1.1", "pandas")), mentions_kfp=False
    )


@pytest.mark.parametrize("args", [ARGS[:2], [*ARGS, "--more"], ["--executor_input", "{}", *ARGS[2:]]])
def test_other_arguments_are_another_program(args: list[str]) -> None:
    assert isinstance(recognise(["sh", "-ec", RUN, SOURCE], args), Program)


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("def f(): return dsl.Artifact", False),
        ("import kfp.dsl", False),
        ("from kfp.dsl.types import artifact_types", False),
        ("from kfp.dsl.structures import ComponentSpec", True),
        ("from kfp import compiler", True),
        ("import kfp.compiler as c", True),
        ("def f(): return kfp.Client()", True),
        ("def f():\n    from kfp.local import init", True),
        ("import importlib\nx = importlib.import_module('kfp.compiler')", True),
        ("import importlib\nx = importlib.import_module('kfp.dsl')", False),
        ("# kfp.Client() is not used", False),
        ("x = 'kfp' +", False),
    ],
)
def test_the_real_kfp_is_installed_only_for_what_the_runtime_lacks(line: str, needed: bool) -> None:
    assert needs_real_kfp(HEADER + line + "\n") is needed
    found = function(KFP.format(options="--index-url https://i "), HEADER + line + "\n")
    expected = (
        Installs(("kfp==2.17.0",), ("https://i",), (), "kfp==2.17.0")
        if needed
        else Installs((), ("https://i",), (), "kfp==2.17.0")
    )
    assert found.installs == (expected if needed else Installs(kfp="kfp==2.17.0"))


@given(st.lists(st.text(max_size=40), max_size=6), st.lists(st.text(max_size=20), max_size=5))
def test_any_command_is_something_and_loses_nothing(command: list[str], args: list[str]) -> None:
    found = recognise(command, args)
    assert isinstance(found, Program)
    assert (*found.command, *found.args) == (*command, *args)
