"""Settings: the project's `wherry.toml` and how the server lives, each one frozen tree made once at the edge.

Called by `wherry.client` and `wherry.cli` (project, home) and by `wherry.server` (home).  Invariants: an unknown key
or a value of a wrong type is a `UsageError` that names file and key; nothing below the edge reads the environment;
importing this module costs no TOML parser (it is imported when there is a file to read).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, NamedTuple, TypeVar, cast

from wherry.errors import UsageError

FILE_NAME = "wherry.toml"
Word = TypeVar("Word", bound=str)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class ImageRule(NamedTuple):
    """What an image pattern stands for: an environment of `requirements` and `python`, or another `image`, or one
    without Python (`python = false`)."""

    pattern: str
    requirements: tuple[str, ...] = ()
    python: str | None = None
    image: str | None = None
    without_python: bool = False


class Volume(NamedTuple):
    """How pods mount a folder: of a claim, of the nodes, or of an NFS server; `sub_path` is inside it."""

    claim: str = ""
    host_path: str = ""
    nfs_server: str = ""
    nfs_path: str = ""
    sub_path: str = ""


class Target(NamedTuple):
    """Where a run goes.  Without `context` and `server` it is this machine's home."""

    name: str
    context: str | None = None
    kubeconfig: str | None = None
    namespace: str | None = None
    artifacts: str | None = None
    server: str | None = None
    images: tuple[ImageRule, ...] = ()
    endpoint: str | None = None  # of an object store that is not the provider's own, for server and tasks
    grant: Literal["sts", "pod"] = "sts"  # how tasks may use an object store: see docs/guides/configuration.md
    grant_role: str | None = None  # the role that grants are sessions of; AWS and Ceph want one
    grant_hours: float = 12.0  # how long a task's grant is good; the longest that AWS gives
    volume: Volume | None = None  # how pods mount the folder of artifacts
    wheels: Volume | None = None  # where tasks keep the packages that they have fetched
    service_account: str | None = None  # of the pods; without one they have no token
    pull_secrets: tuple[str, ...] = ()
    python_image: str = "python:3.11"  # an image with the Python that containers without one carry
    pending_limit_s: float = 3600.0  # a pod that cannot start for so long fails; long enough for a node to be added

    @property
    def is_local(self) -> bool:
        """True when the home's own node runs the tasks."""
        return self.context is None and self.server is None


class Code(NamedTuple):
    """The project folder that travels with a run; `include` are patterns under it (all files when empty)."""

    include: tuple[str, ...] = ()


class Project(NamedTuple):
    """One `wherry.toml`.  `path` is None when there is no file, and everything else is then empty."""

    path: str | None = None
    targets: tuple[Target, ...] = ()
    images: tuple[ImageRule, ...] = ()
    code: Code | None = None

    @property
    def folder(self) -> str | None:
        """The folder that holds the file: what `[code]` archives and what relative paths start from."""
        return None if self.path is None else os.path.dirname(self.path)

    def target(self, name: str | None) -> Target:
        """The target of that name, or the home itself for None.  Raises `UsageError` for an unknown name."""
        if name is None:
            return Target(name="")
        for target in self.targets:
            if target.name == name:
                return target
        known = [target.name for target in self.targets]
        where = self.path or f"a {FILE_NAME} (none was found)"
        raise UsageError(f"no target {name!r} in {where}", hint=suggestion(name, known) or _listing("targets", known))

    def image_rules(self, target: Target) -> tuple[ImageRule, ...]:
        """The rules in the order they are tried: the target's own first."""
        return target.images + self.images


class ServerSettings(NamedTuple):
    """How the home's server lives."""

    idle_s: float = 300.0  # leaves after this long without runs and clients; long enough to keep an edit-run loop warm
    durability: Literal["process", "power"] = "process"  # what a committed state survives; "power" syncs each commit


def server_settings(environ: Mapping[str, str]) -> ServerSettings:
    """The server's settings from its environment: `WHERRY_IDLE_S` in seconds, `WHERRY_DURABILITY`.

    Raises `UsageError`.
    """
    default = ServerSettings()
    given = environ.get("WHERRY_IDLE_S") or str(default.idle_s)
    try:
        idle_s = float(given)
    except ValueError:
        idle_s = -1.0
    if not 0 <= idle_s < 1e9:
        raise UsageError(f"WHERRY_IDLE_S must be a number of seconds, not {given!r}")
    durability = environ.get("WHERRY_DURABILITY") or default.durability
    if durability not in ("process", "power"):
        raise UsageError(f"WHERRY_DURABILITY must be process or power, not {durability!r}")
    return ServerSettings(idle_s=idle_s, durability=durability)


