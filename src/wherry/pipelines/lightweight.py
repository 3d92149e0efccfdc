"""Recognises what KFP compiles a Python function into, so that our own runtime can run it without pip or kfp.

Called by `pipelines.pods` once a component.  Invariant: a command is taken apart only if every word of it is
understood; anything else runs exactly as it stands.
"""

from __future__ import annotations

import ast
import hashlib
import re
import shlex
from collections.abc import Sequence
from functools import lru_cache

import msgspec

# `sh -ec` of a lightweight component: writes its $0 to a file and runs kfp's executor on it.
_EPHEMERAL = re.compile(
    r"\s*program_path=\$\(mktemp -d\)\s+"
    r'printf "%s" "\$0" > "\$program_path/ephemeral_component\.py"\s+'
    r"(?:_KFP_RUNTIME=true )?python3 -m kfp\.(?:dsl|components)\.executor_main\s+"
    r'--component_module_path\s+"\$program_path/ephemeral_component\.py"\s+"\$@"\s*'
)
_ENSURE_PIP = re.compile(r'\s*if ! \[ -x "\$\(command -v pip\)" \]; then\s+(?:[^\n]*\|\|[^\n]*\n)\s*fi\s*')
_VENV = re.compile(
    r"(?:export PIP_DISABLE_PIP_VERSION_CHECK=1\s+)?tmp=\$\(mktemp -d\)\s+"
    r'python3 -m venv "\$tmp/venv" --system-site-packages\s+\. "\$tmp/venv/bin/activate"\s+'
)
_USER_FALLBACK = re.compile(r"\s*\((?P<first>.+?) \|\| (?P<second>.+?) --user\) && \"\$0\" \"\$@\"\s*", re.DOTALL)
_RUN_THE_REST = re.compile(r'&&\s*(?:exec )?"\$0" "\$@"\s*$')
_SHELLS = {"sh", "bash", "/bin/sh", "/bin/bash"}
_PIPS = (("python3", "-m", "pip"), ("python", "-m", "pip"), ("pip3",), ("pip",))
_ASSIGNMENTS = {"PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_CACHE_DIR=1", "PIP_ROOT_USER_ACTION=ignore"}
# What KFP itself adds to the user's packages: one exact release, or its own repository.
_KFP_ITSELF = re.compile(r"kfp==[^\s,*]+|(?:kfp @ )?git\+https?://\S*/pipelines\b\S*#\S*\bsdk/python\S*")
_OPTIONS_WITH_VALUE = {"-i": "main", "--index-url": "main", "--extra-index-url": "extra", "--trusted-host": "host"}
# Options that change nothing where packages go into an environment of their own.
_FLAGS = {
    "-q", "--quiet", "-U", "--upgrade", "--user", "--force-reinstall", "--no-cache-dir", "--no-input",
    "--no-warn-script-location", "--disable-pip-version-check", "--break-system-packages",
    "--root-user-action=ignore", "--progress-bar=off",
}  # fmt: skip
# What `import kfp` finds in our runtime; anything more needs the real package.
_IN_THE_RUNTIME = {"dsl", "__version__"}
_MODULES = {"kfp", "kfp.dsl", "kfp.dsl.types", "kfp.dsl.types.artifact_types", "kfp.dsl.types.type_annotations"}


class Installs(msgspec.Struct, frozen=True):
    """What pip lines ask for: requirement texts, indexes (the first is the main one), and the kfp that KFP adds."""

    requirements: tuple[str, ...] = ()
    index_urls: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    kfp: str | None = None


class Function(msgspec.Struct, frozen=True):
    """A Python function: the `source` of its file (with its SHA-256), its name, and what it needs installed."""

    source: str
    sha256: str
    name: str
    installs: Installs


class Program(msgspec.Struct, frozen=True):
    """Any other command, without the pip lines that could be taken off its front."""

    command: tuple[str, ...]
    args: tuple[str, ...]
    installs: Installs
    mentions_kfp: bool


def recognise(command: Sequence[str], args: Sequence[str]) -> Function | Program:
    """The function that KFP's `command` and `args` run, or the program that they are."""
    return _recognised(tuple(command), tuple(args))


@lru_cache(maxsize=256)  # KFP writes a component anew for every task that uses it
def _recognised(command: tuple[str, ...], args: tuple[str, ...]) -> Function | Program:
    rest, installs = command, Installs()
    if len(command) > 3 and command[0] in _SHELLS and command[1] in ("-c", "-ec"):
        found = _installs(command[2])
        if found is not None:
            rest, installs = command[3:], found
    name = _executed_function(args)
    if name and len(rest) == 4 and rest[:2] == ("sh", "-ec") and _EPHEMERAL.fullmatch(rest[2]):
        sha256 = hashlib.sha256(rest[3].encode()).hexdigest()
        return Function(rest[3], sha256, name, _with_kfp_if_needed(installs, rest[3]))
    words = (*rest, *args)
    return Program(rest, args, _with_kfp_if_needed(installs, *words), any("kfp" in word for word in words))


