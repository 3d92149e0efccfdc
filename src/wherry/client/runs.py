"""`wherry.run` and `Run`: pipelines from a notebook or a script.

Called by users' code.  Everything blocks, on a socket and not on a loop, so it works inside a running event loop as
well. Invariant: a `Run` holds an id and the last view of it; the truth is the server's.
"""

from __future__ import annotations

import html
import inspect
import os
from collections.abc import Mapping
from typing import Any

from wherry.client import arguments as argument_values
from wherry.client import flows, views
from wherry.client.api import Client
from wherry.client.submission import Wishes, options
from wherry.errors import WherryError
from wherry.seams import Clock, SystemClock
from wherry.settings import project as project_at


class RunFailed(WherryError):
    """`Run.check` on a run that did not succeed."""


def run(
    pipeline: Any,
    arguments: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    cache: bool = True,
    keep_going: bool = False,
    parallelism: int | None = None,
    on: str | None = None,
    client: Client | None = None,
) -> Run:
    """Starts a run of `pipeline` and returns it at once; `Run.wait` waits for its end.

    `pipeline` is a pipeline or component of `wherry.dsl`, or the path of a compiled pipeline.  `arguments` are its
    inputs by name.  `on` names a target of the `wherry.toml` that lies in the pipeline's folder or above.  Raises
    `UsageError` when the pipeline or an argument is wrong, before anything runs.
    """
    client = client or Client()
    client.prepare()
    flow = flows.load(pipeline) if isinstance(pipeline, str) else flows.of_object(pipeline)
    values = argument_values.checked(flow, arguments or {})
    project = project_at(folder_of(pipeline))
    wishes = Wishes(cache=cache, keep_going=keep_going, parallelism=parallelism, on=on)
    return Run(client, client.submit(flow.document, values, name=name, options=options(client, project, wishes)))


