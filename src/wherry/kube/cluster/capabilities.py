"""What API servers of older versions lack: one table, read by the contract suites and by whoever asks a real server.

Called by `wherry.testing.kube_contract` and the parts that talk to clusters.  Invariant: every difference between
servers that anything here depends on is a field, with the version from which a server has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from wherry.errors import WherryError


class Version(NamedTuple):
    """A Kubernetes version as far as it matters here."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = Version(1, 20)


def _since(minor: int) -> Any:
    return field(default=True, metadata={"since": Version(1, minor)})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server has; all of it unless `of` says otherwise."""

    name_label: bool = _since(21)
    """Namespaces carry the label kubernetes.io/metadata.name."""
    end_of_input: bool = _since(30)
    """An executed command can be told the end of its input (v5.channel.k8s.io)."""
    pod_generation: bool = _since(33)
    """Pods have a metadata.generation."""
    atomic_maps: bool = _since(21)
    """Maps that mean something only as a whole have one owner: node selectors, selectors of labels."""
    managed_subresources: bool = _since(22)
    """managedFields tell through which subresource a manager wrote; before, an applier has one set for all."""

    @classmethod
    def of(cls, version: Version) -> Capabilities:
        """What a server of this version has."""
        return cls(**{each.name: version >= each.metadata["since"] for each in fields(cls)})


def parse_version(answer: dict[str, Any]) -> Version:
    """The version in a server's answer to `/version`; managed ones write the minor as `27+`.

    Raises WherryError when there is none, or when it is older than what wherry knows.
    """
    texts = [re.match(r"\d+", str(answer.get(part, ""))) for part in ("major", "minor")]
    if None in texts:
        raise WherryError(f"the server's /version names no version of Kubernetes: {answer!r}")
    version = Version(*(int(text.group()) for text in texts if text))
    if version < OLDEST:
        raise WherryError(f"the server is Kubernetes {version}; wherry needs {OLDEST} or later")
    return version