def _executed_function(args: Sequence[str]) -> str | None:
    """The function's name, if `args` are exactly what KFP writes."""
    if len(args) != 4 or args[0] != "--executor_input" or args[1] != "{{$}}" or args[2] != "--function_to_execute":
        return None
    return args[3]


def _installs(script: str) -> Installs | None:
    """What the script installs before it runs its arguments; None if it does anything else."""
    text = _ENSURE_PIP.sub("\n", script, count=1)
    fallback = _USER_FALLBACK.fullmatch(text)
    if fallback:
        if fallback["first"].split() != fallback["second"].split():
            return None
        lines = [fallback["first"]]
    else:
        text, replaced = _RUN_THE_REST.subn("", text)
        if replaced != 1:
            return None
        lines = re.split(r"&&|\n", _VENV.sub("", text))
    found = Installs()
    for line in lines:
        if line.strip():
            one = _pip_line(line)
            if one is None:
                return None
            found = _joined(found, one)
    return found


def _pip_line(line: str) -> Installs | None:
    words = _words(line)
    if words is None:
        return None
    while words and words[0] in _ASSIGNMENTS:
        del words[0]
    if not words:
        return Installs()
    pip = next((pip for pip in _PIPS if (*pip, "install") == tuple(words[: len(pip) + 1])), None)
    return None if pip is None else _install_arguments(words[len(pip) + 1 :])


def _words(line: str) -> list[str] | None:
    """The line's words as a shell has them; None if it does more than call one program with them."""
    if "$" in line or "`" in line:
        return None
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        return None
    return None if any(word.startswith("#") or set(word) <= set("();<>|&") for word in words) else words


def _install_arguments(words: list[str]) -> Installs | None:
    """The meaning of what stands behind `pip install`; None for an option that is not understood here."""
    packages: list[str] = []
    given: dict[str, list[str]] = {"main": [], "extra": [], "host": []}
    no_deps = False
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in _OPTIONS_WITH_VALUE and (equals or word == name):
            value = value if equals else next(rest, "")
            if not value:
                return None
            given[_OPTIONS_WITH_VALUE[name]].append(value)
        elif word == "--no-deps":
            no_deps = True
        elif word not in _FLAGS:
            if word.startswith("-"):
                return None
            packages.append(word)
    if len(given["main"]) != 1 and (given["main"] or given["extra"]):
        return None  # of several main indexes the last counts, and none means pip's own: rare, so it runs as it stands
    urls, hosts = (*given["main"], *given["extra"]), tuple(given["host"])
    if no_deps:
        return Installs((), urls, hosts, packages[0]) if packages and _KFP_ITSELF.fullmatch(packages[0]) else None
    if packages and _KFP_ITSELF.fullmatch(packages[-1]):  # alone, or behind the user's packages (KFP 2.0)
        return Installs(tuple(packages[:-1]), urls, hosts, packages[-1])
    return Installs(tuple(packages), urls, hosts)


def _joined(left: Installs, right: Installs) -> Installs:
    return Installs(
        (*left.requirements, *right.requirements),
        tuple(dict.fromkeys((*left.index_urls, *right.index_urls))),
        tuple(dict.fromkeys((*left.trusted_hosts, *right.trusted_hosts))),
        left.kfp or right.kfp,
    )


def _with_kfp_if_needed(installs: Installs, *texts: str) -> Installs:
    """With the real kfp where a text needs it, and without indexes nobody asks."""
    if installs.kfp and any(needs_real_kfp(text) for text in texts):
        return _joined(Installs((installs.kfp,)), installs)
    return installs if installs.requirements else Installs(kfp=installs.kfp)


def needs_real_kfp(source: str) -> bool:
    """Whether the source uses more of kfp than our runtime brings (`kfp.dsl`); False for what does not parse."""
    lines = [
        line for line in source.splitlines() if not re.fullmatch(r"import kfp|from kfp(\.dsl)? import (dsl|\*)", line)
    ]
    if not any("kfp" in line for line in lines):
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return any(_beyond_dsl(node) for node in ast.walk(tree))


def _beyond_dsl(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(_outside(alias.name) for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        if node.module == "kfp":
            return any(alias.name not in _IN_THE_RUNTIME for alias in node.names)
        return _outside(node.module)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kfp":
        return node.attr not in _IN_THE_RUNTIME
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return name in ("import_module", "__import__") and _outside(str(node.args[0].value))
    return False


def _outside(module: str) -> bool:
    return module.startswith("kfp.") and module not in _MODULES