def find(start: str) -> str | None:
    """The `wherry.toml` in the folder `start` or the nearest one above it; None when there is none."""
    folder = os.path.realpath(start)
    while True:
        candidate = os.path.join(folder, FILE_NAME)
        if os.path.isfile(candidate):
            return candidate
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def project(start: str) -> Project:
    """The project that the folder `start` lies in; an empty one without a file.  Raises `UsageError`."""
    path = find(start)
    return Project() if path is None else read(path)


def read(path: str) -> Project:
    """Reads and checks one `wherry.toml`.  Raises `UsageError` naming the file and the key."""
    tomllib = import_module("tomllib")  # 16 ms, for projects that have a file

    try:
        with open(path, "rb") as file:
            tree = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    top = _Table(path, "", tree, ("targets", "images", "code"))
    targets = tuple(_target(path, name, table) for name, table in top.tables("targets"))
    code = None
    if "code" in tree:
        code = Code(include=_Table(path, "code", tree["code"], ("include",)).texts("include"))
    return Project(path=path, targets=targets, images=_images(path, "images", tree.get("images", {})), code=code)


def suggestion(word: str, known: list[str]) -> str | None:
    """`did you mean 'x'?` for the nearest known word, or None."""
    near = import_module("difflib").get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else None


_TARGET_KEYS = (
    "context",
    "kubeconfig",
    "namespace",
    "artifacts",
    "server",
    "images",
    "endpoint",
    "grant",
    "grant_role",
    "grant_hours",
    "volume",
    "wheels",
    "service_account",
    "pull_secrets",
    "python_image",
    "pending_limit",
)
_GRANTS: tuple[Literal["sts", "pod"], ...] = ("sts", "pod")
_OF_CLUSTERS = ("kubeconfig", "volume", "wheels", "service_account", "pull_secrets", "python_image", "pending_limit")
_VOLUME_KINDS = ("claim", "host_path", "nfs")


def _target(path: str, name: str, value: object) -> Target:
    where = f"targets.{name}"
    table = _Table(path, where, value, _TARGET_KEYS)
    context, server = table.text("context"), table.text("server")
    if context is not None and server is not None:
        raise UsageError(f"{path}: [{where}] has both context and server", hint="a target is one or the other")
    for key in _OF_CLUSTERS if context is None else ():
        if table.value(key, None) is not None:
            raise UsageError(
                f"{path}: [{where}] has {key}, but no context", hint=f"{key} is for targets that are clusters"
            )
    artifacts = table.text("artifacts")
    if artifacts is not None and "://" not in artifacts:
        artifacts = os.path.join(os.path.dirname(path), os.path.expanduser(artifacts))
    return Target(
        name=name,
        context=context,
        kubeconfig=_path(path, table.text("kubeconfig")),
        namespace=table.text("namespace"),
        artifacts=artifacts,
        server=server,
        images=_images(path, f"{where}.images", table.value("images", {})),
        endpoint=table.text("endpoint"),
        grant=table.one_of("grant", _GRANTS, "sts"),
        grant_role=table.text("grant_role"),
        grant_hours=table.number("grant_hours", 12.0, least=0.25, most=168.0),
        volume=_volume(path, f"{where}.volume", table.value("volume", None)),
        wheels=_volume(path, f"{where}.wheels", table.value("wheels", None)),
        service_account=table.text("service_account"),
        pull_secrets=table.texts("pull_secrets"),
        python_image=table.text("python_image") or "python:3.11",
        pending_limit_s=table.duration_s("pending_limit", 3600.0),
    )


def _path(path: str, given: str | None) -> str | None:
    """A path of the file, from where the file lies."""
    return None if given is None else os.path.join(os.path.dirname(path), os.path.expanduser(given))


