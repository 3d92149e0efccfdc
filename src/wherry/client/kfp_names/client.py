"""`kfp.Client` for scripts: the calls that start runs and look at them, on the home's server.

Made by users' code.  Invariant: an argument that has no meaning on the home's server is refused or warned of, never
silently dropped.
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from wherry.client import arguments as argument_values
from wherry.client import flows
from wherry.client.api import Client as HomeClient
from wherry.client.kfp_names import started
from wherry.client.runs import Run, folder_of
from wherry.client.submission import Wishes, artifact_folder, options
from wherry.client.views import FINAL_RUNS
from wherry.dsl.source import KFP_VERSION
from wherry.settings import project

__all__ = ["Client"]

_PAGE = 10
_HOUR_S = 3600.0


class RunInfo(NamedTuple):
    """A run, by the names of KFP's `V2beta1Run`."""

    run_id: str
    display_name: str
    state: str
    created_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    error: dict[str, Any] | None


class RunList(NamedTuple):
    """A page of runs, by the names of KFP's `V2beta1ListRunsResponse`."""

    runs: list[RunInfo]
    next_page_token: str

    @property
    def total_size(self) -> int:
        """How many runs this page has."""
        return len(self.runs)


class RunPipelineResult:
    """A run that was started."""

    def __init__(self, client: Client, run_info: RunInfo) -> None:
        self._client = client
        self.run_info = run_info
        self.run_id = run_info.run_id

    def wait_for_run_completion(self, timeout: float | None = None) -> RunInfo:
        """Wait for the end, at most `timeout` seconds (an hour).  Raises TimeoutError."""
        return self._client.wait_for_run_completion(self.run_id, _HOUR_S if timeout is None else timeout)

    def __repr__(self) -> str:
        return f"RunPipelineResult(run_id={self.run_id})"


