"""Has pip install packages: pip itself is the image's, a wheel that is at hand, or one from the task's index.

Loaded by `wherry.runtime.requirements` when packages are missing, and only then: what talks to an index is dear to
load.  Invariant: nothing but pip's own places is written; every refusal is a `RequirementsError`.
"""

from __future__ import annotations

import glob
import hashlib
import html
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from wherry.runtime import private_python
from wherry.runtime.failures import RequirementsError, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WHEELS_VARIABLE = "WHERRY_WHEELS"
_DEFAULT_INDEX = "https://pypi.org/simple"
_LINK = re.compile(
    r'<a\b([^>]*)\bhref="([^"#]*/)?(pip-(\d+(?:\.\d+)*)-py3-none-any\.whl)(?:#sha256=([0-9a-f]{64}))?"([^>]*)>'
)
_NEEDS = re.compile(r'data-requires-python="\s*&gt;=\s*3\.(\d+)')
# What pip is not to ask, say or refuse in a container of our own; an older pip passes over what it does not know.
_QUIET = {
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}


def install(missing: list[str], asked: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Installs the packages as `asked` says where from; what the next interpreter's environment has to hold for them.

    Raises RequirementsError.
    """
    env = {**os.environ, **_QUIET, **_places(environ)}
    _run_pip([*_options(asked), *missing], env, asked, environ)
    return {name: env[name] for name in ("PYTHONUSERBASE",) if name in env}


def _options(asked: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for number, url in enumerate(asked.get("index_urls") or ()):
        words += ["--extra-index-url" if number else "--index-url", url]
    for host in asked.get("trusted_hosts") or ():
        words += ["--trusted-host", host]
    return words


def _places(environ: Mapping[str, str]) -> dict[str, str]:
    """Where pip writes and looks, beyond its own settings."""
    found: dict[str, str] = {}
    wheels = environ.get(WHEELS_VARIABLE)
    if wheels:
        found["PIP_CACHE_DIR"] = f"{wheels}/cache"
        found["PIP_FIND_LINKS"] = f"{environ.get('PIP_FIND_LINKS', '')} {wheels}".strip()
    home = os.path.expanduser("~")
    if not os.access(sysconfig.get_path("purelib"), os.W_OK) and not os.access(home, os.W_OK):
        found["PYTHONUSERBASE"] = tempfile.mkdtemp(prefix="wherry-packages-")
    return found


def _run_pip(words: list[str], env: dict[str, str], asked: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="wherry-pip-") as folder:
        wheel = _pip_wheel(asked, environ, folder)
        if wheel:
            env = {**env, "PYTHONPATH": wheel}
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-warn-script-location", *words]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = done.stdout.decode("utf-8", "replace")
    if output:
        say(output.rstrip("\n"))
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR:")]
        raise RequirementsError(f"pip cannot install what the task needs: {' '.join(errors) or output[-500:]}")


def _pip_wheel(asked: Mapping[str, Any], environ: Mapping[str, str], folder: str) -> str:
    """A wheel to run pip from, "" where the image has pip."""
    if importlib.util.find_spec("pip") is not None:
        return ""
    kept = sorted(glob.glob(f"{environ[WHEELS_VARIABLE]}/pip-*.whl")) if environ.get(WHEELS_VARIABLE) else []
    found = private_python.pip_wheels() or kept
    return found[-1] if found else _fetched_pip(asked, environ, folder)


def _fetched_pip(asked: Mapping[str, Any], environ: Mapping[str, str], folder: str) -> str:
    """pip's newest wheel for this Python, from the index that the task names, or pip's own."""
    index = next(iter(asked.get("index_urls") or ()), environ.get("PIP_INDEX_URL") or _DEFAULT_INDEX)
    page_url = f"{index.rstrip('/')}/pip/"
    try:
        with urllib.request.urlopen(page_url, timeout=60) as answer:
            page_url, page = answer.geturl(), answer.read().decode("utf-8", "replace")
        links = [link for link in _LINK.finditer(page) if _is_for_us(link[1] + link[6])]
        if not links:
            raise RequirementsError(f"the image has no pip, and {page_url} has none for this Python")
        newest = max(links, key=lambda link: tuple(map(int, link[4].split("."))))
        url = urllib.parse.urljoin(page_url, html.unescape((newest[2] or "") + newest[3]))
        with urllib.request.urlopen(url, timeout=300) as answer:
            data = answer.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise RequirementsError(f"the image has no pip, and none can be fetched from {index}: {error}") from None
    if newest[5] and hashlib.sha256(data).hexdigest() != newest[5]:
        raise RequirementsError(f"{url} does not have the digest that its index says")
    path = os.path.join(folder, newest[3])
    with open(path, "wb") as file:
        file.write(data)
    return path


def _is_for_us(attributes: str) -> bool:
    needs = _NEEDS.search(attributes)
    return needs is None or int(needs[1]) <= sys.version_info[1]