def _volume(path: str, where: str, value: object) -> Volume | None:
    if value is None:
        return None
    table = _Table(path, where, value, (*_VOLUME_KINDS, "sub_path"))
    named = [kind for kind in _VOLUME_KINDS if table.value(kind, None) is not None]
    if len(named) != 1:
        asked, found = ", ".join(_VOLUME_KINDS), " and ".join(named) or "none"
        raise UsageError(f"{path}: [{where}] needs one of {asked}, not {found}")
    nfs = _Table(path, f"{where}.nfs", table.value("nfs", {}), ("server", "path"))
    server, export = nfs.text("server"), nfs.text("path")
    if named == ["nfs"] and not (server and export):
        raise UsageError(f"{path}: [{where}.nfs] needs server and path")
    return Volume(
        claim=table.text("claim") or "",
        host_path=table.text("host_path") or "",
        nfs_server=server or "",
        nfs_path=export or "",
        sub_path=table.text("sub_path") or "",
    )


def _images(path: str, where: str, value: object) -> tuple[ImageRule, ...]:
    rules: list[ImageRule] = []
    for pattern, meaning in _Table(path, where, value, None).items():
        if isinstance(meaning, str):
            rules.append(ImageRule(pattern, image=meaning))
            continue
        table = _Table(path, f'{where}."{pattern}"', meaning, ("requirements", "python", "image"))
        image = table.text("image")
        if image is not None:
            if table.texts("requirements") or table.value("python", None) is not None:
                raise UsageError(f'{path}: {where}."{pattern}" names another image; say there what that one has')
            rules.append(ImageRule(pattern, image=image))
            continue
        if table.value("python", None) is False:
            if table.texts("requirements"):
                raise UsageError(f'{path}: {where}."{pattern}" has requirements, but no Python to put them into')
            rules.append(ImageRule(pattern, without_python=True))
            continue
        rules.append(ImageRule(pattern, requirements=table.texts("requirements"), python=table.text("python")))
    return tuple(rules)


class _Table:
    """One table of the file: checks its keys when made, and the types of its values when asked."""

    def __init__(self, path: str, where: str, value: object, keys: tuple[str, ...] | None) -> None:
        self._path, self._where = path, where
        if not isinstance(value, dict):
            raise UsageError(f"{path}: {where or 'the file'} must be a table, not {_kind(value)}")
        self._tree = cast("dict[str, Any]", value)
        for key in self._tree if keys is not None else ():
            if key not in (keys or ()):
                known = list(keys or ())
                inside = f"in [{where}]" if where else "at the top"
                hint = suggestion(key, known) or _listing("keys", known)
                raise UsageError(f"{path}: unknown key {key!r} {inside}", hint=hint)

    def value(self, key: str, default: object) -> object:
        return self._tree.get(key, default)

    def items(self) -> Iterator[tuple[str, object]]:
        yield from self._tree.items()

    def tables(self, key: str) -> Iterator[tuple[str, object]]:
        return _Table(self._path, key, self._tree.get(key, {}), None).items()

    def text(self, key: str) -> str | None:
        value = self._tree.get(key)
        if value is not None and not (isinstance(value, str) and value):
            raise UsageError(f"{self._name(key)} must be a text that is not empty, not {_kind(value)}")
        return value

    def one_of(self, key: str, known: tuple[Word, ...], default: Word) -> Word:
        value = self._tree.get(key, default)
        for word in known:
            if value == word:
                return word
        raise UsageError(f"{self._name(key)} must be {' or '.join(known)}, not {value!r}")

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        value = self._tree.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise UsageError(f"{self._name(key)} must be a number between {least:g} and {most:g}, not {value!r}")
        return float(value)

    def duration_s(self, key: str, default_s: float) -> float:
        text = self.text(key)
        if text is None:
            return default_s
        match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])", text)
        if match is None or not float(match[1]):
            raise UsageError(f"{self._name(key)} must be a time such as 90s, 10m or 2h, not {text!r}")
        return float(match[1]) * _UNITS_S[match[2]]

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._tree.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in cast("list[object]", value)):
            raise UsageError(f"{self._name(key)} must be a list of texts, not {_kind(cast('object', value))}")
        return tuple(cast("list[str]", value))

    def _name(self, key: str) -> str:
        return f"{self._path}: {self._where + '.' if self._where else ''}{key}"


def _kind(value: object) -> str:
    names: dict[type, str] = {
        str: "a text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    if value == "":
        return "an empty text"
    return names.get(type(value), "a date or time")


def _listing(what: str, known: list[str]) -> str:
    return f"known {what}: {', '.join(known)}" if known else f"there are no {what}"
