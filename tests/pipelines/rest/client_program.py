"""Run by kfp's own Python: every public method of `kfp.Client` against a server; prints what it saw as one JSON object.

`client_program.py HOST CA TOKEN FOLDER`
"""

import functools
import inspect
import json
import sys
import warnings

warnings.simplefilter("ignore")

import kfp  # noqa: E402
import kfp_server_api  # noqa: E402
from kfp import compiler, dsl  # noqa: E402

HOST, CA, TOKEN, FOLDER = sys.argv[1:]
seen: dict[str, object] = {}
called: set[str] = set()


class Client(kfp.Client):
    """Notes which of its own methods are called."""

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name in PUBLIC and callable(found):
            called.add(name)
        return found


PUBLIC = {name for name, value in vars(kfp.Client).items() if inspect.isfunction(value) and not name.startswith("_")}


@dsl.component
def add(a: int, b: int) -> int:
    return a + b


@dsl.component
def wrong(text: str):
    raise ValueError(text)


@dsl.component
def save(text: str, data: dsl.Output[dsl.Dataset], metrics: dsl.Output[dsl.Metrics]):
    metrics.log_metric("accuracy", len(text))
    with open(data.path, "w") as file:
        file.write(text)


@dsl.component
def wait_long():
    import time

    time.sleep(600)


@dsl.pipeline(name="adding")
def adding(x: int = 1, y: int = 2):
    first = add(a=x, b=y)
    with dsl.ParallelFor([1, 2]) as item:
        add(a=first.output, b=item)


@dsl.pipeline(name="saving")
def saving(text: str = "hello"):
    save(text=text)


@dsl.pipeline(name="waiting")
def waiting():
    wait_long()


@dsl.pipeline(name="failing")
def failing():
    wrong(text="no luck")


def refused(work) -> list[object]:
    try:
        work()
    except kfp_server_api.ApiException as error:
        return [error.status, json.loads(error.body)["message"]]
    raise AssertionError("not refused")


def predicates(*each: dict) -> str:
    return json.dumps({"predicates": list(each)})


client = Client(host=HOST, ssl_ca_cert=CA, existing_token=TOKEN)
finish = functools.partial(client.wait_for_run_completion, timeout=120, sleep_duration=0.1)
seen["healthz"] = client.get_kfp_healthz().multi_user
client.set_user_namespace("")
client.get_user_namespace()

# Experiments
one = client.create_experiment("one", description="first")
seen["again"] = client.create_experiment("one").experiment_id == one.experiment_id
seen["experiment"] = [client.get_experiment(experiment_name="one").description, one.storage_state]
seen["no experiment"] = refused(lambda: client.get_experiment(experiment_id="nothing"))[0]
for name in ("two", "three"):
    client.create_experiment(name)
pages, token = [], ""
while True:
    page = client.list_experiments(page_token=token, page_size=2, sort_by="display_name desc")
    pages.append([each.display_name for each in page.experiments])
    token = page.next_page_token
    if not token:
        break
seen["pages"] = [pages, page.total_size]
two = client.get_experiment(experiment_name="two").experiment_id
client.archive_experiment(two)
archived = predicates({"operation": 1, "key": "storage_state", "stringValue": "ARCHIVED"})
seen["archived"] = [each.display_name for each in client.list_experiments(filter=archived).experiments]
client.unarchive_experiment(two)
client.delete_experiment(two)
seen["deleted"] = refused(lambda: client.get_experiment(experiment_id=two))[0]

# Pipelines
pipeline = client.upload_pipeline_from_pipeline_func(adding, pipeline_name="adder", description="adds")
compiler.Compiler().compile(adding, f"{FOLDER}/adding.yaml")
other = client.upload_pipeline(f"{FOLDER}/adding.yaml", pipeline_name="other")

second = client.upload_pipeline_version(f"{FOLDER}/adding.yaml", "v2", pipeline_name="adder", description="d2")
third = client.upload_pipeline_version_from_pipeline_func(adding, "v3", pipeline_id=pipeline.pipeline_id)
seen["pipeline"] = [
    client.get_pipeline(pipeline.pipeline_id).description,
    client.get_pipeline_id("adder") == pipeline.pipeline_id,
]
seen["pipelines"] = sorted(each.display_name for each in client.list_pipelines().pipelines)
versions = client.list_pipeline_versions(pipeline.pipeline_id, sort_by="created_at desc")
seen["versions"] = [each.display_name for each in versions.pipeline_versions]
got = client.get_pipeline_version(pipeline.pipeline_id, second.pipeline_version_id)
seen["spec"] = got.pipeline_spec["pipelineInfo"]["name"]
client.delete_pipeline_version(pipeline.pipeline_id, third.pipeline_version_id)
seen["has versions"] = refused(lambda: client.delete_pipeline(other.pipeline_id))[0]
for each in client.list_pipeline_versions(other.pipeline_id).pipeline_versions:
    client.delete_pipeline_version(other.pipeline_id, each.pipeline_version_id)
client.delete_pipeline(other.pipeline_id)
seen["left"] = client.list_pipelines().total_size

