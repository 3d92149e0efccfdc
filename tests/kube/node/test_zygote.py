"""The contract of the zygote: what a task may rely on, what is left of it, what survives whom."""

from __future__ import annotations

import glob
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from tests.kube.node.driving import alive, driver, kill, wait

LINUX = sys.platform.startswith("linux")
pytestmark = pytest.mark.skipif(not LINUX, reason="tasks are forked on Linux only")


def test_an_attempt_is_a_process_with_folder_log_and_record(zygote):
    scratch = zygote.task("""
        import os, sys
        def work():
            print("hello", os.getcwd(), os.getpid() == os.getsid(0), oct(os.umask(0o22)), sys.argv[0])
            print("from stderr", file=sys.stderr)
            open("made", "w").close()
        """)
    message = zygote.exited()
    record = zygote.record(scratch)
    assert (message["code"], message["signal"]) == (0, 0)
    assert {**record, "op": "exited"} == message
    assert 0 <= message["end"] - message["begin"] < 10
    assert record["usage"]["max_rss_kb"] > 1000
    log = scratch.with_name("main-0.log").read_text()
    assert log.startswith(f"hello {scratch} True 0o22 ")
    assert "from stderr" in log
    assert (scratch / "made").exists()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(zygote, method):
    message, log = zygote.run(f"""
        import multiprocessing
        def square(x):
            return x * x
        def work():
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                print(pool.map(square, range(4)))
        """)
    assert message["code"] == 0, log
    assert "[0, 1, 4, 9]" in log


def test_worker_pool_like_a_data_loader(zygote):
    """Long-lived workers fed by queues, one of them stuck at the end: its user's process decides, we clean up."""
    message, log = zygote.run("""
        import multiprocessing, os
        class Data:
            def __getitem__(self, index):
                return index * 10
        def loop(data, wanted, found):
            while True:
                index = wanted.get()
                found.put((os.getpid(), data[index]))
        def work():
            context = multiprocessing.get_context("fork")
            wanted, found = context.Queue(), context.Queue()
            workers = [context.Process(target=loop, args=(Data(), wanted, found), daemon=True) for _ in range(2)]
            for worker in workers:
                worker.start()
            for index in range(20):
                wanted.put(index)
            print(sorted(found.get()[1] for _ in range(20))[-1], *[worker.pid for worker in workers])
        """)
    assert message["code"] == 0, log
    found = re.search(r"^190 (\d+) (\d+)$", log, re.MULTILINE)
    assert not any(alive(int(pid)) for pid in found.groups())


def test_threads_are_joined_and_exit_handlers_run(zygote):
    message, log = zygote.run("""
        import atexit, threading
        def work():
            ready = threading.Event()
            atexit.register(print, "handler")
            threading.Thread(target=lambda: (ready.wait(), print("thread"))).start()
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            threading.Timer(0.05, ready.set).start()
            print("function")
        """)
    assert message["code"] == 0
    assert [line for line in log.split() if line in ("function", "thread", "handler")] == [
        "function",
        "thread",
        "handler",
    ]


def test_source_is_a_file_run_as_main(zygote):
    message, log = zygote.run("""
        import inspect, pickle, sys
        class Thing:
            pass
        def work():
            assert __name__ == "__main__" and sys.modules["__main__"].work is work
            assert "inspect.getsource" in inspect.getsource(work)
            assert type(pickle.loads(pickle.dumps(Thing()))) is Thing
            print("fine")
        """)
    assert message["code"] == 0, log
    assert "fine" in log


SHOW_SIGNALS = """
    import signal
    def work():
        print(*(signal.getsignal(s) is signal.SIG_DFL for s in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)))
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.pthread_sigmask(0, []))
        print(signal.set_wakeup_fd(-1), signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN)
"""