class Client:
    """The home's server.  `host` and what goes with it name a KFP server, which this client does not speak to."""

    def __init__(self, host: str | None = None, **settings: Any) -> None:
        if host is not None:
            warnings.warn(
                f"kfp.Client(host={host!r}): kfp is not installed, and wherry runs on this machine; "
                f"to speak to that server: pip install kfp=={KFP_VERSION}",
                stacklevel=2,
            )
        unused = [name for name, value in settings.items() if value is not None]
        if unused:
            warnings.warn(f"kfp.Client: {', '.join(unused)} of a KFP server has no effect here", stacklevel=2)
        self._home = HomeClient()

    def create_run_from_pipeline_func(
        self, pipeline_func: Any, arguments: Mapping[str, Any] | None = None, *settings: Any, **named: Any
    ) -> RunPipelineResult:
        """Start a run of a pipeline.  The arguments are those of `create_run_from_pipeline_package`."""
        return self._start(flows.of_object(pipeline_func), arguments, folder_of(pipeline_func), *settings, **named)

    def create_run_from_pipeline_package(
        self, pipeline_file: str, arguments: Mapping[str, Any] | None = None, *settings: Any, **named: Any
    ) -> RunPipelineResult:
        """Start a run of a compiled pipeline.

        settings, named: run_name, pipeline_root, enable_caching and cache_key are honoured; experiment_name,
        experiment_id, namespace and service_account have no meaning here, and are warned of.  Raises TypeError for
        another one.
        """
        if not pipeline_file.endswith(flows.SUFFIXES):
            raise ValueError(f"The package_file {pipeline_file} should end with one of: {list(flows.SUFFIXES)}.")
        return self._start(flows.load(pipeline_file), arguments, folder_of(pipeline_file), *settings, **named)

    def get_run(self, run_id: str) -> RunInfo:
        """One run."""
        return _info(self._home.get(run_id))

    def list_runs(self, page_token: str = "", page_size: int = _PAGE, **filters: Any) -> RunList:
        """The runs, newest first.  Raises NotImplementedError for sorting and filters."""
        if any(filters.values()):
            raise NotImplementedError(_unsupported(f"list_runs({', '.join(filters)})"))
        found = self._home.list(limit=page_size, before=page_token or None)
        token = found[-1]["id"] if len(found) == page_size else ""
        return RunList([_info(one) for one in found], token)

    def wait_for_run_completion(self, run_id: str, timeout: float, sleep_duration: float = 5) -> RunInfo:
        """Wait for a run's end, at most `timeout` seconds; nothing is polled, so `sleep_duration` does not matter.

        Raises TimeoutError.
        """
        run = Run(self._home, run_id).wait(timeout)
        if run.state not in FINAL_RUNS:
            raise TimeoutError(f"Run timeout: {run_id} is {run.state} after {timeout} s")
        return _info(run.view)

    def terminate_run(self, run_id: str) -> dict[str, Any]:
        """Cancel a run."""
        self._home.cancel(run_id)
        return {}

    def delete_run(self, run_id: str) -> dict[str, Any]:
        """Delete a finished run."""
        self._home.delete(run_id)
        return {}

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_unsupported(name))

    def _start(
        self,
        flow: flows.Flow,
        arguments: Mapping[str, Any] | None,
        folder: str,
        run_name: str | None = None,
        experiment_name: str | None = None,
        namespace: str | None = None,
        pipeline_root: str | None = None,
        enable_caching: bool | None = None,
        cache_key: str | None = None,
        service_account: str | None = None,
        experiment_id: str | None = None,
    ) -> RunPipelineResult:
        if experiment_name is not None and experiment_id is not None:
            raise ValueError("You cannot specify both experiment_name and experiment_id.")
        meaningless = {
            "experiment_name": experiment_name,
            "experiment_id": experiment_id,
            "namespace": namespace,
            "service_account": service_account,
        }
        for name in [name for name, value in meaningless.items() if value]:
            warnings.warn(f"kfp.Client: {name} has no effect here", stacklevel=3)
        flow = _with_caching(flow, enable_caching, cache_key)
        values = argument_values.checked(flow, arguments or {})
        chosen = options(self._home, project(folder), Wishes())
        if pipeline_root is not None:
            chosen["pipeline_root"] = artifact_folder(pipeline_root)
        made = self._home.submit(flow.document, values, name=run_name or "", options=chosen)
        started.runs.append((made, flow))
        return RunPipelineResult(self, self.get_run(made))


def _with_caching(flow: flows.Flow, enable: bool | None, key: str | None) -> flows.Flow:
    """The flow with the caching of all of its tasks set, as KFP's client does it."""
    if enable is None:
        return flow
    own = {"cacheKey": key} if key else {}

    def options_of(task: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in task.get("cachingOptions", {}).items() if name != "enableCache"}
        return kept | ({"enableCache": True} if enable else {}) | own

    def changed(component: dict[str, Any]) -> dict[str, Any]:
        dag = component.get("dag")
        if dag is None:
            return component
        tasks = {name: task | {"cachingOptions": options_of(task)} for name, task in dag.get("tasks", {}).items()}
        return component | {"dag": dag | {"tasks": tasks}}

    spec = flow.spec | {"root": changed(flow.spec["root"])}
    if "components" in spec:
        spec["components"] = {name: changed(component) for name, component in spec["components"].items()}
    document = flow.document | {"pipeline_spec": spec} if "pipeline_spec" in flow.document else spec
    return flow._replace(document=document)


def _info(view: Mapping[str, Any]) -> RunInfo:
    return RunInfo(
        view["id"],
        view["name"] or view["pipeline"],
        view["state"],
        _time(view.get("created_at")),
        _time(view.get("finished_at")),
        view.get("error"),
    )


def _time(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _unsupported(what: str) -> str:
    return f"kfp.Client.{what} is not among what wherry has; it is in kfp itself: pip install kfp=={KFP_VERSION}"
