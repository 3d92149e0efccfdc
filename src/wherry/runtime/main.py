"""Runs one task from start to commit record; the entry point inside every pod.

Called by the zip application's `__main__` and, after a fork, by a zygote's child (`run`); a zygote calls `preload`
once, before it forks.  Invariant: the commit record is written last and at most once; user code never runs when a
record is there already.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys

from wherry.runtime import commit, descriptor, outputs, source
from wherry.runtime.commands import PRIVATE_VARIABLES, CommandNotStarted, run_command
from wherry.runtime.commit import Outcome
from wherry.runtime.descriptor import GRANT_VARIABLE
from wherry.runtime.executor import Executor
from wherry.runtime.failures import TaskError, error_record, hint_for, say, simple_error, trimmed_traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType
    from typing import Any

    from wherry.runtime.descriptor import Task

_ENVIRONMENT_VARIABLE = "WHERRY_ENVIRONMENT"  # packages that the task needs, where nobody else installs them
_REQUIREMENTS = "wherry.runtime.requirements"  # lazy: only there
_LOG_FORMAT = "[KFP Executor %(asctime)s %(levelname)s]: %(message)s"
_REMOTE = "wherry.runtime.remote"  # the lazy entry: tasks whose artifacts lie in folders never load it
_RARE = ("wherry.runtime.private_python", "wherry.runtime.unpacking")  # what only some tasks load
_PRELOADED = ("typing", "kfp", "kfp.dsl", "kfp.dsl.types.artifact_types", "kfp.dsl.types.type_annotations")


def _import_path() -> str:
    """Where `import kfp` finds our module of that name: the zip application itself, or a folder of the package."""
    package = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(package))
    return root if os.path.isfile(root) else os.path.join(package, "shim")


IMPORT_PATH = _import_path()


class _StdoutHandler(logging.StreamHandler):  # pyright: ignore[reportMissingTypeArgument] - generic in stubs only
    """Writes to whatever `sys.stdout` is at the time: a zygote's child has its own."""

    @property
    def stream(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride] - an attribute there
        return sys.stdout

    @stream.setter
    def stream(self, value: Any) -> None:
        pass


class _State:
    preloaded = False


_state = _State()


def preload(*, rare: bool = False) -> None:
    """Load what user code is going to import from us and set up logging, so that a forked child finds both done; with
    `rare` also what most tasks do not need, for those that are forked."""
    if IMPORT_PATH in sys.path:
        sys.path.remove(IMPORT_PATH)
    sys.path.insert(0, IMPORT_PATH)
    for name in (*_PRELOADED, *(_RARE if rare else ())):
        importlib.import_module(name)
    sys.path.remove(IMPORT_PATH)
    sys.path.append(IMPORT_PATH)  # after everything that the user can install
    _state.preloaded = True
    logging.basicConfig(handlers=[_StdoutHandler()], format=_LOG_FORMAT, level=logging.INFO)


def run(environ: Mapping[str, str]) -> int:
    """Run the task that `environ` describes (`WHERRY_TASK`) and return the exit code of the pod's process.

    0 when it succeeded, 1 for a failure in the user's function or its outputs, the code of `sys.exit` or of the
    command, 128 + n when that was killed by signal n.
    """
    try:
        task = descriptor.load(environ)
        if environ.get(_ENVIRONMENT_VARIABLE):
            importlib.import_module(_REQUIREMENTS).install(environ)
        if GRANT_VARIABLE in environ:
            importlib.import_module(_REMOTE).install(environ, os.getcwd())
        record = commit.existing(task.commit)
    except (TaskError, OSError) as error:
        return _cannot_run(error, environ)
    if record is not None:
        say("wherry: this attempt is over already; its result stands")
        commit.write_termination_message(record, environ)
        return commit.exit_code_of(record)
    pid = os.getpid()
    outcome = _attempt(task, environ)
    if os.getpid() != pid:
        _leave_child(outcome.exit_code)
    return _finish(task, outcome, environ)


_REHEARSAL = """{"v": 1, "kind": "python", "function": "rehearsal", "source": {"uri": "/dev/null"}, "root": "/dev/null",
"commit": "/dev/null/commit", "component": {"inputs": {"number": {"type": "NUMBER_INTEGER"}}, "outputs":
{"Output": "NUMBER_INTEGER"}}, "executor_input": {"inputs": {"parameterValues": {"number": 1.0}}, "outputs": {}}}"""
_REHEARSED = "def rehearsal(number: int, text: str = '') -> int:\n    return number + 1\n"


