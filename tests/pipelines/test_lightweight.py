"""Recognition of KFP's command lines: every form it writes is taken apart, anything else is left alone."""

# ruff: noqa: E501 - command lines as KFP writes them

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    ],
)  # fmt: skip
def test_lightweight_components_become_functions(commands: str | None, expected: Installs) -> None:
    assert function(commands) == Function(SOURCE, hashlib.sha256(SOURCE.encode()).hexdigest(), "add", expected)


@pytest.mark.parametrize(
    "commands",
    [
        INSTALL + "--pre 'pandas'",
        INSTALL + "'pandas' && rm -rf /",
        "echo hello",
        INSTALL + "'unbalanced",
        INSTALL + "--index-url",
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
        ("from kfp import compiler", True),
        ("import kfp.compiler as c", True),
        ("def f(): return kfp.Client()", True),
        ("def f():\n    from kfp.local import init", True),
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
