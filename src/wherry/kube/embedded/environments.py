"""Environments: the Python that an image means on this machine, made by uv where it needs packages.

Called by the node agent (`known`, `ensure`) and, for cache keys, by the pipelines' launcher (`identity`).  Invariants:
an environment is keyed by Python, resolved lock and indexes, made once under a file lock, and used only when its ready
mark is there; `python:3.N` images have exactly the declared requirements and nothing of the host.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import re
import shutil
import site
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import uv

from wherry.errors import WherryError
from wherry.kube.embedded import pip_config
from wherry.kube.embedded.pip_config import Indexes

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
# The official image, by any mirror of it, and Red Hat's, whose name holds the version.
_PYTHON_IMAGE = re.compile(
    r"(?:(?:(?:index\.)?docker\.io/)?(?:library/)?|(?:[\w.:-]+/)+library/)python(?::(?P<tag>[\w.-]+))?(?:@.*)?",
    re.ASCII,
)
_RED_HAT_IMAGE = re.compile(
    r"(?:[\w.:-]+/)?(?:ubi\d+|rhel\d+)/python-(?P<major>3)(?P<minor>\d+)(?:-minimal)?(?:[:@].*)?", re.ASCII
)
_MINOR = re.compile(r"(\d+\.\d+)(?:\.\d+)?(?:-|$)")
READY = ".wherry-ready"
"""The mark of an environment that is whole; its time is that of the last use by a server."""


class EnvironmentFailed(WherryError):
    """An environment cannot be made; the message is uv's own explanation."""


class Interpreter(NamedTuple):
    """A Python to run tasks with: `bin` goes first on the PATH, `sites` are further site folders of a zygote."""

    python: str
    key: str
    version: str
    clean: bool
    sites: tuple[str, ...] = ()

    @property
    def bin(self) -> str:
        """The folder that holds the interpreter and the scripts of its packages."""
        return os.path.dirname(self.python)


class Wanted(NamedTuple):
    """What an image and an annotation ask for together."""

    version: str
    requirements: tuple[str, ...]
    index_urls: tuple[str, ...]
    trusted_hosts: tuple[str, ...]
    clean: bool


def wanted(image: str, request: Mapping[str, Any] | None) -> Wanted:
    """The meaning of an image: those of Python and mapped ones are clean, others are what wherry itself runs in."""
    request = request or {}
    python: str | None = request.get("python") or None
    version = _version_of(image)
    mapped = bool(python) or bool(request.get("mapped"))
    return Wanted(
        version=python or version or RUNNING,
        requirements=tuple(request.get("requirements") or ()),
        index_urls=tuple(request.get("index_urls") or ()),
        trusted_hosts=tuple(request.get("trusted_hosts") or ()),
        clean=mapped or version is not None,
    )


def _version_of(image: str) -> str | None:
    """The Python that an image of Python has, "" for the newest; None for other images."""
    official = _PYTHON_IMAGE.fullmatch(image)
    if official:
        minor = _MINOR.match((official["tag"] or "") + "-")
        return minor[1] if minor else ""
    red_hat = _RED_HAT_IMAGE.fullmatch(image)
    return f"{red_hat['major']}.{red_hat['minor']}" if red_hat else None


def starts_its_arguments(image: str) -> bool:
    """Whether what an image is given as arguments is the command that it starts, as with those of Python."""
    return _version_of(image) is not None


