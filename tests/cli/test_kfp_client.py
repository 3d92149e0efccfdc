"""Scripts that start runs with `kfp.Client`, as flows, where kfp is not installed."""

from __future__ import annotations

import json

from tests.cli.homes import RealHome

SCRIPT = """
import json
import kfp
from kfp import dsl
from kfp.compiler import Compiler

@dsl.component
def add(a: int, b: int = 1) -> int:
    return a + b

@dsl.component
def wrong():
    raise ValueError("wrong")

@dsl.pipeline(name="sum")
def total(x: int = 1) -> int:
    return add(a=x, b=2).output

def say(*values):
    print(json.dumps(values))

client = kfp.Client()
"""


def lines(home: RealHome, script: str, *words: str) -> list[list[object]]:
    """What the script says while it is loaded."""
    home.write("script.py", SCRIPT + script)
    done = home.run("compile", "script.py", "-o", "out.yaml", *words)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines() if line.startswith("[")]


def test_runs_are_started_and_waited_for(shared: RealHome) -> None:
    script = """
made = client.create_run_from_pipeline_func(total, arguments={"x": 3}, run_name="mine")
end = made.wait_for_run_completion(timeout=60)
say(end.state, end.display_name, end.run_id == made.run_id, end.finished_at >= end.created_at, end.error)
say(client.get_run(made.run_id).state, [one.run_id == made.run_id for one in client.list_runs(page_size=1).runs])
Compiler().compile(total, "total.yaml")
again = client.create_run_from_pipeline_package("total.yaml", {"x": 3}, "again").wait_for_run_completion()
say(again.state, again.display_name)
failed = client.create_run_from_pipeline_func(wrong).wait_for_run_completion(60)
say(failed.state, failed.error["message"])
client.delete_run(failed.run_id)
"""
    told = lines(shared, script)
    assert told[:2] == [["SUCCEEDED", "mine", True, True, None], ["SUCCEEDED", [True]]]
    assert told[2] == ["SUCCEEDED", "again"]
    assert told[3][0] == "FAILED"
    assert "wrong" in str(told[3][1])
    assert shared.run("run", "script.py:wrong", "--json").code == 1


def test_a_run_that_the_file_starts_is_followed(real: RealHome) -> None:
    start = "client.create_run_from_pipeline_func({}, {})\n".format
    real.write("script.py", SCRIPT + start("total", '{"x": 1}') + start("total", '{"x": 40}'))
    end = json.loads(real.run("run", "script.py", "--json").out.splitlines()[-1])
    assert (end["state"], end["outputs"]) == ("SUCCEEDED", {"Output": 42})
    assert len(real.run("ls", "--json").out.splitlines()) == 2
    told = real.run("run", "script.py")
    assert "of sum, which the file has started" in told.out
    detached = json.loads(real.run("run", "script.py", "--detach", "--json").out)
    assert real.json("show", detached["run"], "--json")["pipeline"] == "sum"
    more = json.loads(real.run("run", "script.py:total", "-p", "x=5", "--json").out.splitlines()[-1])
    assert more["outputs"] == {"Output": 7}
    real.write("script.py", SCRIPT + start("wrong", "{}"))
    assert real.run("run", "script.py", "--json").code == 1


def test_caching_and_the_pipeline_root_are_the_callers(shared: RealHome) -> None:
    script = """
def phases(**settings):
    made = client.create_run_from_pipeline_func(total, {"x": 7}, **settings)
    made.wait_for_run_completion(60)
    say([task["phase"] for task in client._home.get(made.run_id, tasks=True)["tasks"] if task["kind"] == "task"])
phases()
phases()
phases(enable_caching=False)
phases(enable_caching=True, cache_key="mine", pipeline_root="elsewhere")
"""
    assert lines(shared, script) == [[["SUCCEEDED"]], [["CACHED"]], [["SUCCEEDED"]], [["SUCCEEDED"]]]
    assert any((shared.work / "elsewhere").rglob("*"))


def test_what_has_no_meaning_here_is_told(shared: RealHome) -> None:
    script = """
import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    other = kfp.Client(host="https://kfp.example", existing_token="t")
    other.create_run_from_pipeline_func(total, experiment_name="e", namespace="n", enable_caching=True)
say(*[str(one.message) for one in told])
for call in (
    lambda: client.upload_pipeline,
    lambda: client.list_runs(sort_by="name"),
    lambda: client.create_run_from_pipeline_func(total, wrong=1),
    lambda: client.create_run_from_pipeline_func(total, experiment_name="a", experiment_id="b"),
    lambda: client.create_run_from_pipeline_func(total, pipeline_root="s3://bucket"),
    lambda: client.create_run_from_pipeline_func(total, {"nope": 1}),
    lambda: client.create_run_from_pipeline_package("x.txt"),
    lambda: client.create_run_from_pipeline_func(say),
):
    try:
        call()
    except Exception as error:
        say(type(error).__name__, str(error))
made = client.create_run_from_pipeline_func(total)
client.terminate_run(made.run_id)
say(made.wait_for_run_completion().state in ("CANCELED", "SUCCEEDED"))
"""
    told = lines(shared, script)
    assert len(told[0]) == 4
    assert "pip install kfp==2.17.0" in str(told[0][0])
    assert [line[0] for line in told[1:-1]] == [
        "AttributeError",
        "NotImplementedError",
        "TypeError",
        "ValueError",
        "UsageError",
        "UsageError",
        "ValueError",
        "UsageError",
    ]
    assert "kfp.Client.upload_pipeline is not among what wherry has" in str(told[1][1])
    assert told[-1] == [True]
