"""Which cluster, and as whom: kubeconfig files, contexts, and the account of a pod.

Called by whoever opens a `ClusterKube`.  Source: "Organizing Cluster Access Using kubeconfig Files".  Invariants: of
the files only the chosen context's entries are read closely; what an entry says is honoured or refused by name; a
relative path is relative to the file that it stands in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import Cluster, Context, User
from lightkube.core.exceptions import ConfigError

from wherry.errors import UsageError
from wherry.ir import yaml

R = TypeVar("R", Cluster, Context, User)
Entry = dict[str, Any]

_PATHS = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
_REFUSED = {
    "user": ("as", "as-uid", "as-groups", "as-user-extra", "auth-provider"),
    "cluster": (),
    "context": (),
}
_EXEC_V1 = "client.authentication.k8s.io/v1"
_EXEC_BETA = "client.authentication.k8s.io/v1beta1"


class Access(NamedTuple):
    """A way to a cluster.

    namespace: where objects go that name none.  proxy: of the requests, empty for none.  server_name: for TLS, where it
    is not the server's own.  socket: the unix socket at which the server listens, if it does.
    """

    config: SingleConfig
    namespace: str
    proxy: str = ""
    server_name: str = ""
    socket: str = ""

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return self.config.cluster.server


def of_server(url: str, *, token: str = "", namespace: str = "default", socket: str = "") -> Access:
    """An API server by its URL, with a token or nothing; `socket` is the unix socket at which it listens."""
    user = User(token=token or None)
    return Access(SingleConfig("", Context(cluster=""), Cluster(server=url), user), namespace, socket=socket)


def find(
    context: str = "",
    *,
    namespace: str = "",
    kubeconfig: str = "",
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Access:
    """The cluster that kubectl would ask: KUBECONFIG's files, else ~/.kube/config, else this pod's own cluster.

    `context` is a name in these files (default: their current one), `namespace` goes before the context's,
    `kubeconfig` (paths as in KUBECONFIG) before all other files.  Raises UsageError that names the file and the entry.
    """
    named = kubeconfig or environ.get("KUBECONFIG", "")
    files = [Path(part) for part in named.split(os.pathsep) if part]
    if not files:
        files = [(home or Path.home()) / ".kube" / "config"]
    present = [file for file in files if file.is_file()]
    if not present:
        if not named and not context and "KUBERNETES_SERVICE_HOST" in environ:
            return _of_pod(namespace)
        raise UsageError(
            f"There is no kubeconfig: {', '.join(str(file) for file in files)} does not exist.",
            hint="KUBECONFIG names the file with the cluster's address and credentials.",
        )
    return _chosen(_merged(present), context, namespace)


def _of_pod(namespace: str) -> Access:
    try:
        config = KubeConfig.from_service_account().get()
    except (ConfigError, KeyError) as problem:
        raise UsageError(f"The service account of this pod cannot be used: {problem}") from problem
    assert config is not None
    return Access(config, namespace or config.namespace)


class _Files(NamedTuple):
    """The entries of all files, each with the file that it is from; an entry of an earlier file hides later ones."""

    current: str
    entries: dict[tuple[str, str], tuple[Entry, Path]]
    files: list[Path]


def _merged(files: list[Path]) -> _Files:
    current, entries = "", dict[tuple[str, str], tuple[Entry, Path]]()
    for file in files:
        content = _read(file)
        current = current or str(content.get("current-context") or "")
        for kind in ("context", "cluster", "user"):
            found: Any = content.get(f"{kind}s") or []
            if not isinstance(found, list):
                raise UsageError(f"{file}: {kind}s is not a list.")
            for number, entry in enumerate(cast("list[Any]", found)):
                if not isinstance(entry, dict) or not isinstance(cast("Entry", entry).get("name"), str):
                    raise UsageError(f"{file}: {kind}s[{number}] has no name.")
                named = cast("Entry", entry)
                entries.setdefault((kind, named["name"]), (named, file))
    return _Files(current, entries, files)


def _read(file: Path) -> Entry:
    try:
        documents = yaml.load_all(file.read_bytes())
    except (OSError, yaml.YAMLError) as problem:
        raise UsageError(f"The kubeconfig {file} cannot be read: {problem}") from problem
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise UsageError(f"The kubeconfig {file} is not a mapping.")
    return cast("Entry", documents[0])


def _chosen(files: _Files, name: str, namespace: str) -> Access:
    chosen = name or files.current
    known = sorted(entry for kind, entry in files.entries if kind == "context")
    if not chosen:
        raise UsageError(
            f"{files.files[0]} names no current-context.", hint=f"Say which one: {', '.join(known) or 'it has none'}."
        )
    if ("context", chosen) not in files.entries:
        raise UsageError(f"There is no context {chosen!r} in {files.files[0]}.", hint=f"It has {', '.join(known)}.")
    context = _convert(*_entry(files, "context", chosen), Context)
    raw_cluster, cluster_place = _entry(files, "cluster", context.cluster)
    cluster = _convert(raw_cluster, cluster_place, Cluster)
    if "server" not in raw_cluster:
        raise UsageError(f"{cluster_place}: it has no server.")
    user = User() if context.user is None else _user(files, context.user)
    config = SingleConfig(chosen, context, cluster, user)
    return Access(
        config,
        namespace or config.namespace,
        str(raw_cluster.get("proxy-url") or ""),
        str(raw_cluster.get("tls-server-name") or ""),
    )


def _user(files: _Files, name: str) -> User:
    raw, place = _entry(files, "user", name)
    command: Any = raw.get("exec")
    if isinstance(command, dict):
        raw["exec"] = _exec(cast("Entry", command), files.entries["user", name][1])
    return _convert(raw, place, User)


def _entry(files: _Files, kind: str, name: str) -> tuple[Entry, str]:
    """An entry with its paths made absolute, and how messages call it."""
    found = files.entries.get((kind, name))
    if found is None:
        raise UsageError(f"{files.files[0]}: a context names the {kind} {name!r}, which is not there.")
    entry, file = found
    place = f"{file}: {kind} {name!r}"
    content = entry.get(kind)
    if not isinstance(content, dict):
        raise UsageError(f"{place}: there is no mapping {kind!r} in it.")
    raw = dict(cast("Entry", content))
    for field in _REFUSED[kind]:
        if raw.get(field):
            raise UsageError(
                f"{place}: wherry does not know {field!r}.",
                hint="A token, a client certificate or an exec command can be used instead.",
            )
    for field in _PATHS.get(kind, ()):
        if isinstance(raw.get(field), str):
            raw[field] = str(file.parent / raw[field])
    return raw, place


def _exec(command: Entry, file: Path) -> Entry:
    """The command as lightkube takes it, which knows v1beta1 only: v1 differs in what it tells the command."""
    made = dict(command)
    version, program = made.get("apiVersion"), made.get("command")
    if isinstance(program, str) and os.sep in program:
        made["command"] = str(file.parent / program)
    if version == _EXEC_V1:
        made["apiVersion"] = _EXEC_BETA
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    environment: list[Any] = list(made.get("env") or [])
    made["env"] = [*environment, {"name": "KUBERNETES_EXEC_INFO", "value": json.dumps(info)}]
    return made


def _convert(raw: Entry, place: str, record: type[R]) -> R:
    try:
        return msgspec.convert(raw, record)
    except msgspec.ValidationError as problem:
        raise UsageError(f"{place}: {problem}") from problem
