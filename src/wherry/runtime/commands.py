"""Runs a task that is a command line: placeholders filled in, signals passed on, its end turned into an outcome.

Called by `wherry.runtime.main`.  Invariant: the command sees the pod's own stdin, stdout, stderr, working folder and
environment (less the task descriptor); a command that we were told to stop never commits.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import threading

from wherry.runtime import argv, artifact_types, outputs, source
from wherry.runtime.artifact_types import local_path
from wherry.runtime.commit import Outcome
from wherry.runtime.descriptor import GRANT_VARIABLE, TASK_VARIABLE
from wherry.runtime.failures import TaskError, simple_error
from wherry.runtime.shapes import as_array, as_object, is_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType
    from typing import Any

    from wherry.runtime.descriptor import Task

_PRIVATE_PYTHON = "wherry.runtime.private_python"  # the lazy entries: pods of a cluster have a Python of their own
_SUBPROCESS = "subprocess"  # a function has no command
PRIVATE_VARIABLES = (TASK_VARIABLE, GRANT_VARIABLE)
"""Nothing that the user's own processes should inherit."""
OBJECTS_ROOT_VARIABLE = "WHERRY_OBJECTS_ROOT"  # where such a command finds what came from an object store
ERROR_FILE_VARIABLE = "WHERRY_ERROR_FILE"  # where our `kfp.dsl.executor_main` tells its caller what went wrong
TASK_ROOT_VARIABLE = "WHERRY_TASK_ROOT"  # what `dsl.get_uri` hands out places under, inside such a command
ATTEMPT_VARIABLE = "WHERRY_ATTEMPT"  # set where tasks are processes side by side, and not alone in a container
_ARGUMENT_LIMIT_BYTES = 131_071  # Linux: MAX_ARG_STRLEN, less the final NUL
_FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class CommandError(TaskError):
    """The command cannot be run; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="CommandError")


class CommandNotStarted(CommandError):
    """No process was made; `exit_code` is what a shell would have said: 127 not found, 126 not to be run."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run_command(task: Task, environ: Mapping[str, str], scratch: str, import_path: str) -> Outcome:
    """Run the task's command to its end.  `import_path` is where `import kfp` resolves for commands that need it.

    Raises TaskError when the command cannot be completed or started or its outputs are not there, and OSError.
    """
    words = argv.splice(task.command, argv.is_provided(task.executor_input))
    words = argv.substitute(words, task.executor_input, task.constants)
    check_argv(words)
    _make_output_folders(task.executor_input)
    error_file = os.path.join(scratch, ".wherry", "error.json")
    env = _environment(task, environ, words, import_path, error_file)
    if ATTEMPT_VARIABLE in environ:
        private_python = importlib.import_module(_PRIVATE_PYTHON)
        if private_python.is_needed(words):
            private = os.path.join(scratch, ".wherry", "python")
            env["PATH"] = private_python.make(private) + os.pathsep + env.get("PATH", os.defpath)
            env["VIRTUAL_ENV"] = private
    exit_code, stopped = _run(words, env)
    if stopped:
        return Outcome(exit_code or 128 + signal.SIGTERM, final=False)
    if exit_code:
        return Outcome(exit_code, error=_error(words[0], exit_code, error_file))
    collected = outputs.collect(
        outputs.read_executor_output(task.executor_input["outputs"]["outputFile"]),
        task.executor_input,
        types=task.output_types,
        needed=task.needed,
        root=task.root,
    )
    return Outcome(0, outputs=collected)


def check_argv(words: list[str]) -> None:
    """Refuse what the kernel would refuse, here and on every other machine.  Raises CommandError."""
    if not words or not words[0]:
        raise CommandError("The command is empty")
    for index, word in enumerate(words):
        size = len(os.fsencode(word)) if len(word) > _ARGUMENT_LIMIT_BYTES // 4 else 0
        if size > _ARGUMENT_LIMIT_BYTES:
            raise CommandError(
                f"Argument {index} of the command has {size:,} bytes; the limit is {_ARGUMENT_LIMIT_BYTES:,}: "
                "pass it as an artifact"
            )
        if "\0" in word:
            raise CommandError(f"Argument {index} of the command holds a NUL character")