class Run:
    """One run.  Its views come from the server when they are asked for, and are kept once the run is final."""

    def __init__(self, client: Client, id: str, *, clock: Clock | None = None) -> None:
        self.id = id
        self._client = client
        self._clock = clock or SystemClock()
        self._view: dict[str, Any] = {}

    @property
    def view(self) -> dict[str, Any]:
        """The run with its tasks, as the server shows it."""
        if self._view.get("state") not in views.FINAL_RUNS:
            self._view = self._client.get(self.id, tasks=True)
        return self._view

    @property
    def state(self) -> str:
        """PENDING, RUNNING, SUCCEEDED, FAILED, CANCELING or CANCELED."""
        return self.view["state"]

    @property
    def name(self) -> str:
        """The run's display name."""
        return self.view["name"]

    @property
    def outputs(self) -> dict[str, Any]:
        """The pipeline's outputs: parameters by name, artifacts as `{name, type, uri, metadata}`; {} until the end."""
        return views.flat(self.view.get("outputs"))

    @property
    def error(self) -> dict[str, Any] | None:
        """Why the run failed, as `{type, message, traceback, task}`; None unless it did."""
        return self.view.get("error")

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The tasks, as `{path, phase, attempt, inputs, outputs, error, cached_from, ...}`."""
        return self.view["tasks"]

    @property
    def artifacts(self) -> list[dict[str, Any]]:
        """The artifacts that tasks made, as `{task, output, name, type, uri, metadata}`."""
        return views.artifacts(self.tasks)

    def wait(self, timeout_s: float | None = None) -> Run:
        """Waits for the run's end, or at most `timeout_s`, and returns the run itself.

        Ctrl-C cancels the run and waits for it to stop; a second one kills it.  KeyboardInterrupt is raised at the end.
        """
        until = None if timeout_s is None else self._clock.monotonic() + timeout_s
        after, interrupts = 0, 0
        while True:
            try:
                for event in self._client.follow(self.id, after=after, timeout_s=self._left(until)):
                    if event is None and self._left(until) == 0:
                        return self
                    after = after if event is None else event.get("id", after)
                break
            except KeyboardInterrupt:
                interrupts += 1
                self._client.cancel(self.id, kill=interrupts > 1)
        if interrupts:
            raise KeyboardInterrupt
        return self

    def check(self) -> Run:
        """Waits for the end and returns the run itself; raises `RunFailed` unless it succeeded."""
        if self.wait().state != "SUCCEEDED":
            error = self.error or {}
            task = f" in task {error['task']}" if error.get("task") else ""
            what = f": {error.get('type', '')}: {error['message']}{task}" if error.get("message") else ""
            raise RunFailed(f"run {self.id} is {self.state}{what}", hint=error.get("traceback") or None)
        return self

    def logs(self, task: str, *, attempt: int | None = None) -> str:
        """What a task has written so far; bytes that are not UTF-8 are replaced."""
        return b"".join(self._client.logs(self.id, task, attempt=attempt)).decode("utf-8", "replace")

    def cancel(self, *, kill: bool = False) -> None:
        """Cancels the run: SIGTERM and a grace period for what runs, or SIGKILL at once."""
        self._client.cancel(self.id, kill=kill)

    def retry(self) -> Run:
        """Has the run, which failed or was canceled, go on from what did not succeed; returns the run itself."""
        self._client.retry(self.id)
        self._view = {}
        return self

    def __repr__(self) -> str:
        try:
            view = self.view
        except WherryError as error:
            return f"<Run {self.id}: {error.message}>"
        counts = ", ".join(f"{number} {phase.lower()}" for phase, number in view.get("counts", {}).items())
        seconds = views.duration(views.seconds_of(view, self._clock.time()))
        facts = [view["state"], *([seconds] if seconds else []), *([counts] if counts else [])]
        return f"<Run {views.short(self.id)} of {view['pipeline']}: {'; '.join(facts)}>"

    def _repr_html_(self) -> str:
        try:
            view = self.view
        except WherryError as error:
            return f"<p>{html.escape(repr(self.id))}: {html.escape(error.message)}</p>"
        rows = "".join(_row(task, self._clock.time()) for task in self._shown(view["tasks"]))
        head = f"{view['pipeline']} · {views.short(self.id)} · {view['state']}"
        error = views.part(view, "error")
        text = str(error.get("traceback") or error.get("message") or "")
        return (
            f"<div><p><b>{html.escape(head)}</b></p><table><tr><th>task</th><th>state</th><th>time</th>"
            f"<th>outputs</th></tr>{rows}</table>{f'<pre>{html.escape(text)}</pre>' if text else ''}</div>"
        )

    @staticmethod
    def _shown(tasks: list[dict[str, Any]], limit: int = 100) -> list[dict[str, Any]]:
        leaves = [task for task in tasks if task["kind"] in views.LEAVES]
        return leaves[:limit]

    def _left(self, until: float | None) -> float | None:
        return None if until is None else max(0.0, until - self._clock.monotonic())


def _row(task: Mapping[str, Any], now: float) -> str:
    outputs = views.redacted(views.flat(task.get("outputs")))
    cells = [
        task["path"],
        task["phase"].lower() + (f" from {views.short(task['cached_from'])}" if task.get("cached_from") else ""),
        views.duration(views.seconds_of(task, now)),
        ", ".join(f"{name}={views.brief(value)}" for name, value in outputs.items()),
    ]
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def folder_of(pipeline: Any) -> str:
    """Where the search for `wherry.toml` begins: the flow's own folder, else the current one."""
    if isinstance(pipeline, str):
        return os.path.dirname(os.path.abspath(pipeline))
    function = getattr(pipeline, "pipeline_func", None) or getattr(pipeline, "python_func", None)
    try:
        return os.path.dirname(os.path.abspath(inspect.getsourcefile(function) or "")) if function else os.getcwd()
    except TypeError:
        return os.getcwd()
