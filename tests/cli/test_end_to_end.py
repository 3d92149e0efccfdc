"""Whole runs: the command line, its server and the tasks as processes, through everything that may happen to them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from tests.cli.homes import RealHome, until

from wherry._version import __version__

WAITER = """
from wherry import dsl


@dsl.component
def waits(folder: str) -> int:
    import os, signal, time

    def told(number, frame):
        open(folder + "/told", "w").close()
        raise SystemExit(9)

    signal.signal(signal.SIGTERM, told)
    open(folder + "/started", "a").write("x")
    while not os.path.exists(folder + "/go"):
        time.sleep(0.01)
    return 7


@dsl.component
def stubborn(folder: str) -> int:
    import signal, time

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(folder + "/started", "a").write("x")
    while True:
        time.sleep(1)


@dsl.component
def fails_at_first(folder: str) -> int:
    import os

    if not os.path.exists(folder + "/go"):
        raise ValueError("not yet")
    return 8


@dsl.component
def before() -> int:
    return 1


@dsl.pipeline
def second_fails(folder: str) -> int:
    first = before()
    return fails_at_first(folder=folder).after(first).output
"""


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    """Where a task and its test leave signs for each other."""
    folder = tmp_path / "signs"
    folder.mkdir()
    return folder


def started(real: RealHome, signs: Path, component: str, *words: str, **more: object) -> subprocess.Popen[str]:
    """`wherry run` of a component of `WAITER`, whose task runs."""
    real.write("wait.py", WAITER)
    client = real.start("run", f"wait.py:{component}", "-p", f"folder={signs}", *words, **more)
    until((signs / "started").exists, "the task's start")
    return client


def latest(real: RealHome) -> dict[str, object]:
    return real.json("show", "latest", "--json")


def test_from_nothing_to_a_result_and_again_from_the_cache(real: RealHome) -> None:
    assert real.run("status", "--json").out == "{}\n"
    done = real.run("run", "hello.py", "-p", "name=you", "--json")
    assert (done.code, done.err) == (0, "")
    last = json.loads(done.out.splitlines()[-1])
    assert (last["event"], last["state"], last["outputs"]) == ("run-finished", "SUCCEEDED", {"Output": "hello you"})
    assert {"run", "seconds"} <= set(last)
    status = real.json("status", "--json")
    assert (status["version"], status["pid"]) == (__version__, real.server())
    again = real.run("run", "hello.py", "-p", "name=you")
    assert f"✓ hello  cached, from run {last['run'][:8]}" in again.out
    assert real.run("run", "hello.py", "-p", "name=you", "--no-cache").out.splitlines()[1].startswith("  ✓ hello  0")
    assert real.server() == status["pid"]
    listed = [json.loads(line) for line in real.run("ls", "--json").out.splitlines()]
    assert [(run["pipeline"], run["state"]) for run in listed] == [("greeting", "SUCCEEDED")] * 3
    assert listed[-1]["id"] == last["run"]


def test_a_server_that_is_killed_costs_the_run_nothing(real: RealHome, signs: Path) -> None:
    client = started(real, signs, "waits", "--json")
    first = real.server()
    os.kill(first, signal.SIGKILL)
    until(lambda: real.server() != first, "the next server, which the client starts")
    (signs / "go").touch()
    out, err = client.communicate(timeout=30)
    assert client.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["outputs"] == {"Output": 7}
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})
    assert (signs / "started").read_text() == "x"


def test_servers_that_are_killed_again_and_again_cost_the_run_nothing(real: RealHome, signs: Path) -> None:
    """Each is killed as soon as it has written who it is: while it starts, before it could tell anything new."""
    client = started(real, signs, "waits", "--json")
    for _ in range(12):
        killed = real.server()
        os.kill(killed, signal.SIGKILL)
        until(lambda gone=killed: real.server() != gone, "the next server, which the client starts")
    (signs / "go").touch()
    out, err = client.communicate(timeout=60)
    assert client.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["outputs"] == {"Output": 7}
    assert (signs / "started").read_text() == "x"


def test_a_client_that_is_killed_leaves_the_run_going(real: RealHome, signs: Path) -> None:
    client = started(real, signs, "waits")
    client.kill()
    client.communicate()
    (signs / "go").touch()
    until(lambda: latest(real)["state"] == "SUCCEEDED", "the run's end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_the_run(real: RealHome, signs: Path, number: signal.Signals) -> None:
    client = started(real, signs, "waits")
    client.send_signal(number)
    out, err = client.communicate(timeout=30)
    assert client.returncode == 130
    assert "canceling the run; Ctrl-C again kills its tasks" in err
    assert "CANCELED" in out
    assert latest(real)["state"] == "CANCELED"
    assert (signs / "told").exists()


def test_a_second_interrupt_kills(real: RealHome, signs: Path) -> None:
    client = started(real, signs, "stubborn")
    client.send_signal(signal.SIGINT)
    until(lambda: latest(real)["state"] == "CANCELING", "the cancellation")
    client.send_signal(signal.SIGINT)
    err = client.communicate(timeout=15)[1]
    assert (client.returncode, "killing the run's tasks" in err) == (130, True)
    assert latest(real)["state"] == "CANCELED"


def test_detach_leaves_and_cancel_ends(real: RealHome, signs: Path) -> None:
    client = started(real, signs, "waits", "--detach")
    run = client.communicate(timeout=30)[0].strip()
    assert client.returncode == 0
    assert real.run("rm", run).code == 2
    assert real.run("cancel", run[:8]).code == 0
    until(lambda: latest(real)["state"] == "CANCELED", "the run's end")


TWO_LOGS = """
from wherry import dsl