# Runs
run = client.create_run_from_pipeline_func(adding, {"x": 5}, experiment_id=one.experiment_id, enable_caching=False)
ended = finish(run.run_id)
seen["run"] = [ended.state, [state.state for state in ended.state_history], ended.runtime_config.parameters]
details = {each.task_id: each for each in ended.run_details.task_details}
seen["tasks"] = sorted(
    [each.display_name, each.state, details[each.parent_task_id].display_name if each.parent_task_id else ""]
    for each in details.values()
)
package = client.create_run_from_pipeline_package(
    f"{FOLDER}/adding.yaml", {"x": 1}, run_name="from package", experiment_name="three"
)
job = client.run_pipeline(
    one.experiment_id,
    "job",
    params={"x": 3},
    pipeline_id=pipeline.pipeline_id,
    version_id=second.pipeline_version_id,
    service_account="default",
)
seen["job"] = [
    finish(job.run_id).state,
    job.pipeline_version_reference.pipeline_version_id == second.pipeline_version_id,
]
seen["package"] = finish(package.run_id).state
failed = client.create_run_from_pipeline_func(failing, {})
ended = finish(failed.run_id)
seen["failed"] = [ended.state, ended.error.code, "no luck" in json.dumps(ended.to_dict(), default=str)]
canceled = client.create_run_from_pipeline_func(waiting, {}, run_name="canceled")
client.terminate_run(canceled.run_id)
ended = finish(canceled.run_id)
seen["canceled"] = [ended.state, ended.error.code, ended.state_history[-1].state]
seen["terminated twice"] = refused(lambda: client.terminate_run(canceled.run_id))[0]
saved = client.create_run_from_pipeline_func(saving, {"text": "[[RunUUID]]"})
ended = finish(saved.run_id)
seen["macro"] = ended.runtime_config.parameters["text"] == saved.run_id
task = next(each for each in ended.run_details.task_details if each.display_name == "save")
seen["outputs"] = sorted(task.outputs)
seen["artifact"] = task.outputs["data"].artifact_ids
seen["task"] = task.task_id
seen["saved"] = saved.run_id
by_metric = client.list_runs(sort_by="metric:accuracy desc", page_size=1).runs
seen["metric"] = by_metric[0].run_id == saved.run_id
names = predicates({"operation": 9, "key": "display_name", "stringValue": "pack"})
seen["substring"] = [each.display_name for each in client.list_runs(filter=names).runs]
states = predicates({"operation": "IN", "key": "state", "stringValues": {"values": ["FAILED"]}})
seen["failed runs"] = sorted(each.run_id for each in client.list_runs(filter=states).runs) == sorted(
    [failed.run_id, canceled.run_id]
)
seen["experiment's runs"] = client.list_runs(experiment_id=one.experiment_id, page_size=1).total_size
client.archive_run(job.run_id)
seen["archived run"] = client.get_run(job.run_id).storage_state
client.unarchive_run(job.run_id)
client.delete_run(job.run_id)
seen["deleted run"] = refused(lambda: client.get_run(job.run_id))
seen["bad argument"] = refused(lambda: client.create_run_from_pipeline_func(adding, {"z": 1}))
seen["bad filter"] = refused(
    lambda: client.list_runs(filter=predicates({"operation": 1, "key": "color", "stringValue": ""}))
)
seen["bad sort"] = refused(lambda: client.list_runs(sort_by="color"))[0]
seen["bad token"] = refused(lambda: client.list_runs(page_token="x"))[0]

# Recurring runs
reference = {"pipeline_id": pipeline.pipeline_id, "version_id": second.pipeline_version_id}
every = client.create_recurring_run(
    one.experiment_id, "every", interval_second=1, max_concurrency=2, params={"x": 1}, **reference
)
seen["recurring"] = [every.status, every.max_concurrency, every.trigger.periodic_schedule.interval_second]
while True:
    fired = [
        each
        for each in client.list_runs(experiment_id=one.experiment_id, page_size=100).runs
        if each.recurring_run_id == every.recurring_run_id
    ]
    if len(fired) >= 2:
        break
seen["fired"] = len({each.scheduled_at for each in fired}) == len(fired)
client.disable_recurring_run(every.recurring_run_id)
seen["disabled"] = client.get_recurring_run(every.recurring_run_id).status
client.enable_recurring_run(every.recurring_run_id)
seen["enabled"] = client.get_recurring_run(every.recurring_run_id).status
client.disable_job(every.recurring_run_id)
client.enable_job(every.recurring_run_id)
never = client.create_recurring_run(
    one.experiment_id, "never", cron_expression="0 0 0 1 1 *", enabled=False, no_catchup=True,
    pipeline_package_path=f"{FOLDER}/adding.yaml", start_time="2099-01-01T00:00:00Z",
)  # fmt: skip
seen["never"] = [never.status, never.no_catchup, never.trigger.cron_schedule.cron]
seen["recurring runs"] = sorted(each.display_name for each in client.list_recurring_runs().recurring_runs)
seen["five fields"] = refused(
    lambda: client.create_recurring_run(one.experiment_id, "five", cron_expression="* * * * *", **reference)
)
client.delete_recurring_run(never.recurring_run_id)
client.delete_job(every.recurring_run_id)
seen["no recurring runs"] = client.list_recurring_runs().recurring_runs

seen["not called"] = sorted(PUBLIC - called)
print(json.dumps(seen))
