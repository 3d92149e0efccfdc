"""What public Kubernetes clients need: a server on the network, its kubeconfig, and an environment of their own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests import oracles
from tests.cli.homes import Done, RealHome, until, up

needs_kubectl = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the released kubectl is one for linux on amd64"
)


class Cluster:
    """The home behind `wherry up` as the cluster of public clients."""

    def __init__(self, folder: Path, kubeconfig: str) -> None:
        self.folder = folder
        config = folder / "kubeconfig"
        config.write_text(kubeconfig)
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
            "KUBECONFIG": str(config),
            "HOME": str(folder),  # kubectl keeps what it discovered there
        }

    def run(self, *words: str | Path, stdin: str = "", **environ: str) -> Done:
        """One command to its end."""
        done = subprocess.run(
            [str(word) for word in words],
            input=stdin,
            env={**self.environ, **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """A command that goes on."""
        return subprocess.Popen(
            [str(word) for word in words],
            env=self.environ,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


class Kubectl:
    """`kubectl(words)` gives what was printed."""

    def __init__(self, cluster: Cluster, version: str = "1.35") -> None:
        self.cluster = cluster
        self.program = oracles.kubectl(version)

    def run(self, line: str, *more: str, stdin: str = "", **environ: str) -> Done:
        return self.cluster.run(self.program, *line.split(), *more, stdin=stdin, **environ)

    def __call__(self, line: str, *more: str, stdin: str = "", **environ: str) -> str:
        done = self.run(line, *more, stdin=stdin, **environ)
        assert done.code == 0, done.err
        return done.out

    def until(self, line: str, answer: str) -> None:
        """Asks until that is the answer."""
        until(lambda: self(line) == answer, f"{answer!r} of kubectl {line}")

    def refused(self, line: str, *more: str, stdin: str = "") -> str:
        done = self.run(line, *more, stdin=stdin)
        assert done.code != 0, done.out
        return done.err


@contextmanager
def serving(folder: Path) -> Iterator[Cluster]:
    """`wherry up` in a home of its own, as `wherry kubeconfig` tells of it."""
    home = RealHome(folder)
    with up(home):
        told = home.run("kubeconfig")
        assert told.code == 0, told.err
        yield Cluster(home.work, told.out)
    home.end()