@dsl.component
def first(folder: str) -> int:
    import os, time

    open(folder + "/started", "a").write("x")
    while not os.path.exists(folder + "/go"):
        time.sleep(0.01)
    if not os.path.exists(folder + "/again"):
        open(folder + "/again", "w").close()
        raise ValueError("the first attempt")
    print("the second attempt")
    return 1


@dsl.component
def second(number: int):
    print("number", number)


@dsl.pipeline
def flow(folder: str):
    second(number=first(folder=folder).set_retry(num_retries=1, backoff_duration="0s").output)
"""


def test_logs_of_a_run_that_goes_on_are_followed_to_its_end(real: RealHome, signs: Path) -> None:
    real.write("two.py", TWO_LOGS)
    run = real.run("run", "two.py", "--detach", "-p", f"folder={signs}").out.strip()
    reader = real.start("logs", "-f", run)  # before any task has started, maybe
    assert reader.stdout is not None
    head = reader.stdout.readline()
    (signs / "go").touch()
    rest, err = reader.communicate(timeout=60)
    out = head + rest
    assert (reader.returncode, err) == (0, "")
    lines = out.splitlines()
    heads = [line for line in lines if line.startswith("==>")]
    assert heads == ["==> first", "==> first (attempt 2)", "==> second"], out
    assert [lines[-3], lines[-1]] == ["the second attempt", "number 1"]
    assert "ValueError: the first attempt" in lines
    assert real.run("logs", "-f", "--attempt", "1", run).code == 2


SCRATCH = """
[targets.scratch]
namespace = "scratch"
artifacts = "{}"

