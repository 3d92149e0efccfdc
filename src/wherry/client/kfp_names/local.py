"""`kfp.local`: settings of kfp's local runners, which a flow may hold and wherry does not need.

A flow that sets them up runs with `wherry run`; to call a component outside of a pipeline is refused where it is done.
"""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["DockerRunner", "SubprocessRunner", "init"]


class SubprocessRunner:
    """kfp's runner of tasks as processes.  The arguments are kept."""

    def __init__(
        self, use_venv: bool = True, serialize_pip_installs: bool = True, max_concurrent_pip_installs: int = 1
    ) -> None:
        self.use_venv = use_venv
        self.serialize_pip_installs = serialize_pip_installs
        self.max_concurrent_pip_installs = max_concurrent_pip_installs


class DockerRunner:
    """kfp's runner of tasks as containers.  The arguments are kept."""

    def __init__(self, max_concurrent_pip_installs: int = 1, **container_run_args: Any) -> None:
        self.max_concurrent_pip_installs = max_concurrent_pip_installs
        self.container_run_args = container_run_args


def init(
    runner: SubprocessRunner | DockerRunner,
    pipeline_root: str = "./local_outputs",
    workspace_root: str | None = None,
    raise_on_error: bool = True,
    enable_caching: bool = False,
    cache_root: str | None = None,
) -> None:
    """Warns that the runner is wherry's own.  Raises ValueError for what is no runner of kfp."""
    if not isinstance(runner, (SubprocessRunner, DockerRunner)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"Got unknown runner {runner} of type {type(runner).__name__}. Runner should be one of the following "
            "types: SubprocessRunner. DockerRunner."
        )
    warnings.warn(
        "kfp.local.init has no effect here: wherry runs the flow's pipeline itself, keeps its artifacts in its home "
        "and makes the environments of tasks",
        stacklevel=2,
    )