def rehearse() -> None:
    """Go through a small task in memory and leave nothing of it; called in a process that waits for its task.

    A forked process copies a page when it first writes to it, be it a reference count: after a rehearsal most of what
    a task touches is its own already.
    """
    task = descriptor.load({descriptor.TASK_VARIABLE: _REHEARSAL})
    commit.existing(task.commit)
    task.load_executor_input("/dev/null")
    scope: dict[str, Any] = {}
    exec(compile(_REHEARSED, "<rehearsal>", "exec", dont_inherit=True), scope)  # noqa: S102 - our own text
    output = Executor(task.executor_input, scope["rehearsal"], task_root=task.root).run()
    places = task.executor_input
    Outcome(0, outputs=outputs.collect(output, places, types=task.output_types, needed=(), root=task.root)).record()


def _attempt(task: Task, environ: Mapping[str, str]) -> Outcome:
    try:
        task.load_executor_input(os.getcwd())
        if task.kind == "command":
            return run_command(task, environ, os.getcwd(), IMPORT_PATH)
        return _run_function(task, environ)
    except _Stopped:
        return Outcome(128 + signal.SIGTERM, final=False)
    except SystemExit as error:
        return _exited(error)
    except BaseException as error:  # noqa: BLE001 - the boundary to user code: whatever it raises is an outcome
        return _failed(error)
    finally:
        _flush()


def _run_function(task: Task, environ: Mapping[str, str]) -> Outcome:
    _prepare_process(task, environ)
    module = source.load_main(task.source, environ)
    function = getattr(module, task.function, None)
    if function is None:
        raise TaskError(f"The source of this task has no function {task.function!r}")
    executor = Executor(task.executor_input, function, task_root=task.root, collected=task.collected)
    try:
        output = executor.run()
    except SystemExit as error:
        if error.code:
            raise
        output = executor.output_of(None)  # `sys.exit(0)` ends the function, and what it wrote counts
    collected = outputs.collect(
        output, task.executor_input, types=task.output_types, needed=task.needed, root=task.root
    )
    return Outcome(0, outputs=collected)


def _prepare_process(task: Task, environ: Mapping[str, str]) -> None:
    """What user code finds: KFP's logging and variable, our `kfp`, the project's modules, a SIGTERM that works."""
    if not _state.preloaded:
        preload()
    os.environ["_KFP_RUNTIME"] = "true"
    for name in PRIVATE_VARIABLES:
        os.environ.pop(name, None)  # nothing that the user's own processes should inherit
    if task.code:
        folder = source.code_folder(task.code, environ)
        sys.path.insert(0, folder)
        given = environ.get("PYTHONPATH")  # for the Pythons that user code starts: `torchrun`, `python -m mine.train`
        os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{given}" if given else folder
    if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)  # the kernel drops a default SIGTERM to process 1 of a container


class _Stopped(SystemExit):
    """SIGTERM arrived: leave, with the user's `finally` blocks run, and commit nothing."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped(128 + signal.SIGTERM)


def _exited(error: SystemExit) -> Outcome:
    """The user's `sys.exit(...)` with something else than 0."""
    if isinstance(error.code, int):
        exit_code = error.code & 0xFF or 1  # a code that the system would cut to 0 is still a failure
        message = f"The component called sys.exit({error.code})"
    else:
        exit_code = 1
        message = str(error.code)
        say(message)
    record = simple_error("SystemExit", message)
    record["traceback"] = trimmed_traceback(error)
    return Outcome(exit_code, error=record)


def _failed(error: BaseException) -> Outcome:
    text = trimmed_traceback(error) or f"{type(error).__name__}: {error}\n"
    hint = hint_for(error)
    say(text.rstrip("\n") + (f"\n\n{hint}" if hint else ""))
    exit_code = 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    if isinstance(error, CommandNotStarted):
        exit_code = error.exit_code
    return Outcome(exit_code, error=error_record(error))


def _finish(task: Task, outcome: Outcome, environ: Mapping[str, str]) -> int:
    """Write the record, last of all, and say what the process exits with."""
    if not outcome.final:
        return outcome.exit_code
    record = outcome.record()
    try:
        first = commit.write(task.commit, record)
    except (OSError, TaskError) as error:
        return _cannot_run(error, environ)
    if not first:
        say("wherry: another process has committed this attempt; its result stands")
        record = commit.existing(task.commit) or record
    commit.write_termination_message(record, environ)
    return outcome.exit_code if first else commit.exit_code_of(record)


def _cannot_run(error: Exception, environ: Mapping[str, str]) -> int:
    """No record can be made: tell the log and the termination message."""
    say(f"wherry: {error}")
    record = Outcome(1, error=error_record(error)).record()
    commit.write_termination_message(record, environ)
    return 1


def _leave_child(exit_code: int) -> None:
    """We are a child that the user's function forked and forgot: only its parent may commit."""
    _flush()
    os._exit(exit_code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # closed by the user, or a full disk: the log is the user's own