def ignore_some_signals():
    """As nohup and a shell's background jobs leave them."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


@pytest.mark.parametrize("spawn", [{}, {"preexec_fn": ignore_some_signals}], ids=["usual", "background"])
def test_signals_are_those_of_a_fresh_interpreter(tmp_path, runtime, spawn):
    with driver(tmp_path, runtime, **spawn) as running:
        message, log = running.run(SHOW_SIGNALS)
    assert message["code"] == 0, log
    assert "True True True\nTrue set()\n-1 True" in log


def test_no_descriptors_no_input_one_thread(zygote):
    message, log = zygote.run("""
        import gc, os, sys, threading
        def work():
            print(sorted(os.readlink(f"/proc/self/fd/{fd}").rpartition("/")[2] for fd in os.listdir("/proc/self/fd")
                  if os.path.exists(f"/proc/self/fd/{fd}")))
            print(repr(sys.stdin.read()), threading.active_count(), len(os.listdir("/proc/self/task")), gc.isenabled())
        """)
    assert message["code"] == 0, log
    assert "['main-0.log', 'main-0.log', 'null']" in log
    assert "'' 1 1 True" in log


def test_inherited_descriptors_of_the_server_are_closed(tmp_path, runtime):
    read, write = os.pipe()
    os.set_inheritable(write, True)
    with driver(tmp_path, runtime) as zygote:
        os.close(write)
        assert zygote.hello["attempts"] == []
        assert os.read(read, 1) == b"", "the zygote has not kept the writing end"
    os.close(read)


def test_environment_is_added_to_the_zygotes(zygote):
    message, log = zygote.run(
        """
        import os, time
        def work():
            print(os.environ["GREETING"], os.environ["TZ"], time.tzname[0])
            os.system("echo $GREETING from a shell")
        """,
        env={"GREETING": "good day", "TZ": "EST5"},
    )
    assert message["code"] == 0, log
    assert "good day EST5 EST" in log
    assert "good day from a shell" in log


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("sys.exit(3)", 3),
        ("sys.exit()", 0),
        ("sys.exit('why')", 1),
        ("1 / 0", 1),
        ("os._exit(9)", 9),
        ("os.abort()", 134),
    ],
)
def test_exit_codes(zygote, body, code):
    message, log = zygote.run(f"import os, sys\ndef work():\n    {body}\n")
    assert message["code"] == code, log
    assert message["signal"] == (6 if code == 134 else 0)


def test_a_killed_task_is_told_as_killed(zygote):
    scratch = zygote.task("import signal\ndef work():\n    signal.pause()\n")
    pid = zygote.receive()["pid"]
    wait(scratch.exists)
    kill(pid)
    message = zygote.exited()
    assert (message["pid"], message["code"], message["signal"]) == (pid, 137, 9)
    assert zygote.record(scratch)["signal"] == 9


LEAVE = """
import os, signal, subprocess, sys, time
def hide():
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.close(1); os.close(2); os.chdir("/")
def work():
    if os.fork() == 0:              # a plain child
        time.sleep(60)
    if os.fork() == 0:              # a daemon: its parent is gone before we are, its session is its own
        hide()
        if os.fork() == 0:
            open("{place}/daemon", "w").write(str(os.getpid()))
            time.sleep(60)
        os._exit(0)
    subprocess.Popen(["sleep", "60"], start_new_session=True)   # another program in another session
    while not os.path.exists("{place}/daemon") or not open("{place}/daemon").read():
        time.sleep(0.001)
