"""Drives a zygote the way the agent does, over its socket, but one step at a time."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

ZYGOTE = Path(__file__).parents[3] / "src" / "wherry" / "kube" / "embedded" / "node" / "zygote.py"


class Driver:
    """One zygote in a folder, and the tasks that tests give it."""

    def __init__(self, folder: Path, runtime: Path, python: str = sys.executable, idle_s: float = 0.2, **spawn):
        self.folder = folder
        self.pods = folder / "pods"
        self.pods.mkdir(parents=True, exist_ok=True)
        self.path = str(folder / "z.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(4)
        fd = listener.fileno()
        config = {"fd": fd, "path": self.path, "runtime": str(runtime), "sites": [], "idle_s": idle_s}
        with (folder / "zygote.err").open("w") as errors:
            self.process = subprocess.Popen(
                [python, "-I", "-X", "utf8", str(ZYGOTE), json.dumps(config)],
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stderr=errors,
                **{"start_new_session": True, **spawn},
            )
        listener.close()
        self.count = 0
        self.connection = None
        self.hello = self.connect()

    def connect(self):
        """Comes as a new server; returns what the zygote says first."""
        self.disconnect()
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(self.path)
        self.connection.settimeout(20)
        self.lines = self.connection.makefile("rb")
        return self.receive()

    def disconnect(self):
        if self.connection is not None:
            self.lines.close()
            self.connection.close()
            self.connection = None

    def receive(self):
        line = self.lines.readline()
        assert line, (self.folder / "zygote.err").read_text()
        return json.loads(line)

    def send(self, message):
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def start(self, *, argv=None, env=None, **more):
        """Asks for an attempt; returns its folder's path without a suffix."""
        self.count += 1
        uid = f"pod{self.count}"
        request = {
            "op": "start",
            "id": f"{uid}/main-0",
            "dir": str(self.pods / uid),
            "name": "main-0",
            "tag": f"wyt{os.getpid() % 10000}x{self.count}",
            "env": {"WHERRY_ATTEMPT": f"{uid}/main-0", **(env or {})},
            **more,
        }
        if argv:
            request["argv"] = argv
        self.send(request)
        return self.pods / uid / "main-0"

    def task(self, source, function="work", env=None, **more):
        """Starts a Python task whose source is `source`."""
        text = textwrap.dedent(source)
        path = self.folder / f"source-{self.count}.py"
        path.write_text(text)
        root = self.folder / f"root-{self.count}"
        descriptor = {
            "v": 1,
            "kind": "python",
            "source": {"uri": str(path), "sha256": hashlib.sha256(text.encode()).hexdigest()},
            "function": function,
            "executor_input": {"inputs": {}, "outputs": {}},
            "component": {"inputs": {}, "outputs": {}},
            "root": str(root),
            "commit": str(root / "commit.json"),
        }
        return self.start(env={"WHERRY_TASK": json.dumps(descriptor), **(env or {})}, **more)

    def exited(self, scratch=None):
        """The next exit (of the attempt in `scratch`, when given)."""
        while True:
            message = self.receive()
            if message["op"] == "exited" and (scratch is None or message["id"].split("/")[0] == scratch.parent.name):
                return message

    def run(self, source, **more):
        """Runs a Python task to its end: exit message and log."""
        scratch = self.task(source, **more)
        message = self.exited(scratch)
        return message, scratch.with_name("main-0.log").read_bytes().decode("utf-8", "replace")

    def record(self, scratch):
        """The exit record, waited for."""
        path = scratch.with_name("main-0.exit")
        wait(path.exists)
        return json.loads(path.read_text())

    def close(self):
        self.disconnect()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def wait(condition, within_s=10.0):
    """Waits until `condition()` holds; returns its value."""
    until = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < until, "the condition did not come true"
        time.sleep(0.002)
    return value


def alive(pid):
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def driver(folder, runtime, **more):
    """A context manager around a Driver."""
    return closing(Driver(folder, runtime, **more))


def kill(pid):
    os.kill(pid, signal.SIGKILL)
