"""Functions run as tasks, in a process of their own, by the zip application, on every supported Python."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.tasks import Workshop, artifact, given, interpreter, interpreters

everywhere = pytest.mark.parametrize("minor", interpreters())


def on(workshop: Workshop, minor: str) -> Workshop:
    python = interpreter(minor)
    assert python
    workshop.python = python
    return workshop


@everywhere
def test_parameters_artifacts_and_named_tuple(workshop: Workshop, minor: str) -> None:
    task = on(workshop, minor).function(
        """
        def f(name: str, scale: float, flags: List[str], table: Dict[str, int], n: int = 3, note: Optional[str] = None,
              data: Output[Dataset] = None, metrics: Output[Metrics] = None,
              ) -> NamedTuple("Out", [("text", str), ("count", int), ("ok", bool), ("all", list), ("map", dict)]):
            with open(data.path, "w") as file:
                file.write(name * n)
            data.metadata["rows"] = n
            metrics.log_metric("accuracy", 0.5)
            assert note is None and type(n) is int
            return (f"{name} {scale} {dsl.get_uri()}", n, True, flags, table)
        """,
        parameters={"name": "ab", "scale": 1.5, "flags": ["x"], "table": {"k": 1}},
        types={"text": "STRING", "count": "NUMBER_INTEGER", "ok": "BOOLEAN", "all": "LIST", "map": "STRUCT"},
        makes={"data": "system.Dataset", "metrics": "system.Metrics"},
    )
    result = workshop.run(task)
    assert result.exit_code == 0
    root = task["root"]
    assert result.outputs["parameters"] == {
        "text": f"ab 1.5 {root}/Output",
        "count": 3,
        "ok": True,
        "all": ["x"],
        "map": {"k": 1},
    }
    assert result.outputs["artifacts"] == {
        "data": [
            artifact("data", f"{root}/data", "system.Dataset", rows=3)
            | {"digest": "sha256:" + hashlib.sha256(b"ababab").hexdigest()}
        ],
        "metrics": [artifact("metrics", f"{root}/metrics", "system.Metrics", accuracy=0.5)],
    }
    assert "output artifact 'metrics' was never written" in result.stderr
    assert json.loads(result.message) == result.record


@everywhere
def test_input_artifacts_lists_and_paths(workshop: Workshop, minor: str) -> None:
    files = []
    for index in range(2):
        file = workshop.folder / f"in{index}"
        file.write_text(f"content {index}")
        files.append(str(file))
    task = on(workshop, minor).function(
        """
        def f(one: Input[Model], many: Input[List[Dataset]], by_path: InputPath("Dataset"), count: OutputPath(int),
              file: OutputPath("Dataset"), absent: Optional[Input[Artifact]] = None):
            assert absent is None
            assert [type(item).__name__ for item in many] == ["Dataset", "Dataset"], many
            assert one.framework == "sk" and one.path == one.uri
            with open(file, "w") as out:
                out.write("".join(open(item.path).read() for item in many) + open(by_path).read())
            with open(count, "w") as out:
                out.write(str(len(many)))
        """,
        artifacts={
            "one": given(artifact("m", files[0], "system.Model", framework="sk")),
            "many": given(artifact("a", files[0], "system.Dataset"), artifact("b", files[1], "system.Dataset")),
            "by_path": given(artifact("c", files[1], "system.Dataset")),
        },
        types={"count": "NUMBER_INTEGER"},
        makes={"file": "system.Dataset"},
    )
    outputs = workshop.run(task).outputs
    assert outputs["parameters"] == {"count": 2}
    written = Path(outputs["artifacts"]["file"][0]["uri"]).read_text()
    assert written == "content 0content 1content 1"


@everywhere
def test_main_module_supports_spawn_pickle_and_inspect(workshop: Workshop, minor: str) -> None:
    task = on(workshop, minor).function(
        """
        def square(n: int) -> int:
            return n * n

        class Point:
            x = 1

        def f() -> str:
            import inspect, multiprocessing, pickle, sys
            assert type(pickle.loads(pickle.dumps(Point()))) is Point
            assert "return n * n" in inspect.getsource(square)
            assert sys.modules["__main__"].square is square and __name__ == "__main__"
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                return str(pool.map(square, [2, 3]))
        """,
        types={"Output": "STRING"},
    )
    assert workshop.run(task).outputs["parameters"] == {"Output": "[4, 9]"}


@everywhere
def test_project_code_with_decorators_is_importable(workshop: Workshop, minor: str) -> None:
    archive = workshop.folder / "code.zip"
    module = """