"""


def test_what_a_task_leaves_behind_is_dead_before_its_exit_is_told(zygote, tmp_path):
    neighbour = zygote.task("import signal\ndef work():\n    signal.pause()\n")
    assert zygote.receive()["op"] == "started"
    scratch = zygote.task(LEAVE.replace("{place}", str(tmp_path)))
    message = zygote.exited(scratch)
    assert message["code"] == 0, scratch.with_name("main-0.log").read_text()
    daemon = int((tmp_path / "daemon").read_text())
    assert not alive(daemon)
    tag = f"wyt{os.getpid() % 10000}x2"
    left = [path for path in glob.glob("/proc/[0-9]*/comm") if _text(path).strip() == tag]
    assert left == []
    zygote.send({"op": "kill", "id": "pod1/main-0", "grace_s": 0})
    assert zygote.exited(neighbour)["signal"] == 9


def _text(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def test_a_daemon_lives_as_long_as_its_task(zygote, tmp_path):
    scratch = zygote.task(f"""
        import os, time
        def work():
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    with open("{tmp_path}/daemon~", "w") as file:
                        file.write(str(os.getpid()))
                    os.rename("{tmp_path}/daemon~", "{tmp_path}/daemon")
                    time.sleep(60)
                os._exit(0)
            os.wait()
            while not os.path.exists("{tmp_path}/go"):
                time.sleep(0.001)
        """)
    zygote.receive()
    daemon = int(wait(lambda: _text(tmp_path / "daemon")))
    zygote.run("def work():\n    pass\n")  # another task's end sweeps only behind itself
    zygote.run("def work():\n    pass\n")
    assert alive(daemon)
    (tmp_path / "go").touch()
    zygote.exited(scratch)
    assert not alive(daemon)


def test_closed_streams(zygote):
    message, _ = zygote.run("""
        import os, sys
        def work():
            print("before")
            sys.stdout.close()
            os.close(2)
        """)
    assert message["code"] == 0


def test_a_hundred_megabytes_and_bytes_that_are_no_text(zygote):
    scratch = zygote.task("""
        import os, sys
        def work():
            for _ in range(100):
                sys.stdout.buffer.write(b"\\xff\\xfe" * (1 << 19))
            print("\\udcff is printed, too", file=sys.stderr)
        """)
    message = zygote.exited()
    assert message["code"] == 0
    assert scratch.with_name("main-0.log").stat().st_size > 100 << 20


def test_grace_then_force_for_the_whole_tree(zygote, tmp_path):
    zygote.task(f"""
        import os, signal, time
        def work():
            child = os.fork()
            signal.signal(signal.SIGTERM, lambda *_: open("{tmp_path}/term", "w").close())
            if child:
                open("{tmp_path}/child", "w").write(str(child))
            while True:
                time.sleep(1)
        """)
    wait((tmp_path / "child").exists)
    zygote.send({"op": "kill", "id": "pod1/main-0", "grace_s": 0.1})
    message = zygote.exited()
    assert message["signal"] == 9
    assert (tmp_path / "term").exists()
    assert not alive(int((tmp_path / "child").read_text()))


def test_sigterm_ends_a_task_that_does_not_mind(zygote):
    zygote.task("import signal\ndef work():\n    signal.pause()\n")
    zygote.receive()
    zygote.send({"op": "kill", "id": "pod1/main-0", "grace_s": 60})
    assert zygote.exited()["signal"] == signal.SIGTERM


def test_the_zygote_outlives_the_server_and_tells_the_next_one(zygote, tmp_path):
    running = zygote.task(f"""
        import os, time
        def work():
            while not os.path.exists("{tmp_path}/go"):
                time.sleep(0.001)
        """)
    pid = zygote.receive()["pid"]
    ending = zygote.task("def work():\n    raise SystemExit(5)\n")  # sent, and the server is gone before an answer
    zygote.disconnect()
    assert zygote.record(ending)["code"] == 5
    hello = zygote.connect()
    assert [(each["id"], each["pid"]) for each in hello["attempts"]] == [("pod1/main-0", pid)]
    (tmp_path / "go").touch()
    assert zygote.exited(running)["code"] == 0


def test_the_same_attempt_is_started_once(zygote):
    scratch = zygote.task("import signal\ndef work():\n    signal.pause()\n")
    pid = zygote.receive()["pid"]
    request = {"op": "start", "id": "pod1/main-0", "dir": str(scratch.parent), "name": "main-0", "tag": "t", "env": {}}
    zygote.send(request)
    zygote.send({"op": "kill", "id": "pod1/main-0", "grace_s": 0})
    assert zygote.exited()["pid"] == pid
    zygote.send(request)  # a later life of the server might ask again: the folder says that it has begun
    assert zygote.exited()["code"] == 128
    assert "exists" in scratch.with_name("main-0.error").read_text()


def test_the_zygote_leaves_without_server_and_attempts(tmp_path, runtime):
    with driver(tmp_path, runtime, idle_s=0.05) as zygote:
        zygote.task("import time\ndef work():\n    time.sleep(0.3)\n")
        zygote.receive()
        zygote.disconnect()
        assert zygote.process.poll() is None
        assert zygote.process.wait(10) == 0
    assert (tmp_path / "pods/pod1/main-0.exit").exists()
    assert not Path(zygote.path).exists()


def test_a_zygote_whose_server_has_left_sleeps_while_its_tasks_run(tmp_path, runtime):
    """The task itself counts how often its zygote wakes, once the server has said that it leaves and is gone."""
    source = """
        import os, time
        def switches():
            text = open(f"/proc/{os.getppid()}/status").read()
            return int(text.partition("voluntary_ctxt_switches:")[2].split()[0])
        def work():
            while not os.path.exists(os.environ["LEFT"]):
                time.sleep(0.01)
            time.sleep(0.1)
            before = switches()
            time.sleep(0.3)
            print("woke", switches() - before)
    """
    with driver(tmp_path, runtime) as zygote:
        scratch = zygote.task(source, env={"LEFT": str(tmp_path / "left")})
        zygote.receive()
        zygote.send({"op": "leave"})
        zygote.disconnect()
        (tmp_path / "left").touch()
        zygote.record(scratch)
        log = scratch.with_name("main-0.log").read_text()
        assert int(log.split()[1]) < 20


def _spare(zygote):
    """The child that waits for the next attempt."""
    pid = zygote.process.pid
    return int(wait(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()))


def test_the_next_attempt_finds_its_process_waiting(zygote):
    spare = _spare(zygote)
    message, log = zygote.run(
        "import os\ndef work():\n    print(os.getpid() == os.getsid(0), os.listdir('/proc/self/fd'))\n"
    )
    assert (message["pid"], message["code"]) == (spare, 0)
    assert log == "True ['0', '1', '2', '3']\n"  # the last is the listing's own
    assert _spare(zygote) != spare


def test_a_waiting_process_that_was_killed_is_replaced(zygote):
    spare = _spare(zygote)
    os.kill(spare, signal.SIGKILL)
    wait(lambda: not Path(f"/proc/{spare}").exists())
    assert zygote.run("def work():\n    pass\n")[0]["code"] == 0
    assert _spare(zygote) != spare


def test_what_is_too_long_for_the_waiting_process_is_forked(zygote):
    spare = _spare(zygote)
    message, log = zygote.run(
        "import os\ndef work():\n    print(len(os.environ['LONG']))\n", env={"LONG": "x" * 70_000}
    )
    assert message["pid"] != spare
    assert log == "70000\n"
    assert zygote.run("def work():\n    pass\n")[0]["pid"] == spare


def test_the_waiting_process_leaves_with_the_zygote(zygote):
    spare = _spare(zygote)
    zygote.process.kill()
    wait(lambda: not alive(spare))


def test_commands(zygote):
    scratch = zygote.start(argv=["sh", "-c", "echo $WORD; pwd; cat; exit 4"], env={"WORD": "hi"}, cwd="/usr")
    assert zygote.exited()["code"] == 4
    assert scratch.with_name("main-0.log").read_text() == "hi\n/usr\n"


@pytest.mark.parametrize(
    ("argv", "more", "why"),
    [
        (["no-such-program"], {}, "no-such-program: executable file not found in $PATH"),
        (["/etc/passwd"], {}, "/etc/passwd: Permission denied"),
        (["true"], {"cwd": "/no/such/folder"}, "/no/such/folder: No such file or directory"),
    ],
)
def test_what_cannot_start_says_why(zygote, argv, more, why):
    scratch = zygote.start(argv=argv, **more)
    assert zygote.exited()["code"] == 128
    assert scratch.with_name("main-0.error").read_text() == why


def test_a_broken_runtime_is_said_by_the_task(tmp_path):
    with driver(tmp_path, tmp_path / "nothing.pyz", python=sys._base_executable) as zygote:
        message, log = zygote.run("def work():\n    pass\n")
    assert message["code"] == 1
    assert "ModuleNotFoundError" in log


def test_many_at_once(zygote):
    for _ in range(60):
        zygote.start(argv=None, env={})  # no task: the runtime says so and ends with 1
    assert [zygote.exited()["code"] for _ in range(60)] == [1] * 60


@pytest.mark.skipif(os.geteuid() != 0, reason="mount namespaces without root are the machine's choice")
def test_mounts_are_seen_by_nobody_else(zygote, tmp_path):
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "note").write_text("from the volume")
    host = tmp_path / "there"
    host.mkdir()
    command = f"cat /wherry-test-data/deep/note; echo new > /wherry-test-data/deep/made; ls {host}; echo x > {host}/no"
    mounts = [[str(volume), "/wherry-test-data/deep", False], [str(volume), str(host), True]]
    scratch = zygote.start(argv=["sh", "-c", command], mounts=mounts)
    assert zygote.exited()["code"] != 0
    log = scratch.with_name("main-0.log").read_text()
    assert log.startswith("from the volume"), log
    assert "Read-only file system" in log
    assert (volume / "made").read_text() == "new\n"
    assert list(host.iterdir()) == []
    assert not Path("/wherry-test-data").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mount namespaces without root are the machine's choice")
def test_forked_tasks_have_mounts_too(zygote, tmp_path):
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "note").write_text("from the volume")
    message, log = zygote.run(
        """
        def work():
            import colorsys, os    # a module that nobody has loaded yet
            print(open("/wherry-test-data/note").read(), os.getcwd())
        """,
        mounts=[[str(volume), "/wherry-test-data", False]],
    )
    assert message["code"] == 0, log
    assert log.startswith(f"from the volume {zygote.pods}/pod1/main-0")


def test_the_zygote_has_a_session_of_its_own(tmp_path, runtime):
    with driver(tmp_path, runtime, start_new_session=False) as zygote:
        assert os.getsid(zygote.process.pid) == zygote.process.pid


def _pythons():
    found = glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3"))
    wanted = {9, 10, 12, 13, 14}
    return [path for path in sorted(found) if int(path.split("/versions/3.")[1].split(".")[0]) in wanted]


@pytest.mark.parametrize("python", _pythons())
def test_other_pythons(tmp_path, runtime, python):
    with driver(tmp_path, runtime, python=python) as zygote:
        message, log = zygote.run("""
            import sys, threading
            def work():
                threading.Thread(target=print, args=["thread"]).start()
                print(sys.version_info[:2])
            """)
    assert message["code"] == 0, log
    assert "thread" in log
    assert json.loads((tmp_path / "pods/pod1/main-0.exit").read_text())["code"] == 0