def _make_output_folders(executor_input: Mapping[str, Any]) -> None:
    places = executor_input["outputs"]
    files = [place["outputFile"] for place in as_object(places.get("parameters")).values()]
    files.append(places["outputFile"])
    for holder in as_object(places.get("artifacts")).values():
        files.extend(
            local_path(artifact["uri"]) for artifact in as_array(holder.get("artifacts")) if artifact.get("uri")
        )
    for folder in {os.path.dirname(file) for file in files}:
        os.makedirs(folder, exist_ok=True)


def _environment(
    task: Task, environ: Mapping[str, str], words: list[str], import_path: str, error_file: str
) -> dict[str, str]:
    env = {name: value for name, value in environ.items() if name not in PRIVATE_VARIABLES}
    folders: list[str] = []
    if task.code:
        folders.append(source.code_folder(task.code, environ))
    if any("kfp" in word for word in words):
        folders.append(import_path)
        env[ERROR_FILE_VARIABLE] = error_file
        env[TASK_ROOT_VARIABLE] = task.root
        env[OBJECTS_ROOT_VARIABLE] = artifact_types.OBJECTS_ROOT
    if folders:
        given = env.get("PYTHONPATH")
        env["PYTHONPATH"] = os.pathsep.join(folders + ([given] if given else []))
    return env


def _run(words: list[str], env: dict[str, str]) -> tuple[int, bool]:
    """Start the command and wait: its exit code (128 + n for signal n), and whether we were told to stop it."""
    relay = _Relay()
    with relay:
        try:
            process = importlib.import_module(_SUBPROCESS).Popen(words, env=env)
        except OSError as error:
            raise _not_started(words, error) from None
        relay.attach(process.pid)
        code = process.wait()
        relay.attach(None)
    return (128 - code if code < 0 else code), relay.stopped


def _not_started(words: list[str], error: OSError) -> CommandNotStarted:
    if error.errno == errno.E2BIG:
        why = "is too long, with its environment: pass what is big as an artifact"
    elif isinstance(error, FileNotFoundError):
        return CommandNotStarted(f"The command {words[0]!r} was not found", 127)
    else:
        why = f"cannot be started: {error.strerror}"
    return CommandNotStarted(f"The command {words[0]!r} {why}", 126)


class _Relay:
    """While entered, passes signals on to the attached process; a signal that comes too early is passed on later."""

    def __init__(self) -> None:
        self.stopped = False
        self._pid: int | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Relay:
        if threading.current_thread() is threading.main_thread():
            for name in _FORWARDED:
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def attach(self, pid: int | None) -> None:
        self._pid = pid
        for number in self._early if pid is not None else ():
            self._send(number)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stopped = True
        if self._pid is None:
            self._early.append(number)
        else:
            self._send(number)

    def _send(self, number: int) -> None:
        if self._pid is not None:
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:
                return  # it has just ended by itself


def _error(program: str, exit_code: int, error_file: str) -> dict[str, Any]:
    """What is known of a failure: the user's own traceback if our executor ran inside, else the exit code."""
    try:
        with open(error_file, "rb") as file:
            told = json.loads(file.read())
        if is_object(told) and {"type", "message", "traceback"} <= set(told):
            return told
    except (OSError, ValueError):
        pass  # another program: nothing but the exit code is known
    return simple_error("ExitCode", describe_exit(program, exit_code))


def describe_exit(program: str, exit_code: int) -> str:
    """`exited with code 3`, `was killed by SIGKILL`."""
    if exit_code > 128:
        try:
            return f"The command {program!r} was killed by {signal.Signals(exit_code - 128).name}"
        except ValueError:
            pass  # a plain code above 128
    return f"The command {program!r} exited with code {exit_code}"
