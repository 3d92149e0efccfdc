"""What pip is configured with on this machine, as arguments for uv, which does not read pip's files.

Called by `environments`.  Invariant: precedence is pip's own (environment over files, later files over earlier ones,
`[install]` over `[global]`), and uv's own variables, where set, win over all of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_KEYS = ("index-url", "extra-index-url", "find-links", "trusted-host", "no-index", "cert")
_OFF = ("", "0", "false", "no", "off")


class Indexes(NamedTuple):
    """Where packages come from."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    cert: str = ""

    def with_task(self, index_urls: Sequence[str], trusted_hosts: Sequence[str]) -> Indexes:
        """As a component's `pip_index_urls` has it: the first replaces the index, the others come beside it."""
        changed = self._replace(trusted_hosts=(*self.trusted_hosts, *trusted_hosts))
        if index_urls:
            changed = changed._replace(index_url=index_urls[0], extra_index_urls=tuple(index_urls[1:]), no_index=False)
        return changed

    def arguments(self) -> list[str]:
        """For `uv pip`: all indexes count alike, as pip has it."""
        found = ["--index-strategy", "unsafe-best-match"]
        if self.no_index:
            found.append("--no-index")
        elif self.index_url:
            found += ["--index-url", self.index_url]
        for url in () if self.no_index else self.extra_index_urls:
            found += ["--extra-index-url", url]
        for place in self.find_links:
            found += ["--find-links", place]
        for host in self.trusted_hosts:
            found += ["--allow-insecure-host", host]
        return found


def read(environ: Mapping[str, str]) -> Indexes:
    """The configuration for whoever has these environment variables."""
    values: dict[str, str] = {}
    for path in _files(environ):
        values.update(_file(path))
    for key in _KEYS:
        text = environ.get("PIP_" + key.upper().replace("-", "_"))
        if text is not None:
            values[key] = text
    uv_has_index = any(environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"))
    return Indexes(
        index_url="" if uv_has_index else values.get("index-url", "").strip(),
        extra_index_urls=tuple(values.get("extra-index-url", "").split()),
        find_links=tuple(values.get("find-links", "").split()),
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        no_index=values.get("no-index", "").lower() not in _OFF,
        cert=values.get("cert", "").strip(),
    )


def _files(environ: Mapping[str, str]) -> list[Path]:
    """pip's files, lowest precedence first (pip documentation, "Configuration")."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    site = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    found = [Path(folder, "pip", "pip.conf") for folder in site.split(":")]
    found += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    if sys.platform == "darwin":
        found.append(home / "Library" / "Application Support" / "pip" / "pip.conf")
    found.append(Path(sys.prefix, "pip.conf"))
    return [*found, Path(named)] if named else found


def _file(path: Path) -> dict[str, str]:
    import configparser  # noqa: PLC0415 - every server that starts would pay for it, few need it

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text())
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}  # as pip, that warns of a broken file; uv's own message follows if it mattered
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found.update((key, parser.get(section, key)) for key in _KEYS if parser.has_option(section, key))
    return found
