"""`Client`: the calls that the command line and users' code make on a server.

Called by `wherry.cli` and `wherry.client.runs`; blocking, so that it works inside a running event loop too.
Invariants: the home's server is started when nobody listens; what can be asked twice without harm (everything but
retry and delete) is asked again when a server died in the middle; a stream of events goes on where it broke off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NoReturn

from wherry import home as homes
from wherry.client import launch
from wherry.client.patience import Patience
from wherry.client.wire import NO_HEADERS, Channel, Connect, Disconnected, NotThere, Reply, lines, readable, unix
from wherry.errors import UsageError, WherryError
from wherry.seams import SystemClock, SystemIds

ANSWER_LIMIT_S = 120.0  # checking and storing the largest pipeline we take is a matter of seconds


class RunNotFound(UsageError):
    """No run has that id."""


class ObjectRefused(WherryError):
    """The Kubernetes API has refused a request; `reason` is its Status' (NotFound, Invalid, ...)."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ServerStopped(WherryError):
    """The server was told to stop while we followed a run; the run goes on when the next command starts one."""


class Client:
    """One server: the home's (started on demand), or the one that `connect` reaches.

    Not for several threads at once; make one in each.
    """

    def __init__(
        self, home: str | None = None, *, connect: Connect | None = None, ids: SystemIds | None = None
    ) -> None:
        self.home = homes.of({"WHERRY_HOME": home} if home else os.environ)
        self._own = connect is None
        self._connect = connect or unix(self.home.socket)
        self._channel = Channel(self._connect)
        self._starting: launch.Starting | None = None
        self._ids = ids or SystemIds()
        self._patience = Patience(SystemClock())
        self._known = False  # whether the server there is known to be one of our version

    def prepare(self, started: tuple[int, int] | None = None) -> None:
        """Has the home's server start if it is not there, and returns without waiting for it.

        `started` is what `spawn` gave to who has started it already.
        """
        if started is not None:
            self._starting, self._known = launch.Starting(self.home, *started), True
        elif self._own and not self._known and self._starting is None:
            self._starting = launch.ensure(self.home)
            self._known = True

    def ready(self) -> str:
        """Returns when the home's server answers: the path of its socket, for those who speak to it themselves."""
        self._ready()
        return self.home.socket

    def close(self) -> None:
        """Closes the connection; the client can still be used."""
        self._channel.close()

    # --- the server -----------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The server that is there, as `{pid, addresses, version, active_runs, ...}`, or {} when there is none."""
        try:
            return self._decoded(self._channel.request("GET", "/v1/status", timeout_s=ANSWER_LIMIT_S))
        except NotThere:
            return {}

    def shutdown(self, *, only_idle: bool = False) -> dict[str, Any]:
        """Stops the server that is there, gracefully, and returns what it said; {} when there is none.

        With `only_idle` one that has runs going stays, and that is a `WherryError`.
        """
        wish = _encoded({"only_idle": only_idle})
        try:
            return self._decoded(self._channel.request("POST", "/v1/shutdown", wish, timeout_s=ANSWER_LIMIT_S))
        except NotThere:
            return {}

    # --- runs -----------------------------------------------------------------------------------------------------

    def submit(
        self, document: Mapping[str, Any], arguments: Mapping[str, Any], *, name: str = "", options: Mapping[str, Any]
    ) -> str:
        """Makes a run of a compiled pipeline and returns its id.  Raises `WherryError` when it is refused."""
        return self._ask("POST", "/v1/runs", self._submission(document, arguments, name, options))["id"]

    def submit_and_follow(
        self, document: Mapping[str, Any], arguments: Mapping[str, Any], *, name: str = "", options: Mapping[str, Any]
    ) -> tuple[str, Reply]:
        """Makes a run; returns its id and the stream of its events, for `follow`."""
        body = self._submission(document, arguments, name, options)
        reply = self._sent("POST", "/v1/runs?follow=1", body, fresh=True)
        if reply.status >= 400:
            self._refused(reply)
        return reply.headers["x-wherry-run"], reply

    def get(self, run: str, *, tasks: bool = False) -> dict[str, Any]:
        """One run by its id, a unique prefix of it, or `latest`.  Raises `RunNotFound`."""
        return self._ask("GET", f"/v1/runs/{quoted(run)}{'?tasks=1' if tasks else ''}")

    def list(self, *, limit: int = 100, before: str | None = None) -> list[dict[str, Any]]:
        """The runs, newest first, at most `limit`, older than the run `before`."""
        query = f"?limit={limit}" + (f"&before={quoted(before)}" if before else "")
        return self._ask("GET", f"/v1/runs{query}")["runs"]

    def cancel(self, run: str, *, kill: bool = False) -> None:
        """Cancels a run: its tasks get SIGTERM and their grace period, or SIGKILL at once with `kill`."""
        self._ask("POST", f"/v1/runs/{quoted(run)}:cancel{'?kill=1' if kill else ''}", {})

    def retry(self, run: str) -> None:
        """Has a run that failed or was canceled go on from what did not succeed."""
        self._ask("POST", f"/v1/runs/{quoted(run)}:retry", {}, again=False)

    def delete(self, run: str) -> None:
        """Deletes a finished run with its records and artifacts."""
        self._ask("DELETE", f"/v1/runs/{quoted(run)}", again=False)

    def prune(
        self,
        *,
        keep: int = 0,
        older_than_s: float = 0.0,
        runs: bool = True,
        environments_s: float | None = None,
        dry_run: bool = False,
        target: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Deletes old finished runs, sources that no run refers to, and environments unused for `environments_s`; with
        a `target` its runs, and what they have left on the cluster.

        Returns what went (or would go): `{runs: [id], sources: {files, bytes}, environments: [{name, bytes}], objects:
        [kind/name]}`.
        """
        wish = {"keep": keep, "older_than_s": older_than_s, "dry_run": dry_run, "runs": runs}
        wish |= {} if target is None else {"target": dict(target)}
        return self._ask("POST", "/v1/prune", {**wish, "environments_s": environments_s}, again=False)

    def follow(
        self,
        run: str,
        *,
        after: int = 0,
        first: Reply | None = None,
        timeout_s: float | None = None,
        wake: int = -1,
        until_end: bool = True,
    ) -> Iterator[dict[str, Any] | None]:
        """The run's events after number `after`, as they come, to the last; over the death of servers.

        `first` is a stream that `submit_and_follow` returned.  Yields None each time `timeout_s` passes without an
        event or the descriptor `wake` is readable.  Raises `ServerStopped` when a user stopped the server.
        """
        while True:
            try:
                reply = first or self._stream(f"/v1/runs/{quoted(run)}/events?after={after}&follow={int(until_end)}")
                for line in lines(reply, timeout_s, wake):
                    if line is None:
                        yield None
                        continue
                    event: dict[str, Any] = json.loads(line)
                    if event["event"] == "server-stopping":
                        raise ServerStopped(
                            f"the server was stopped; run {run} goes on when the next command starts one",
                            hint=f"wherry show {run[:8]}",
                        )
                    if event["event"] == "trouble":
                        raise WherryError(event["message"], hint=_kept(run))
                    after = event.get("id", after)
                    self._patience.moved()
                    yield event
                return
            except (Disconnected, NotThere) as error:
                if not self._own:
                    raise
                failure = error
            first = None
            try:
                self._revive(failure, wake)
            except WherryError as error:
                hint = f"{error.hint}\n  {_kept(run)}" if error.hint else _kept(run)
                raise WherryError(error.message, hint=hint) from None

    def logs(
        self, run: str, task: str, *, attempt: int | None = None, follow: bool = False, tail: int | None = None
    ) -> Iterator[bytes]:
        """What a task wrote, in pieces as they come; the last attempt's unless `attempt` says which."""
        query = f"task={quoted(task)}&follow={int(follow)}"
        query += "" if attempt is None else f"&attempt={attempt}"
        query += "" if tail is None else f"&tail={tail}"
        reply = self._stream(f"/v1/runs/{quoted(run)}/logs?{query}")
        try:
            while data := reply.poll(None):
                yield data
        finally:
            reply.close()

    def put_code(self, archive: bytes) -> str:
        """Gives the server a code archive unless it has it; returns its digest."""
        digest: str = import_module("hashlib").sha256(archive).hexdigest()
        if self._sent("HEAD", f"/v1/code/{digest}").status == 404:
            reply = self._sent("PUT", f"/v1/code/{digest}", archive)
            self._decoded(reply)
        return digest

    def kubernetes(
        self, method: str, path: str, value: object = None, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> Any:
        """A request to the server's Kubernetes API, and its answer.  Raises `ObjectRefused` with the Status."""
        again = method in ("GET", "PUT", "PATCH")
        reply = self._sent(method, path, value, again=again, headers=headers)
        body: dict[str, Any] = json.loads(reply.read(ANSWER_LIMIT_S) or b"{}")
        if reply.status >= 400:
            message = str(body.get("message") or f"the server answered HTTP {reply.status}")
            raise ObjectRefused(message, reason=str(body.get("reason") or ""))
        return body

    def kubernetes_lines(self, path: str, every_s: float) -> Iterator[bytes | None]:
        """The lines of a watch of the server's Kubernetes API, None each time none has come for so many seconds.

        Raises `ObjectRefused`.
        """
        reply = self._sent("GET", path, fresh=True)
        if reply.status >= 400:
            body: dict[str, Any] = json.loads(reply.read(ANSWER_LIMIT_S) or b"{}")
            raise ObjectRefused(str(body.get("message") or ""), reason=str(body.get("reason") or ""))
        return lines(reply, every_s)

    # --- requests -------------------------------------------------------------------------------------------------

    def _submission(
        self, document: Mapping[str, Any], arguments: Mapping[str, Any], name: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "document": document,
            "arguments": arguments,
            "name": name,
            "options": options,
            "id": self._ids.uuid(),  # a submission whose answer was lost is made again under the same id
        }

    def _ask(self, method: str, path: str, value: object = None, *, again: bool = True) -> Any:
        body = None if value is None else value
        return self._decoded(self._sent(method, path, body, again=again))

    def _stream(self, path: str) -> Reply:
        reply = self._sent("GET", path, fresh=True)
        if reply.status >= 400:
            self._refused(reply)
        return reply

    def _sent(
        self,
        method: str,
        path: str,
        value: object = None,
        *,
        fresh: bool = False,
        again: bool = True,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Reply:
        body = value if isinstance(value, bytes) or value is None else _encoded(value)
        self._ready()
        while True:
            try:
                reply = self._channel.request(
                    method, path, body, timeout_s=ANSWER_LIMIT_S, fresh=fresh, headers=headers
                )
            except NotThere as error:
                if not self._own:
                    raise
                failure = error
            except Disconnected as error:
                if not self._own or not again:
                    raise
                failure = error
            else:
                self._patience.answered()
                return reply
            self._revive(failure)

    def _ready(self) -> None:
        while True:
            self.prepare()
            if self._starting is None:
                return
            starting, self._starting = self._starting, None
            try:
                return starting.wait()
            except launch.DiedStarting as died:
                self._known = False
                readable((), self._patience.pause_s(died))

    def _revive(self, failure: WherryError, wake: int = -1) -> None:
        """Starts the home's server again, when it is gone; raises `failure` when that has been tried too long."""
        self._channel.close()
        self._known = False
        readable((wake,), self._patience.pause_s(failure))
        self._ready()

    def _decoded(self, reply: Reply) -> Any:
        if reply.status >= 400:
            self._refused(reply)
        return json.loads(reply.read(ANSWER_LIMIT_S) or b"{}")

    def _refused(self, reply: Reply) -> NoReturn:
        try:
            error: dict[str, Any] = json.loads(reply.read(ANSWER_LIMIT_S))["error"]
        except (ValueError, KeyError, TypeError):
            raise WherryError(f"the server answered HTTP {reply.status} without saying why") from None
        kind = RunNotFound if reply.status == 404 else UsageError if reply.status in (400, 413) else WherryError
        raise kind(error["message"], hint=error.get("hint"))


def _kept(run: str) -> str:
    return f"run {run} is kept, and goes on when a server can go on: wherry show {run[:8]}"


def quoted(text: str) -> str:
    """Percent-encoded for a path segment or a query's value."""
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def _encoded(value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(f"an argument is not a JSON value: {error}") from None
