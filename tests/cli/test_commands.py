"""What commands print and how they exit; the runs are scripted, everything before them is real."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.homes import Done
from tests.server.scripted import Script

Wherry = Callable[..., Done]

METRICS = {"name": "m", "type": {"schemaTitle": "system.Metrics"}, "uri": "/m", "metadata": {"accuracy": 0.5}}
TASKS: list[dict[str, Any]] = [
    {"path": "root", "kind": "dag", "phase": "FAILED", "attempt": 0},
    {
        "path": "load",
        "kind": "task",
        "phase": "CACHED",
        "attempt": 0,
        "cached_from": "11112222-0000-4000-8000-000000000000",
        "inputs": {"parameters": {"api_key": "hunter2", "n": 3}},
        "outputs": {
            "parameters": {"count": 7},
            "artifacts": {
                "data": [{"name": "data", "type": {"schemaTitle": "system.Dataset"}, "uri": "/a/data", "metadata": {}}]
            },
        },
    },
    {"path": "for-loop-1", "kind": "loop", "phase": "FAILED", "attempt": 0},
    *[
        task
        for n in range(25)
        for task in (
            {
                "path": f"for-loop-1[{n}]",
                "kind": "iteration",
                "phase": "FAILED" if n == 9 else "SUCCEEDED",
                "attempt": 0,
            },
            {
                "path": f"for-loop-1[{n}]/train",
                "kind": "task",
                "phase": "FAILED" if n == 9 else "SUCCEEDED",
                "attempt": 2 if n == 9 else 1,
                "error": {"type": "ValueError", "message": "no good"} if n == 9 else None,
                "outputs": {"artifacts": {"m": [METRICS]}},
            },
        )
    ],
]
RUN: dict[str, Any] = {
    "id": "aaaabbbb-0000-4000-8000-000000000000",
    "name": "digits",
    "pipeline": "digits",
    "state": "FAILED",
    "created_at": 1_700_000_000.0,
    "started_at": 1_700_000_000.0,
    "finished_at": 1_700_000_061.0,
    "arguments": {"password": "hunter2", "n": 3},
    "outputs": None,
    "error": {"type": "ValueError", "message": "no good", "task": "for-loop-1[9]/train"},
    "counts": {"SUCCEEDED": 24, "FAILED": 1},
    "tasks": TASKS,
}


def finished(state: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    return {"id": 99, "event": "run-finished", "state": state, "seconds": 0.5, "outputs": {}, **more}


def task(number: int, path: str, phase: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "event": "task",
        "path": path,
        "kind": "task",
        "phase": phase,
        "attempt": 0,
        "at": 1.0,
        **more,
    }


def every_run(script: Script, *events: dict[str, Any]) -> None:
    script.runs.events_of["*"] = [{"id": 1, "event": "run-started", "run": "r", "pipeline": "greeting"}, *events]


def test_a_run_in_plain_lines(wherry: Wherry, script: Script) -> None:
    every_run(
        script,
        task(2, "hello", "RUNNING"),
        task(3, "hello", "SUCCEEDED", started_at=1.0, finished_at=1.25),
        task(4, "old", "CACHED", cached_from="11112222-0000"),
        {"id": 5, "event": "notice", "message": "image x means this environment"},
        finished(outputs={"Output": "hello world", "token": "hunter2"}),
    )
    done = wherry("run", "hello.py", "-p", "n=2")
    assert done.code == 0, done.err
    first, *rest = done.out.splitlines()
    assert first.startswith("run ")
    assert first.endswith(" of greeting")
    assert rest[:3] == [
        "  ✓ hello  0.25s",
        "  ✓ old  cached, from run 11112222",
        "  note: image x means this environment",
    ]
    assert rest[3].startswith("SUCCEEDED ")
    assert rest[3].endswith("in 0.50s, 1 from the cache")
    assert rest[4:] == ["  Output = hello world", "  token = (hidden)"]
    assert script.runs.calls[0][2] == {"n": 2}


def test_a_run_as_json_is_its_events(wherry: Wherry, script: Script) -> None:
    every_run(script, task(2, "hello", "SUCCEEDED"), finished(outputs={"Output": "x"}))
    done = wherry("run", "hello.py", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["event"] for event in events] == ["run-started", "task", "run-finished"]
    assert events[-1]["outputs"] == {"Output": "x"}
    assert (done.code, done.err) == (0, "")


def test_a_failed_run_ends_with_the_users_traceback_and_the_way_to_the_log(wherry: Wherry, script: Script) -> None:
    error = {
        "type": "ModuleNotFoundError",
        "message": "No module named 'sklearn'",
        "task": "hello",
        "traceback": 'Traceback (most recent call last):\n  File "hello.py", line 7, in hello\nModuleNot...',
        "hint": "@dsl.component(packages_to_install=['scikit-learn'])",
    }
    every_run(script, task(2, "hello", "FAILED", error=error), finished("FAILED", error=error))
    done = wherry("run", "hello.py")
    assert done.code == 1
    assert "✗ hello  failed  No module named 'sklearn'" in done.out
    assert done.err.startswith("task hello failed: ModuleNotFoundError: No module named 'sklearn'\nTraceback")
    assert (
        "hint: add it to the decorator at hello.py:5: @dsl.component(packages_to_install=['scikit-learn'])" in done.err
    )
    assert "the end of its log:\n  one\n" in done.err
    assert done.err.splitlines()[-1].startswith("full log: wherry logs ")
    assert done.err.splitlines()[-1].endswith(" hello")


def test_a_module_beside_the_flow_is_not_taken_for_a_package(wherry: Wherry, script: Script, tmp_path: Path) -> None:
    (tmp_path / "work" / "shapes.py").touch()
    error = {"type": "ModuleNotFoundError", "message": "No module named 'shapes.round'", "task": "hello"}
    every_run(script, task(2, "hello", "FAILED", error=error), finished("FAILED", error=error))
    assert "hint: shapes lies beside hello.py: give wherry.toml a [code] table" in wherry("run", "hello.py").err


def test_a_failure_without_traceback_shows_the_end_of_the_log(wherry: Wherry, script: Script) -> None:
    error = {"type": "Signal", "message": "killed by SIGKILL", "task": "hello"}
    every_run(script, finished("FAILED", error=error))
    done = wherry("run", "hello.py")
    assert "the end of its log:\n  one\n" in done.err


def test_a_wide_loop_is_told_in_tenths(wherry: Wherry, script: Script) -> None:
    events = [task(2, "loop", "RUNNING", kind="loop")]
    events += [task(3, f"loop[{n}]", "RUNNING", kind="iteration") for n in range(100)]
    for n in range(100):
        phase = "FAILED" if n == 50 else "SUCCEEDED"
        events.append(task(4, f"loop[{n}]/t", phase, error={"message": "bad"} if n == 50 else None))
        events.append(task(5, f"loop[{n}]", phase, kind="iteration"))
    every_run(script, *events, finished())
    lines = wherry("run", "hello.py").out.splitlines()
    assert "  ▸ loop  50/100" in lines
    assert "  ▸ loop  100/100, 1 failed" in lines
    assert "  ✗ loop[50]/t  failed  bad" in lines
    assert len(lines) == 1 + 10 + 1 + 1


def test_detach_prints_the_id_and_leaves(wherry: Wherry, script: Script) -> None:
    every_run(script, {"event": "wait"})
    done = wherry("run", "hello.py", "--detach")
    assert done.code == 0
    assert done.out.strip() in script.runs.runs


def test_options_reach_the_run(wherry: Wherry, script: Script) -> None:
    done = wherry("run", "hello.py", "--no-cache", "--keep-going", "--parallelism", "4", "--name", "mine")
    assert done.code == 0, done.err
    _, name, _, options = script.runs.calls[0]
    assert (name, options.cache, options.keep_going, options.parallelism) == ("mine", False, True, 4)


def test_the_projects_file_counts(wherry: Wherry, script: Script, tmp_path: Path) -> None:
    (tmp_path / "work" / "wherry.toml").write_text(
        '[images]\n"python:*" = { requirements = ["six"] }\n[code]\n[targets.disk]\nartifacts = "out"\n'
    )
    assert wherry("run", "hello.py", "--on", "disk").code == 0
    options = script.runs.calls[0][3]
    assert options.images[0].requirements == ["six"]
    assert options.code in script.code.archives
    assert options.pipeline_root == str(tmp_path / "work" / "out")


def test_arguments_from_a_file_are_outdone_by_words(wherry: Wherry, script: Script, tmp_path: Path) -> None:
    (tmp_path / "work" / "args.yaml").write_text("name: file\nn: 5\n")
    assert wherry("run", "hello.py", "--args", "args.yaml", "-p", "n=7").code == 0
    assert script.runs.calls[0][2] == {"name": "file", "n": 7}


def test_a_compiled_file_runs(wherry: Wherry, script: Script) -> None:
    assert wherry("compile", "hello.py", "-o", "hello.yaml").code == 0
    done = wherry("run", "hello.yaml", "-p", "name=you")
    assert (done.code, script.runs.calls[0][2]) == (0, {"name": "you"})


def test_compile_to_the_screen_and_to_json(wherry: Wherry, tmp_path: Path) -> None:
    screen = wherry("compile", "hello.py", "-o", "-")
    assert screen.out.startswith("# PIPELINE DEFINITION\n# Name: greeting")
    assert wherry("compile", "hello.py:greet", "-o", "x.json", "--disable-execution-caching-by-default").code == 0
    spec = json.loads((tmp_path / "work" / "x.json").read_text())
    assert spec["root"]["dag"]["tasks"]["hello"]["cachingOptions"] == {}
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["hello.py", "x.json"]


def test_ls(wherry: Wherry, script: Script) -> None:
    assert wherry("ls").out == "no runs yet\n"
    script.runs.runs = {"1": {**RUN, "id": "1"}, "2": {**RUN, "id": "2"}}
    listed = [json.loads(line) for line in wherry("ls", "--json").out.splitlines()]
    assert [(run["id"], run["pipeline"], run["state"]) for run in listed] == [
        ("2", "digits", "FAILED"),
        ("1", "digits", "FAILED"),
    ]
    assert "hunter2" not in wherry("ls", "--json").out
    table = wherry("ls", "-n", "1").out.splitlines()
    assert table[0].split() == ["RUN", "NAME", "PIPELINE", "STATE", "CREATED", "TIME"]
    assert table[1].startswith("2    digits  digits    FAILED")
    assert table[1].endswith("1m01s")
    assert len(table) == 2


def test_show_is_a_tree_without_secrets(wherry: Wherry, script: Script) -> None:
    script.runs.runs = {"r": RUN}
    text = wherry("show", "r").out
    assert "hunter2" not in text
    assert "arguments: password=(hidden), n=3" in text
    assert "├─ load  CACHED, from run 11112222" in text
    assert "← api_key = (hidden)" in text
    assert "→ count = 7" in text
    assert "→ data = /a/data" in text
    assert "[9]  FAILED" in text
    assert "train  FAILED  attempt 2" in text
    assert "accuracy: 0.5" in text
    assert "! no good" in text
    assert "24 of 25 iterations not shown (--all)" in text
    assert text.splitlines()[-1] == "full log: wherry logs aaaabbbb for-loop-1[9]/train"
    assert wherry("show", "r", "--all").out.count("train  SUCCEEDED") == 24
    shown = json.loads(wherry("show", "r", "--json").out)
    assert (shown["state"], len(shown["tasks"])) == ("FAILED", len(TASKS))
    assert "hunter2" not in json.dumps(shown)


def test_artifacts(wherry: Wherry, script: Script) -> None:
    script.runs.runs = {"r": RUN}
    found = [json.loads(line) for line in wherry("artifacts", "r", "--json").out.splitlines()]
    assert found[0] == {
        "task": "load",
        "output": "data",
        "name": "data",
        "type": "system.Dataset",
        "uri": "/a/data",
        "metadata": {},
    }
    assert wherry("artifacts", "r").out.splitlines()[1].split() == ["load", "data", "system.Dataset", "/a/data"]


def test_logs(wherry: Wherry, script: Script) -> None:
    hello = {"path": "hello", "kind": "task", "phase": "SUCCEEDED", "attempt": 0}
    script.runs.runs = {"r": {**RUN, "id": "r", "tasks": [*TASKS[:2], hello]}}
    assert wherry("logs", "r", "hello").out.encode("utf-8", "surrogateescape") == b"one\n\xff\xfe two\n"
    assert wherry("logs", "r").out.startswith("one\n")
    cached = wherry("logs", "r", "load")
    assert (cached.code, "its result is that of run 11112222" in cached.err) == (2, True)
    unknown = wherry("logs", "r", "helo")
    assert (unknown.code, "no task 'helo'" in unknown.err) == (2, True)


def test_retry_follows_what_comes_after(wherry: Wherry, script: Script) -> None:
    script.runs.runs = {"r": {**RUN, "id": "r"}}
    script.runs.events_of["r"] = [task(1, "hello", "FAILED"), {**finished("FAILED"), "id": 2}]
    script.runs.after_retry = [{"id": 3, "event": "run-started"}, task(4, "hello", "SUCCEEDED"), finished()]
    done = wherry("retry", "r")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "  ✓ hello"
    assert ("retry", "r") in script.runs.calls


def test_cancel_rm_prune(wherry: Wherry, script: Script) -> None:
    script.runs.runs = {"r": RUN, "s": {**RUN, "id": "s"}}
    assert wherry("cancel", "--kill", "s").code == 0
    assert ("cancel", "s", True) in script.runs.calls
    gone = wherry("rm", "s", "none")
    assert (gone.code, "no run 'none'" in gone.err, "s" in script.runs.runs) == (2, True, True)
    assert wherry("rm", "s").out == "deleted s\n"
    assert wherry("prune").code == 2
    assert wherry("prune", "--older-than", "2d", "--keep", "3", "--dry-run").out == "0 runs\n"
    assert script.runs.calls[-1] == ("prune", 3, 172_800.0, True)
    assert wherry("prune", "--keep", "0", "--dry-run").out == "0 runs\n"
    assert script.runs.calls[-1] == ("prune", 0, 0.0, True)
    assert script.environments_pruned == []
    calls = len(script.runs.calls)
    alone = wherry("prune", "--environments", "30d")
    assert alone.out == "deleted environment 0123456789abcdef, 3.0 MiB\n0 runs\n"
    assert script.environments_pruned == [(30 * 86400.0, False)]
    assert len(script.runs.calls) == calls  # no run was asked for


def test_status_and_down(wherry: Wherry, script: Script) -> None:
    status = json.loads(wherry("status", "--json").out)
    assert {"pid", "addresses", "version"} <= set(status)
    assert "runs     0 going" in wherry("status").out
    assert wherry("down").out.startswith("stopped server ")
    assert wherry("status", "--json").out == "{}\n"
    assert wherry("down").out.startswith("no server has ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["frob"], "no command 'frob'"),
        (["shw"], "did you mean 'show'?"),
        (["run"], "Missing argument"),
        (["run", "hello.py", "--frob"], "No such option"),
        (["run", "hello.py", "-p", "novalue"], "an argument is given as name=value"),
        (["run", "hello.py", "--on", "prod"], "no target 'prod'"),
        (["run", "hello.py", "--parallelism", "0"], "at least 1"),
        (["show", "nothing"], "no run 'nothing'"),
        (["prune", "--older-than", "soon"], "an age is a number"),
        (["prune", "--environments", "old"], "--environments old: an age is a number"),
        (["compile", "hello.py", "-o", "x.txt"], "must end in .yaml"),
        (["compile", "hello.py", "-o", "no/such/x.yaml"], "cannot be written"),
        (["run", "hello.py", "--args", "none.yaml"], "cannot be read"),
    ],
)
def test_wrong_use_is_told_and_exits_with_two(wherry: Wherry, script: Script, words: list[str], text: str) -> None:
    done = wherry(*words)
    assert (done.code, done.out) == (2, "")
    assert text in done.err
    assert "Traceback" not in done.err


def test_help_lists_the_commands_and_needs_no_server(wherry: Wherry, tmp_path: Path) -> None:
    done = wherry("--help")
    assert done.code == 0
    for command in ("run", "compile", "ls", "show", "logs", "artifacts", "retry", "cancel", "rm", "prune", "doctor"):
        assert f"\n  {command} " in done.out
        assert wherry(command, "--help").code == 0
    assert not (tmp_path / "home").exists()


def test_doctor_looks_and_changes_nothing(wherry: Wherry, tmp_path: Path) -> None:
    found = {one["what"]: one for one in map(json.loads, wherry("doctor", "--json").out.splitlines())}
    assert set(found) == {"wherry", "home", "disk", "server", "pythons", "uv", "capacity", "cgroups", "volumes", "gpu"}
    assert found["home"]["level"] == "ok"
    assert not (tmp_path / "home").exists()
    (tmp_path / "home").write_text("in the way")
    assert wherry("doctor").code == 1


def test_graph_draws_in_the_terminal_and_as_svg(wherry: Wherry, tmp_path: Path) -> None:
    shown = wherry("graph", "hello.py")
    assert shown.code == 0, shown.err
    assert shown.out.splitlines() == ["greeting", "", "╭───────╮", "│ hello │", "╰───────╯"]
    assert wherry("graph", "hello.py", "-o", "out.svg").code == 0
    picture = (tmp_path / "work" / "out.svg").read_text()
    assert picture == wherry("graph", "hello.py", "-o", "-").out
    assert "<title id=" in picture
    refused = wherry("graph", "hello.py", "-o", "out.png")
    assert (refused.code, "must end in .svg" in refused.err) == (2, True)


def test_check_explains_a_flow_and_exits_with_0(wherry: Wherry) -> None:
    shown = wherry("compile", "--check", "hello.py")
    assert shown.code == 0, shown.err
    assert shown.out.splitlines() == [
        "pipeline greeting",
        "│ ← name: STRING = world",
        "│ ← n: NUMBER_INTEGER = 1",
        "│ → Output: STRING",
        "└─ hello  python:3.11",
        "",
        "images: python:3.11 (1 task)",
        "no warnings",
    ]
    found = json.loads(wherry("compile", "--check", "--json", "hello.py").out)
    assert [task["path"] for task in found["tasks"]] == ["hello"]
    assert (found["warnings"], found["errors"]) == ([], [])


def test_check_names_the_line_of_a_warning(wherry: Wherry, tmp_path: Path) -> None:
    text = "from wherry import dsl\n\n\n"
    text += "@dsl.component(packages_to_install=['pandas'])\ndef load() -> str:\n    return ''\n"
    (tmp_path / "work" / "loose.py").write_text(text)
    shown = wherry("compile", "--check", "loose.py")
    assert shown.code == 0
    assert "warning: load (loose.py:4): pandas is not pinned" in shown.out


def test_check_refuses_what_cannot_run_with_2(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "work" / "bad.yaml").write_text("pipelineInfo: {name: p}\nroot: {dag: {tasks: {}}}\n")
    refused = wherry("compile", "--check", "bad.yaml")
    assert (refused.code, refused.out) == (2, "")
    assert "schemaVersion" in refused.err
    machine = wherry("compile", "--check", "--json", "bad.yaml")
    assert machine.code == 2
    assert "schemaVersion" in json.loads(machine.out)["errors"][0]["message"]


@pytest.mark.parametrize(
    "words", [["hello.py"], ["hello.py", "--json", "-o", "x.yaml"], ["--check", "hello.py", "-o", "x.yaml"]]
)
def test_check_and_output_exclude_each_other(wherry: Wherry, words: list[str]) -> None:
    refused = wherry("compile", *words)
    assert refused.code == 2
    assert "--check" in refused.err