from typing import NamedTuple
from wherry import dsl
import wherry

@dsl.component(packages_to_install=["x"], base_image="y",
               task_config_passthroughs=[dsl.TaskConfigPassthrough(field=dsl.TaskConfigField.ENV)])
def add(a: int, b: int) -> int:
    return a + b

@dsl.pipeline(name="p", pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="1Gi")))
def whole(a: int):
    with dsl.If(a == 1):
        add(a=a, b=1)

@dsl.container_component
def box():
    return dsl.ContainerSpec(image="x")
"""
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("mine/__init__.py", "")
        out.writestr("mine/steps.py", module)
        out.writestr("mine/data.txt", "seven")
    task = on(workshop, minor).function(
        """
        def f() -> str:
            import os, subprocess, sys
            from mine import steps
            text = open(os.path.join(os.path.dirname(steps.__file__), "data.txt")).read()
            started = subprocess.run([sys.executable, "-c", "import mine; print('there too')"], capture_output=True)
            return f"{steps.add(1, 2)} {steps.add.python_func(2, 2)} {text} {started.stdout.decode().strip()}"
        """,
        types={"Output": "STRING"},
        code={"uri": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()},
    )
    for _ in range(2):  # the second finds it extracted and compiled
        assert workshop.run(task).outputs["parameters"] == {"Output": "3 4 seven there too"}
        Path(task["commit"]).unlink()


@everywhere
def test_failure_shows_the_users_own_frames_only(workshop: Workshop, minor: str) -> None:
    task = on(workshop, minor).function(
        """
        def inner():
            raise ValueError("broken \\udc80 here")

        def f():
            try:
                inner()
            except ValueError as error:
                raise KeyError("outer") from error
        """
    )
    result = workshop.run(task)
    assert result.exit_code == 1
    assert result.record is not None
    assert result.record["outputs"] is None
    assert result.error["type"] == "KeyError"
    assert result.error["message"] == "'outer'"
    assert "in inner" in result.error["traceback"]
    assert 'raise KeyError("outer") from error' in result.error["traceback"]
    assert "wherry" not in result.error["traceback"]
    assert "wherry" not in result.stderr
    assert result.error["traceback"].rstrip() in result.stderr


@everywhere
def test_missing_module_names_the_line_to_change(workshop: Workshop, minor: str) -> None:
    task = on(workshop, minor).function("def f():\n    import sklearn_of_nobody.linear\n")
    error = workshop.run(task).error
    assert error["type"] == "ModuleNotFoundError"
    assert "packages_to_install=['sklearn_of_nobody']" in error["hint"]
    task = workshop.function(
        "def f():\n    import yaml\n",
        header=f"import sys\nsys.path[:] = [p for p in sys.path if 'site-packages' not in p]{os.linesep}",
    )
    assert "packages_to_install=['pyyaml']" in workshop.run(task).error["hint"]


@everywhere
def test_real_kfp_is_asked_for_when_more_than_dsl_is_used(workshop: Workshop, minor: str) -> None:
    """The interpreters of this test have no kfp: each way to ask for more of it says how to get it."""
    for line in ("kfp.Client()", "from kfp import compiler", "import kfp.compiler", "from kfp.components import x"):
        header = "import sys\nsys.path[:] = [p for p in sys.path if 'site-packages' not in p]\nimport kfp\n"
        result = workshop.run(on(workshop, minor).function(f"def f():\n    {line}\n", header=header))
        assert result.error["type"] == "ImportError"
        assert "packages_to_install=['kfp']" in result.error["message"]


def test_real_kfp_takes_over_when_it_is_installed(workshop: Workshop) -> None:
    site = workshop.folder / "site"
    (site / "kfp" / "dsl").mkdir(parents=True)
    (site / "kfp" / "__init__.py").write_text(
        "import os\nfrom kfp import dsl\nfrom kfp.client import Client\nreal = '_KFP_RUNTIME' not in os.environ\n"
    )
    (site / "kfp" / "client.py").write_text("class Client:\n    pass\n")
    (site / "kfp" / "compiler.py").write_text("from kfp import dsl\nmarker = dsl.marker\n")
    (site / "kfp" / "dsl" / "__init__.py").write_text("marker = 'the real dsl'\n")
    task = workshop.function(
        """
        def f(out: Output[Dataset]) -> str:
            import os, sys
            sys.path.insert(0, SITE)
            import kfp.compiler
            assert os.environ["_KFP_RUNTIME"] == "true"
            from kfp import compiler
            from kfp.client import Client
            assert kfp.Client is Client and kfp.real and compiler is kfp.compiler
            assert kfp.compiler.__spec__.name == "kfp.compiler"
            open(out.path, "w").close()
            return kfp.compiler.marker
        """.replace("SITE", repr(str(site))),
        types={"Output": "STRING"},
        makes={"out": "system.Dataset"},
    )
    assert workshop.run(task).outputs["parameters"] == {"Output": "the real dsl"}


@pytest.mark.parametrize(
    ("body", "exit_code", "message"),
    [
        ("sys.exit(3)", 3, "sys.exit(3)"),
        ("sys.exit('no luck')", 1, "no luck"),
        ("sys.exit(256)", 1, "sys.exit(256)"),
        ("raise KeyboardInterrupt", 130, ""),
        ("return 'x'", 1, "returned value of type <class 'str'>; want type <class 'int'>"),
        ("return None", 1, "Output parameter 'Output' was never written"),
        ("return float('nan')", 1, "returned value of type <class 'float'>"),
    ],
)
def test_ways_to_fail(workshop: Workshop, body: str, exit_code: int, message: str) -> None:
    result = workshop.run(
        workshop.function(f"import sys\ndef f() -> int:\n    {body}\n", types={"Output": "NUMBER_INTEGER"})
    )
    assert message in result.error["message"]
    assert result.exit_code == exit_code
    assert result.record is not None
    assert result.record["exit_code"] == exit_code


def test_exit_zero_keeps_what_was_written(workshop: Workshop) -> None:
    task = workshop.function(
        """
        def f(out: Output[Dataset]):
            import sys
            out.metadata["rows"] = 1
            open(out.path, "w").close()
            sys.exit()
        """,
        makes={"out": "system.Dataset"},
    )
    assert workshop.run(task).outputs["artifacts"]["out"][0]["metadata"] == {"rows": 1}


def test_hard_ends_leave_no_record(workshop: Workshop) -> None:
    for body, code in (("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9)):
        result = workshop.run(workshop.function(f"import os\ndef f():\n    {body}\n"))
        assert result.exit_code == code
        assert result.record is None
        assert result.message == ""


def test_a_forgotten_child_does_not_commit(workshop: Workshop) -> None:
    task = workshop.function(
        """
        def f() -> int:
            import os
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
            return pid
        """,
        types={"Output": "NUMBER_INTEGER"},
    )
    assert workshop.run(task).outputs["parameters"]["Output"] > 0


def test_closed_and_strange_output_streams(workshop: Workshop) -> None:
    task = workshop.function(
        """
        def f():
            import sys
            sys.stdout.buffer.write(bytes(range(256)))
            sys.stdout.close()
            sys.stderr.close()
        """
    )
    assert workshop.run(task).outputs["parameters"] == {}


def test_a_stop_signal_leaves_no_record(workshop: Workshop) -> None:
    task = workshop.function(
        """
        def f():
            import sys, time
            print("ready", flush=True)
            time.sleep(60)
        """
    )
    process = workshop.start(task)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=20)
    result = workshop.result(task, process.returncode, stdout, stderr)
    assert result.exit_code == -signal.SIGTERM
    assert result.record is None


def test_process_one_obeys_a_stop_signal(workshop: Workshop) -> None:
    """The kernel drops SIGTERM to a container's first process unless it has a handler; `finally` blocks must run."""
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no process a PID namespace of its own")
    task = workshop.function(
        """
        def f():
            import os, time
            try:
                print("ready", os.getpid(), flush=True)
                time.sleep(60)
            finally:
                print("cleaned up", flush=True)
        """
    )
    process = subprocess.Popen(
        [*unshare, workshop.python, str(workshop.pyz)],
        env=workshop.environment(task),
        cwd=workshop.scratch(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready 1\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    stdout, _ = process.communicate(timeout=20)
    assert stdout == "cleaned up\n"
    assert process.returncode == 128 + signal.SIGTERM
    assert not Path(task["commit"]).exists()


def test_an_attempt_that_is_over_does_not_run_again(workshop: Workshop) -> None:
    task = workshop.function(
        "def f() -> str:\n    import uuid\n    return str(uuid.uuid4())\n", types={"Output": "STRING"}
    )
    first = workshop.run(task)
    second = workshop.run(task)
    assert second.record == first.record
    assert second.exit_code == 0
    assert "over already" in second.stderr
    task = workshop.function("def f():\n    import sys\n    sys.exit(9)\n")
    workshop.run(task)
    assert workshop.run(task).exit_code == 9


def test_a_record_made_meanwhile_stands(workshop: Workshop) -> None:
    task = workshop.function(
        """
        def f(commit: str) -> str:
            with open(commit, "w") as file:
                file.write('{"v":1,"state":"FAILED","exit_code":5,"outputs":null,"error":null}')
            return "late"
        """,
        types={"Output": "STRING"},
    )
    task["executor_input"]["inputs"]["parameterValues"] = {"commit": task["commit"]}
    Path(task["root"]).mkdir(parents=True)
    result = workshop.run(task)
    assert result.exit_code == 5
    assert result.record is not None
    assert result.record["state"] == "FAILED"
    assert '"exit_code":5' in result.message
    assert sorted(path.name for path in Path(task["root"]).iterdir()) == ["commit.json"]


def test_big_executor_input_travels_through_the_store(workshop: Workshop) -> None:
    task = workshop.function("def f(big: str) -> int:\n    return len(big)\n", types={"Output": "NUMBER_INTEGER"})
    task["executor_input"]["inputs"]["parameterValues"] = {"big": "x" * 200_000}
    data = json.dumps(task.pop("executor_input")).encode()
    file = workshop.folder / "input.json"
    file.write_bytes(data)
    reference = {"uri": f"file://{file}", "sha256": hashlib.sha256(data).hexdigest()}
    assert workshop.run(task | {"executor_input_ref": reference}).outputs["parameters"] == {"Output": 200_000}
    Path(task["commit"]).unlink()
    file.write_bytes(data + b" ")
    error = workshop.run(task | {"executor_input_ref": reference}).error
    assert error["type"] == "DescriptorError"
    assert "does not have the digest" in error["message"]


def test_references_between_parameters_and_defaults(workshop: Workshop) -> None:
    task = workshop.function(
        "def f(text: str, items: list, n: int) -> str:\n    return f'{text} {items} {n!r}'\n",
        parameters={
            "text": "got {{$.inputs.parameters['pipelinechannel--a-Output']}}!",
            "items": ["{{$.inputs.parameters['pipelinechannel--a-Output']}}"],
            "pipelinechannel--a-Output": 7,
        },
        types={"Output": "STRING"},
    )
    task["component"]["inputs"] = {"n": {"type": "NUMBER_INTEGER", "default": 2.0}}
    assert workshop.run(task).outputs["parameters"] == {"Output": "got 7! ['7'] 2.0"}
    task = workshop.function(
        "def f(n: int) -> int:\n    return n\n", parameters={"n": 3.0}, types={"Output": "NUMBER_INTEGER"}
    )
    task["component"]["inputs"] = {"n": {"type": "NUMBER_INTEGER"}}
    assert workshop.run(task).outputs["parameters"] == {"Output": 3}


def test_an_unwritten_artifact_fails_where_it_is_needed(workshop: Workshop) -> None:
    source = "def f(out: Output[Dataset]):\n    pass\n"
    lenient = workshop.run(workshop.function(source, makes={"out": "system.Dataset"}))
    assert "digest" not in lenient.outputs["artifacts"]["out"][0]
    assert "output artifact 'out' was never written" in lenient.stderr
    strict = workshop.run(workshop.function(source, makes={"out": "system.Dataset"}, needed=["out"]))
    assert strict.error["type"] == "OutputError"
    assert "'out' was never written, and another task needs it" in strict.error["message"]


def test_what_user_processes_inherit(workshop: Workshop) -> None:
    task = workshop.function(
        """
        def f() -> dict:
            import os, logging
            logging.info("a line for the log")
            return {name: os.environ.get(name, "") for name in ("WHERRY_TASK", "_KFP_RUNTIME", "MINE")}
        """,
        types={"Output": "STRUCT"},
    )
    workshop.env["MINE"] = "1"
    result = workshop.run(task)
    assert result.outputs["parameters"]["Output"] == {"WHERRY_TASK": "", "_KFP_RUNTIME": "true", "MINE": "1"}
    assert "INFO]: a line for the log" in result.stdout


def test_too_large_a_parameter_is_refused(workshop: Workshop) -> None:
    task = workshop.function("def f() -> str:\n    return 'x' * (1 << 20)\n", types={"Output": "STRING"})
    error = workshop.run(task).error
    assert "1,048,578 bytes; the limit is 1,048,576: use an artifact" in error["message"]


def test_a_full_record_that_cannot_be_written_still_says_so(workshop: Workshop) -> None:
    task = workshop.function("def f() -> int:\n    return 1\n", types={"Output": "NUMBER_INTEGER"})
    Path(task["root"]).parent.mkdir(parents=True)
    Path(task["root"]).write_text("a file where the folder should be")
    result = workshop.run(task)
    assert result.exit_code == 1
    assert result.record is None
    assert json.loads(result.message)["state"] == "FAILED"
    assert "NotADirectoryError" in result.message or "FileExistsError" in result.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v": 2}, "version 2 is not known"),
        ({"kind": "magic"}, "Task kind 'magic' is not known"),
        ({"kind": "command"}, "needs a command"),
        ({"commit": ""}, "lacks commit"),
        ({"function": ""}, "needs a source and a function"),
        ({"commit": "/tmp/../etc/commit.json"}, "'..' is not allowed"),
        ({"commit": "s3://bucket/commit.json"}, "the scheme s3:// is not known"),
    ],
)
def test_descriptors_that_cannot_be_carried_out(workshop: Workshop, change: dict[str, Any], message: str) -> None:
    task = workshop.function("def f():\n    pass\n")
    result = workshop.run({**task, **change})
    assert result.exit_code == 1
    assert message in result.stderr
    assert message in json.loads(result.message)["error"]["message"]


