"""What a server is composed of, as the API sees it.

Implemented by `wherry.pipelines.service` and `wherry.server.runs`, and by scripts in tests; put together by
`wherry.server.compose`.  Light, so that a new server's first part can start while the others are loaded.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from wherry.kube.embedded.pruning import Unused
    from wherry.pipelines.flights import SubmitOptions
    from wherry.pipelines.removal import Freed
    from wherry.pipelines.targets import Target


class Runs(Protocol):
    """What the API needs of `wherry.pipelines.service.Pipelines`."""

    @property
    def active(self) -> int: ...
    @property
    def busy(self) -> bool: ...
    async def submit(
        self,
        document: dict[str, Any],
        *,
        arguments: dict[str, Any],
        name: str = "",
        options: SubmitOptions | None = None,
        run_id: str | None = None,
    ) -> str: ...
    async def get(self, run: str, *, with_tasks: bool = False) -> dict[str, Any]: ...
    async def list(self, *, limit: int = 100, before: str | None = None) -> list[dict[str, Any]]: ...
    async def cancel(self, run: str, *, kill: bool = False) -> None: ...
    async def retry(self, run: str) -> None: ...
    async def delete(self, run: str) -> None: ...
    async def prune(
        self, *, keep: int = 0, older_than_s: float = 0.0, dry_run: bool = False, target: Target | None = None
    ) -> builtins.list[str]: ...
    async def collect(
        self, *, without: Collection[str] = (), dry_run: bool = False, target: Target | None = None
    ) -> Freed: ...
    async def clear(
        self, target: Target, *, older_than_s: float = 0.0, dry_run: bool = False
    ) -> builtins.list[str]: ...
    def events(self, run: str, after: int = 0, *, follow: bool = True) -> AsyncGenerator[dict[str, Any], None]: ...
    def logs(
        self, run: str, task_path: str, *, attempt: int | None = None, follow: bool = False, tail: int | None = None
    ) -> AsyncGenerator[bytes, None]: ...


class CodeStore(Protocol):
    """Where code archives lie, by digest."""

    async def has(self, digest: str) -> bool: ...
    async def put(self, digest: str, data: bytes) -> None: ...


class Parts(NamedTuple):
    """What the app is composed of.

    `stopping` set begins the server's end, `facts` are for `GET /v1/status`, `trouble` says what keeps all runs from
    going on, if anything does; `kubernetes` and `kfp` load the public APIs when they
    are first asked for; `busy` says whether there are pods, of whomever, or recurring runs: such a server is not idle.
    """

    runs: Runs
    code: CodeStore
    stopping: asyncio.Event
    facts: Callable[[], dict[str, Any]]
    trouble: Callable[[], str | None]
    prune_environments: Callable[[float, bool], Awaitable[list[Unused]]]
    """Deletes what was not used for so many seconds; with True it only says what would go."""
    kubernetes: Callable[[], ASGIApp] | None = None
    kfp: Callable[[], ASGIApp] | None = None
    trouble_every_s: float = 1.0
    busy: Callable[[], bool] = lambda: False

    def in_use(self) -> bool:
        """Whether the server has to stay."""
        return self.runs.busy or self.busy()
