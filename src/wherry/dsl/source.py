"""A Python component's container: the command that installs what it needs and runs the function's own source.

Called by `wherry.dsl.python_component`.  Invariant: byte for byte KFP's command, so that the document runs on every
KFP and finds what other runs of the same component have left in the cache.
"""

from __future__ import annotations

import os

from wherry.compiler.places import at
from wherry.runtime.placeholders import PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

KFP_VERSION = "2.17.0"
EXECUTOR_COMMAND = ["python3", "-m", "kfp.dsl.executor_main"]
_IMPORTS = ["import kfp", "from kfp import dsl", "from kfp.dsl import *", "from typing import *"]
_RUN = (
    "program_path=$(mktemp -d)\n\n"
    'printf "%s" "$0" > "$program_path/ephemeral_component.py"\n'
    f"_KFP_RUNTIME=true {' '.join(EXECUTOR_COMMAND)} "
    "                        --component_module_path "
    '                        "$program_path/ephemeral_component.py" '
    '                        "$@"\n'
)
_INSTALL = """
if ! [ -x "$(command -v pip)" ]; then
    python3 -m ensurepip || python3 -m ensurepip --user || apt-get install python3-pip
fi

PIP_DISABLE_PIP_VERSION_CHECK=1 {commands} && "$0" "$@"
"""
_VENV = """
export PIP_DISABLE_PIP_VERSION_CHECK=1
tmp=$(mktemp -d)
python3 -m venv "$tmp/venv" --system-site-packages
. "$tmp/venv/bin/activate"
"""


def run_command(source: str) -> list[str]:
    """The command that runs a function from a source text."""
    return ["sh", "-ec", _RUN, source]


def arguments(function_name: str) -> list[str]:
    """What the executor is told: the task's inputs and the function."""
    return ["--executor_input", PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER, "--function_to_execute", function_name]


def install_command(
    packages: Sequence[str],
    *,
    with_kfp: bool,
    kfp_package_path: str | None,
    index_urls: Sequence[str],
    trusted_hosts: Sequence[str] | None,
    use_venv: bool,
) -> list[str]:
    """The command that installs packages and goes on with the one after it; empty when there is nothing to install.

    Raises TypeError for lists that are none, a text above all: its letters would be installed.
    """
    lists: dict[str, Any] = {
        "packages_to_install": packages,
        "pip_index_urls": index_urls,
        "pip_trusted_hosts": trusted_hosts or (),
    }
    for name, given in lists.items():
        if type(given) not in (list, tuple) or any(type(one) is not str for one in given):
            raise TypeError(at(f"{name} must be a list of texts. Got: {given!r}."))
    install_kfp = with_kfp and not any(package.startswith("kfp") for package in packages)
    options = _index_options(index_urls, trusted_hosts)
    parts: list[str] = []
    if packages:
        parts.append(_pip(packages, options))
        if install_kfp:
            parts.append(" && ")
    if install_kfp:
        if use_venv:
            parts.append(_VENV)
        parts.append(_pip(_kfp_packages(kfp_package_path), options))
    return ["sh", "-c", _INSTALL.format(commands=" ".join(parts))] if parts else []


def module_source(
    func: Callable[..., Any], imports: Sequence[str], additional_funcs: Sequence[Callable[..., Any]], helper: str | None
) -> str:
    """The module that the executor loads: imports, helpers and the function without its decorators."""
    text = "\n".join([*_IMPORTS, *imports])
    if additional_funcs:
        text += "\n\n" + "\n\n".join(function_source(one) for one in additional_funcs)
    if helper:
        text += f"\n\n{helper}\n"
    return f"\n{text}\n\n{function_source(func)}\n"


def function_source(func: Callable[..., Any]) -> str:
    """The source of a function, dedented, from its `def` on.

    Raises OSError when there is no source to read (a function typed into an interpreter).
    """
    import linecache  # noqa: PLC0415 - these three load `re`: 8 ms that `import wherry.dsl` by itself does not need
    import textwrap  # noqa: PLC0415

    while hasattr(func, "__wrapped__"):
        func = func.__wrapped__  # type: ignore[attr-defined]
    require_function(func)
    code = func.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, func.__globals__)  # type: ignore[attr-defined]
    if len(lines) < code.co_firstlineno:
        raise OSError(
            at(f"could not get source code of {func.__name__}: write it in a file, or in a cell of a notebook")
        )
    text = textwrap.dedent("".join(_block(lines[code.co_firstlineno - 1 :]))).split("\n")
    start = next((index for index, line in enumerate(text) if line.startswith("def")), len(text))
    return "\n".join(text[start:])


def require_function(value: object) -> None:
    """Raise TypeError for what is not a function written in Python."""
    if not hasattr(value, "__code__"):
        raise TypeError(at(f"Only a function written in Python can be used here. Got: {value!r}."))


def _block(lines: list[str]) -> list[str]:
    """The lines of the definition that the lines start with, its decorators and the comments at its end included."""
    import tokenize  # noqa: PLC0415

    brackets = depth = last = 0
    in_definition = in_body = False
    body_column: int | None = None
    try:
        for kind, text, (row, column), (_, end_column), _ in tokenize.generate_tokens(iter(lines).__next__):
            if not in_definition:
                brackets += (text in "([{") - (text in ")]}") if kind == tokenize.OP else 0
                in_definition = text == "def" and brackets == 0
            elif kind == tokenize.NEWLINE:
                in_body, last = True, row
            elif kind == tokenize.INDENT:
                body_column = end_column if body_column is None else body_column
                depth += 1
            elif kind == tokenize.DEDENT:
                depth -= 1
                if depth <= 0:
                    break
            elif kind == tokenize.COMMENT:
                if body_column is not None and column >= body_column:
                    last = row
            elif depth == 0 and in_body and kind != tokenize.NL:
                break
    except (IndentationError, tokenize.TokenError):
        pass  # what follows the definition need not be well formed
    return lines[:last]


def _pip(packages: Sequence[str], options: str) -> str:
    quoted = " ".join(repr(str(package)) for package in packages)
    return f"python3 -m pip install --quiet --no-warn-script-location {options}{quoted}"


def _kfp_packages(path: str | None) -> list[str]:
    if not path:
        return [f"kfp=={KFP_VERSION}", "--no-deps", 'typing-extensions>=3.7.4,<5; python_version<"3.9"']
    return [path, "--no-deps"] if os.path.exists(path) or "@refs/pull/" in path else [path]


def _index_options(index_urls: Sequence[str], trusted_hosts: Sequence[str] | None) -> str:
    if not index_urls:
        return ""
    options = [f"--index-url {index_urls[0]}", *(f"--extra-index-url {url}" for url in index_urls[1:])]
    options.extend(f"--trusted-host {host}" for host in (index_urls if trusted_hosts is None else trusted_hosts))
    return " ".join(options) + " "