[targets.wrong]
namespace = "Not_One"
"""


def test_a_target_at_home_has_its_namespace_without_anybody_making_it(real: RealHome, tmp_path: Path) -> None:
    real.write("wherry.toml", SCRATCH.format(tmp_path / "scratch"))
    real.write("wait.py", WAITER)
    end = real.run("run", "wait.py:before", "--on", "scratch")
    assert end.code == 0, end.out + end.err
    again = real.run("run", "wait.py:before", "--on", "scratch", "--no-cache")
    assert again.code == 0, again.out + again.err
    assert real.run("get", "namespace", "scratch", "-o", "name").out == "namespace/scratch\n"
    assert (tmp_path / "scratch").is_dir()
    wrong = real.run("run", "wait.py:before", "--on", "wrong")
    assert wrong.code == 2, wrong.out + wrong.err
    assert "Not_One" in wrong.err


def test_down_leaves_tasks_running_and_the_next_command_takes_them_up(real: RealHome, signs: Path) -> None:
    client = started(real, signs, "waits")
    assert "1 runs go on with the next command" in real.run("down").out
    err = client.communicate(timeout=30)[1]
    assert client.returncode == 1
    assert "the server was stopped" in err
    (signs / "go").touch()
    until(lambda: latest(real)["state"] == "SUCCEEDED", "the run's end")
    assert (signs / "started").read_text() == "x"


def test_a_server_ends_gracefully_on_sigterm(real: RealHome) -> None:
    real.run("run", "hello.py")
    os.kill(real.server(), signal.SIGTERM)
    until(lambda: not real.processes(), "the server's end")
    assert not (real.home / "server.sock").exists()


def test_retry_goes_on_from_what_failed(real: RealHome, signs: Path) -> None:
    real.write("wait.py", WAITER)
    failed = real.run("run", "wait.py:second_fails", "-p", f"folder={signs}")
    assert failed.code == 1
    run = latest(real)["id"]
    (signs / "go").touch()
    done = real.run("retry", "latest")
    assert done.code == 0, done.err
    assert "before" not in done.out
    view = latest(real)
    assert (view["id"], view["state"], view["outputs"]) == (run, "SUCCEEDED", {"Output": 8})
    assert real.run("retry", "latest").code == 2


def test_what_prune_deletes_is_there_again_for_the_next_run(real: RealHome) -> None:
    real.write("helper.py", "VALUE = 41\n")
    real.write("wherry.toml", "[code]\ninclude = ['*.py']\n")
    text = (
        "from wherry import dsl\n\n\n@dsl.component\ndef uses() -> int:\n    import helper\n\n    return helper.VALUE\n"
    )
    real.write("uses.py", text)
    assert real.run("run", "uses.py").code == 0
    kept = [path for name in (".source", ".code") for path in (real.home / "artifacts" / name).iterdir()]
    assert len(kept) == 2
    assert real.run("prune", "--older-than", "0s").out.endswith("1 runs\n")
    assert all(path.exists() for path in kept), "they were used within the hour"
    for path in kept:
        os.utime(path, (0, 0))
    done = real.run("prune", "--environments", "0s")
    assert "deleted 2 sources that no run refers to" in done.out, done.err
    assert not any(path.exists() for path in kept)
    again = real.run("run", "uses.py", "--no-cache")
    assert "Output = 41" in again.out, again.err


def test_an_idle_server_leaves(real: RealHome) -> None:
    real.environ["WHERRY_IDLE_S"] = "0.2"
    assert real.run("run", "hello.py").code == 0
    until(lambda: not real.processes(), "the idle server's end")


def test_two_clients_in_a_new_home_share_one_server(real: RealHome) -> None:
    clients = [real.start("run", "hello.py", "-p", f"n={n}", "--json") for n in range(3)]
    for client in clients:
        out, err = client.communicate(timeout=60)
        assert client.returncode == 0, err
        assert json.loads(out.splitlines()[-1])["state"] == "SUCCEEDED"
    servers = [process for process in real.processes() if "wherry.server" in process.cmdline()]
    assert len(servers) == 1


def test_a_home_too_deep_for_a_socket_works(tmp_path: Path) -> None:
    real = RealHome(tmp_path, home=tmp_path / ("deep" * 20) / ("er" * 20) / "home")
    real.write("wait.py", WAITER)
    assert real.run("run", "wait.py:before").code == 0
    real.end()


def test_an_idle_server_of_another_version_makes_room(real: RealHome) -> None:
    real.run("run", "hello.py")
    first = pretend_version(real, "0.0.1")
    assert real.run("run", "hello.py").code == 0
    assert real.server() != first
    assert real.json("status", "--json")["version"] == __version__


def test_a_busy_server_of_another_version_is_left_alone(real: RealHome, signs: Path) -> None:
    client = started(real, signs, "waits", "--detach")
    client.communicate()
    first = pretend_version(real, "99.0")
    done = real.run("run", "hello.py")
    assert done.code == 1
    assert f"a server of wherry 99.0 (pid {first})" in done.err
    assert "it has runs going" in done.err
    assert "wherry down" in done.err
    (signs / "go").touch()


def pretend_version(real: RealHome, version: str) -> int:
    """Has the home's record say that its server is of another version; returns the server's pid."""
    path = real.home / "server.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "version": version}))
    return record["pid"]


def test_a_database_of_a_newer_version_is_refused_and_untouched(real: RealHome) -> None:
    real.run("run", "hello.py")
    real.run("down")
    with sqlite3.connect(real.home / "wherry.db") as database:
        database.execute("INSERT INTO migration VALUES (9999, 'later', 'then')")
    database.close()
    done = real.run("run", "hello.py")
    assert done.code == 1
    assert "9999" in done.err
    assert "newer wherry" in done.err
    assert "Traceback" not in done.err
    assert real.run("ls").code == 1


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    real = RealHome(tmp_path, home=tmp_path / "file" / "home")
    real.write("wait.py", WAITER)
    done = real.run("run", "wait.py:before")
    assert (done.code, done.out) == (1, "")
    assert f"the home {real.home} cannot be written: Not a directory" in done.err


def test_the_projects_own_modules_travel(real: RealHome) -> None:
    real.write("wherry.toml", "[code]\n")
    real.write("helper_of_the_project/__init__.py", "def value():\n    return 41\n")
    real.write(
        "flow.py",
        "from wherry import dsl\n\n\n@dsl.component\ndef uses() -> int:\n"
        "    from helper_of_the_project import value\n\n    return value() + 1\n",
    )
    assert "Output = 42" in real.run("run", "flow.py").out
    assert "cached" in real.run("run", "flow.py").out
    real.write("helper_of_the_project/__init__.py", "def value():\n    return 42\n")
    assert "Output = 43" in real.run("run", "flow.py").out


def test_from_a_script_and_inside_a_running_loop(real: RealHome) -> None:
    real.write(
        "script.py",
        "import asyncio, wherry\nfrom hello import greet\n\n\nasync def main():\n"
        "    run = wherry.run(greet, {'name': 'loop'}).wait()\n"
        "    print(run.state, run.outputs, [task['path'] for task in run.tasks if task['kind'] == 'task'])\n"
        "    print(run)\n    print('<table>' in run._repr_html_(), repr(run.logs('hello')))\n\n\nasyncio.run(main())\n",
    )
    environ = {**os.environ, "WHERRY_HOME": str(real.home)}
    out = subprocess.check_output([os.sys.executable, "script.py"], cwd=real.work, env=environ, text=True)
    first, second, third = out.splitlines()
    assert first == "SUCCEEDED {'Output': 'hello loop'} ['hello']"
    assert second.startswith("<Run ")
    assert "of greeting: SUCCEEDED" in second
    assert third == "True ''"