class Environments:
    """All environments of a home.  Methods belong to one event loop."""

    def __init__(self, home: Path, *, environ: Mapping[str, str]) -> None:
        self.folder = home / "envs"
        self._given: set[Path] = set()
        self._environ = dict(environ)
        self._known: dict[tuple[str, str], Interpreter] = {}
        self._pythons: dict[str, str] = {RUNNING: getattr(sys, "_base_executable", "") or sys.executable}
        self._locks: dict[Wanted, str] = {}
        self._busy: dict[Wanted, asyncio.Lock] = {}

    def is_unmapped(self, image: str, request: Mapping[str, Any] | None) -> bool:
        """Whether the image means the environment that wherry runs in, which a run says once."""
        return not wanted(image, request).clean

    def known(self, image: str, annotation: str) -> Interpreter | None:
        """What `ensure` has answered before for the same image and the annotation's text."""
        return self._known.get((image, annotation))

    async def ensure(self, image: str, annotation: str) -> Interpreter:
        """The interpreter for an image and the JSON text of its annotation ("" for none), made if need be.

        Raises EnvironmentFailed.
        """
        asked = wanted(image, _parsed(annotation))
        async with self._busy.setdefault(asked, asyncio.Lock()):
            found = await self._ensure(asked)
        self._known[image, annotation] = found
        return found

    async def identity(self, image: str, request: Mapping[str, Any] | None) -> str:
        """What the environment is, by content: equal on machines with the same Python minor and packages.

        Raises EnvironmentFailed when the requirements cannot be resolved.
        """
        asked = wanted(image, request)
        parts = [f"python {asked.version}"]
        if asked.requirements:
            async with self._busy.setdefault(asked, asyncio.Lock()):
                parts.append(hashlib.sha256((await self._lock(asked)).encode()).hexdigest())
        if not asked.clean:
            parts.append(_host_digest())
        return " ".join(parts)

    def holds(self, path: Path) -> bool:
        """Whether the environment at `path` was given to a task since this server began."""
        return path in self._given

    # --- making

    async def _ensure(self, asked: Wanted) -> Interpreter:
        if not asked.clean and not asked.requirements:
            sites = (site.getusersitepackages(),) if site.ENABLE_USER_SITE else ()
            return Interpreter(sys.executable, f"host-{_digest(sys.executable)}", RUNNING, False, sites)
        base = await self._python(asked.version)
        if not asked.requirements:
            return Interpreter(self._bare(asked.version, base), f"bare-{_digest(base)}", asked.version, True)
        lock = await self._lock(asked)
        indexes = self._indexes(asked)
        key = _digest(json.dumps([base, lock, indexes, asked.clean]))
        path = self.folder / key
        if not _touched(path / READY):
            await self._make(path, base, lock, indexes, asked)
        self._given.add(path)
        return Interpreter(str(path / "bin" / "python"), key, asked.version, asked.clean)

    async def _make(self, path: Path, base: str, lock: str, indexes: Indexes, asked: Wanted) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
            if (path / READY).exists():
                return
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
            await self._uv(["venv", "--no-project", "--python", base, str(path)])
            arguments = ["pip", "install", "--no-deps", "--python", str(path / "bin" / "python"), "-r", "-"]
            await self._uv([*arguments, *indexes.arguments()], lock)
            if not asked.clean:
                folder = path / "lib" / f"python{asked.version}" / "site-packages"
                (folder / "_wherry_host.pth").write_text("\n".join(_host_sites()) + "\n")
            (path / READY).write_text(lock)
        finally:
            os.close(descriptor)

    def _bare(self, version: str, base: str) -> str:
        """A virtual environment without packages, made by hand: three links and a file, appearing whole."""
        path = self.folder / f"bare-{version}-{_digest(base)}"
        python = path / "bin" / "python"
        if python.exists():
            return str(python)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / "bin").mkdir(parents=True)
        (fresh / "lib" / f"python{version}" / "site-packages").mkdir(parents=True)
        for name in ("python", "python3", f"python{version}"):
            (fresh / "bin" / name).symlink_to(base)
        (fresh / "pyvenv.cfg").write_text(f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\n")
        try:
            fresh.rename(path)
        except OSError:  # another process was faster, or left a broken one
            if not python.exists():
                shutil.rmtree(path, ignore_errors=True)
                fresh.rename(path)
            shutil.rmtree(fresh, ignore_errors=True)
        return str(python)

    # --- resolving

    async def _python(self, version: str) -> str:
        found = self._pythons.get(version) or _of_pyenv(version, self._environ)
        if not found:
            arguments = ["python", "find", "--no-project", "--system", version]
            try:
                found = await self._uv([*arguments, "--no-python-downloads"])
            except EnvironmentFailed:
                try:
                    await self._uv(["python", "install", "--no-bin", version])
                    found = await self._uv(arguments)
                except EnvironmentFailed as failed:
                    raise EnvironmentFailed(
                        f"Python {version} is not on this machine and uv cannot fetch it: {failed.message}",
                        hint=f"install Python {version}, or say in wherry.toml what the image means: [images]",
                    ) from None
        self._pythons[version] = found = found.strip()
        return found

    async def _lock(self, asked: Wanted) -> str:
        """The resolved requirements, found out once for each request."""
        lock = self._locks.get(asked)
        if lock is None:
            base = await self._python(asked.version)
            indexes = self._indexes(asked)
            key = _digest(json.dumps([base, sorted(asked.requirements), indexes]))
            path = self.folder / "locks" / f"{key}.txt"
            try:
                lock = path.read_text()
                _touched(path)
            except FileNotFoundError:
                arguments = ["pip", "compile", "-", "--python", base, "--no-header", "--no-annotate"]
                text = "".join(f"{line}\n" for line in asked.requirements)
                lock = await self._uv([*arguments, *indexes.arguments()], text)
                path.parent.mkdir(parents=True, exist_ok=True)
                fresh = path.with_suffix(f".{os.getpid()}.new")
                fresh.write_text(lock)
                fresh.rename(path)
            self._locks[asked] = lock
        return lock

    def _indexes(self, asked: Wanted) -> Indexes:
        return pip_config.read(self._environ).with_task(asked.index_urls, asked.trusted_hosts)

    async def _uv(self, arguments: list[str], text: str = "") -> str:
        """Runs uv; its standard output.  Raises EnvironmentFailed with what it said."""
        environ = {name: value for name, value in self._environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
        cert = pip_config.read(self._environ).cert
        if cert:
            environ.setdefault("SSL_CERT_FILE", cert)
        self.folder.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            uv.find_uv_bin(),
            *arguments,
            "--color=never",
            "--no-progress",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env=environ,
        )
        try:
            output, errors = await process.communicate(text.encode())
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise EnvironmentFailed(_explanation(errors.decode("utf-8", "replace")))
        return output.decode()


def _touched(path: Path) -> bool:
    """Whether the file is there; if so, its time is now."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


_DRAWING = re.compile(r"^\s*(?:error:|cause:|[×│├╰─▶\s])*\s*")


def _explanation(text: str) -> str:
    """uv's message without its drawing and its progress."""
    lines = [_DRAWING.sub("", line) for line in text.splitlines() if not line.startswith(("Using ", "Resolved "))]
    return ": ".join(line.rstrip(":") for line in lines if line) or "uv failed and said nothing"


def _of_pyenv(version: str, environ: Mapping[str, str]) -> str:
    """The newest interpreter of that minor that pyenv has; its shims are no interpreters, so uv passes them by."""
    root = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME") or os.path.expanduser("~"), ".pyenv"))
    found = [path for path in root.glob(f"versions/{version}.*/bin/python{version}") if os.access(path, os.X_OK)]
    patches = {int(patch): path for path in found if (patch := path.parts[-3].rpartition(".")[2]).isdecimal()}
    return str(patches[max(patches)]) if patches else ""


def _parsed(annotation: str) -> Mapping[str, Any] | None:
    try:
        return json.loads(annotation) if annotation else None
    except ValueError as problem:
        raise EnvironmentFailed(f"the annotation wherry.dev/environment is not JSON: {problem}") from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _host_sites() -> list[str]:
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path)]


def _host_digest() -> str:
    """The packages that the host environment has, by name and version."""
    names = {name for folder in _host_sites() for name in os.listdir(folder) if name.endswith(".dist-info")}
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