def test_no_descriptor_at_all(workshop: Workshop) -> None:
    for text, message in (("", "WHERRY_TASK is not set"), ("{", "is not JSON"), ("[]", "does not hold a JSON object")):
        workshop.env["WHERRY_TASK"] = text
        result = workshop.run({"commit": "/nowhere"})
        assert result.exit_code == 1
        assert message in result.stderr
        assert "Traceback" not in result.stderr


def test_names_that_would_escape(workshop: Workshop) -> None:
    outside = workshop.function("def f():\n    pass\n", types={"../../evil": "STRING"})
    assert "cannot be the name of an output" in workshop.run(outside).error["message"]
    outside = workshop.function("def f():\n    pass\n", makes={"../evil": "system.Dataset"})
    assert "cannot be the name of an output" in workshop.run(outside).error["message"]
    outside = workshop.function("def f():\n    pass\n", makes={"x": "system.Dataset"})
    outside["executor_input"]["outputs"]["artifacts"]["x"]["artifacts"][0]["uri"] = f"{outside['root']}/../../evil"
    assert "'..' is not allowed" in workshop.run(outside).error["message"]


def test_the_source_must_have_its_digest_and_its_function(workshop: Workshop) -> None:
    task = workshop.function("def f():\n    pass\n")
    task["function"] = "g"
    assert "has no function 'g'" in workshop.run(task).error["message"]
    task = workshop.function("def f():\n    print(1)\n")
    Path(task["source"]["uri"]).write_text("import os\n")
    assert "does not have the digest" in workshop.run(task).error["message"]
    task = workshop.function("def f(:\n    pass\n")
    error = workshop.run(task).error
    assert error["type"] == "SyntaxError"
    assert "def f(:" in error["traceback"]
