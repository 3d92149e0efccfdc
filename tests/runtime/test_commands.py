"""Commands run as tasks: placeholders, outputs, exit codes, signals, and KFP's own command lines."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.tasks import HEADER, Workshop, artifact, given


def test_placeholders_and_outputs(workshop: Workshop) -> None:
    data = workshop.folder / "in"
    data.write_text("hello")
    task = workshop.command(
        "sh",
        "-c",
        'cat "$0" > "$1" && printf 3 > "$2" && printf "%s" "$3" > "$4"',
        "{{$.inputs.artifacts['data'].path}}",
        "{{$.outputs.artifacts['out'].path}}",
        "{{$.outputs.parameters['count'].output_file}}",
        "{{$.inputs.parameters['text']}} {{$.pipeline_task_name}}",
        "{{$.outputs.parameters['echo'].output_file}}",
        parameters={"text": "a 'quoted' {{$}}"},
        artifacts={"data": given(artifact("d", str(data)))},
        types={"count": "NUMBER_INTEGER", "echo": "STRING"},
        makes={"out": "system.Dataset"},
        constants={"{{$.pipeline_task_name}}": "me"},
    )
    result = workshop.run(task)
    assert result.outputs["parameters"] == {"count": 3, "echo": "a 'quoted' {{$}} me"}
    made = result.outputs["artifacts"]["out"][0]
    assert made["digest"] == "sha256:" + hashlib.sha256(b"hello").hexdigest()
    assert "WHERRY_TASK" not in result.stdout


def test_executor_output_file_and_environment(workshop: Workshop) -> None:
    output = {
        "parameterValues": {"n": 3.0},
        "artifacts": {"out": {"artifacts": [{"metadata": {"rows": 2}, "customPath": "elsewhere/model"}]}},
    }
    task = workshop.command(
        "sh",
        "-c",
        'mkdir -p elsewhere/model; echo x > elsewhere/model/w; printf "%s" "$1" > "$0"; env > env.txt; cat > in.txt',
        "{{$.outputs.output_file}}",
        json.dumps(output),
        types={"n": "NUMBER_INTEGER"},
        makes={"out": "system.Model"},
    )
    read, write = os.pipe()
    os.write(write, b"from stdin")
    os.close(write)
    result = workshop.run(task, stdin=read)
    os.close(read)
    made = result.outputs["artifacts"]["out"][0]
    assert result.outputs["parameters"] == {"n": 3}
    assert made["metadata"] == {"rows": 2}
    assert made["uri"] == f"{task['root']}/out"
    assert (Path(made["uri"]) / "w").read_text() == "x\n"
    assert made["digest"].startswith("tree:")
    variables = (workshop.scratch() / "env.txt").read_text()
    assert "WHERRY_TASK=" not in variables
    assert "PYTHONPATH=" not in variables
    assert (workshop.scratch() / "in.txt").read_text() == "from stdin"


@pytest.mark.parametrize(
    ("script", "exit_code", "kind", "message"),
    [
        ("exit 3", 3, "ExitCode", "The command 'sh' exited with code 3"),
        ("kill -9 $$", 137, "ExitCode", "The command 'sh' was killed by SIGKILL"),
        ("exit 200", 200, "ExitCode", "The command 'sh' exited with code 200"),
        ("true", 1, "OutputError", "Output parameter 'n' was never written"),
        ('printf two > "$0"', 1, "OutputError", "Output parameter 'n' should be NUMBER_INTEGER; its file holds 'two'"),
        ('mkdir "$0"', 1, "OutputError", "Output parameter 'n' was never written"),
        ('printf "\\377" > "$0"', 1, "OutputError", "is not UTF-8 text"),
        ('printf "{" > "$1"', 1, "OutputError", "is not JSON"),
        ('printf "[]" > "$1"', 1, "OutputError", "does not hold a JSON object"),
        ('head -c 3000000 /dev/zero > "$0"', 1, "OutputError", "3,000,000 bytes; the limit is 1,048,576"),
    ],
)
def test_ways_to_fail(workshop: Workshop, script: str, exit_code: int, kind: str, message: str) -> None:
    places = ("{{$.outputs.parameters['n'].output_file}}", "{{$.outputs.output_file}}")
    result = workshop.run(workshop.command("sh", "-c", script, *places, types={"n": "NUMBER_INTEGER"}))
    assert result.error["type"] == kind
    assert message in result.error["message"]
    assert result.exit_code == exit_code
    assert result.record is not None
    assert result.record["exit_code"] == exit_code


def test_commands_that_cannot_start(workshop: Workshop) -> None:
    assert workshop.run(workshop.command("no-such-program")).error["message"] == (
        "The command 'no-such-program' was not found"
    )
    not_found = workshop.run(workshop.command("no-such-program"))
    assert not_found.exit_code == 127
    assert not_found.error["traceback"] == ""
    refused = workshop.run(workshop.command(str(workshop.folder)))
    assert refused.exit_code == 126
    assert "Permission denied" in refused.error["message"]
    words = ["echo", "{{$.inputs.parameters['x']}}{{$.inputs.parameters['x']}}"]
    long = workshop.run(workshop.command(*words, parameters={"x": "x" * 65_536}))
    assert "Argument 1 of the command has 131,072 bytes; the limit is 131,071" in long.error["message"]
    nul = workshop.run(workshop.command("echo", "{{$.inputs.parameters['x']}}", parameters={"x": "a\0b"}))
    assert "holds a NUL character" in nul.error["message"]
    absent = workshop.run(workshop.command("echo", "{{$.inputs.parameters['x']}}"))
    assert "uses input parameter 'x', which has no value" in absent.error["message"]


@pytest.mark.parametrize(
    ("on_term", "exit_code"), [("exit 7", 7), ("exit 0", 143), ("echo ignored", 143), ("trap - TERM; kill $$", 143)]
)
def test_stop_signals_reach_the_command_and_nothing_is_committed(
    workshop: Workshop, on_term: str, exit_code: int
) -> None:
    script = f"trap 'echo stopping; {on_term}' TERM; echo ready; read line; echo \"got $line\""
    read, write = os.pipe()
    task = workshop.command("sh", "-c", script)
    process = workshop.start(task, stdin=read)
    os.close(read)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "stopping\n"
    os.write(write, b"line\n")
    os.close(write)
    stdout, stderr = process.communicate(timeout=20)
    result = workshop.result(task, process.returncode, stdout, stderr)
    assert result.exit_code == exit_code
    assert result.record is None


def test_other_signals_are_passed_on_and_the_task_can_succeed(workshop: Workshop) -> None:
    task = workshop.command("sh", "-c", "trap 'echo saved; exit 0' USR1; echo ready; while :; do sleep 0.01; done")
    process = workshop.start(task)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGUSR1)
    stdout, stderr = process.communicate(timeout=20)
    assert stdout == "saved\n"
    assert workshop.result(task, process.returncode, stdout, stderr).outputs == {"parameters": {}, "artifacts": {}}


def test_kfp_command_line_of_a_lightweight_component(workshop: Workshop) -> None:
    """The argv that KFP compiles, as it stands: our `kfp` answers `python3 -m kfp.dsl.executor_main`."""
    source = HEADER + (
        "def f(n: int, out: Output[Dataset], tag: str = 'none') -> str:\n"
        "    assert dsl.get_uri('x').endswith('/x')\n"
        "    open(out.path, 'w').write(tag)\n"
        "    if n > 1:\n"
        "        raise RuntimeError('too big')\n"
        "    return f'{n} {dsl.get_uri()}'\n"
    )
    script = (
        "\nprogram_path=$(mktemp -d)\n\n"
        'printf "%s" "$0" > "$program_path/ephemeral_component.py"\n'
        "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main "
        '                        --component_module_path                         "$program_path/ephemeral_component.py"'
        '                         "$@"\n'
    )
    words = ["sh", "-ec", script, source, "--executor_input", "{{$}}", "--function_to_execute", "f"]
    options: dict[str, Any] = {"types": {"Output": "STRING"}, "makes": {"out": "system.Dataset"}}
    task = workshop.command(*words, parameters={"n": 1}, **options)
    outputs = workshop.run(task).outputs
    assert outputs["parameters"] == {"Output": f"1 {task['root']}/Output"}
    assert outputs["artifacts"]["out"][0]["digest"] == "sha256:" + hashlib.sha256(b"none").hexdigest()
    failed = workshop.run(workshop.command(*words, parameters={"n": 2}, **options))
    assert failed.exit_code == 1
    assert failed.error["type"] == "RuntimeError"
    assert failed.error["message"] == "too big"
    assert "raise RuntimeError('too big')" in failed.error["traceback"]
    assert "wherry" not in failed.error["traceback"]


def test_kfp_command_line_of_a_containerized_component(workshop: Workshop) -> None:
    """`kfp_config.ini` says where the function is; the project's code is importable."""
    archive = workshop.folder / "code.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("helper.py", "VALUE = 5\n")
    task = workshop.command(
        "python3",
        "-m",
        "kfp.dsl.executor_main",
        "--executor_input",
        "{{$}}",
        "--function_to_execute",
        "f",
        types={"Output": "NUMBER_INTEGER"},
        code={"uri": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()},
    )
    scratch = workshop.scratch()
    (scratch / "steps").mkdir()
    (scratch / "steps" / "mine.py").write_text(
        "from kfp import dsl\nimport helper\n\n@dsl.component\ndef f() -> int:\n    return helper.VALUE\n"
    )
    (scratch / "kfp_config.ini").write_text("[Components]\nf = steps/mine.py\n")
    assert workshop.run(task).outputs["parameters"] == {"Output": 5}
    Path(task["commit"]).unlink()
    (scratch / "kfp_config.ini").write_text("[Components]\ng = steps/mine.py\n")
    assert "Could not find component `f`" in workshop.run(task).stderr


def test_a_containerized_component_of_the_project_at_hand(workshop: Workshop) -> None:
    """Without its image, the project's own `kfp_config.ini` and sources stand in."""
    archive = workshop.folder / "code.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("kfp_config.ini", "[Components]\nf = steps/mine.py\n")
        out.writestr("steps/mine.py", "from kfp import dsl\n\n@dsl.component\ndef f() -> int:\n    return 5\n")
    words = ["python3", "-m", "kfp.dsl.executor_main", "--executor_input", "{{$}}", "--function_to_execute", "f"]
    code = {"uri": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()}
    task = workshop.command(*words, types={"Output": "NUMBER_INTEGER"}, code=code)
    assert workshop.run(task).outputs["parameters"] == {"Output": 5}


def test_a_command_that_ends_while_its_child_runs_is_not_waited_for(workshop: Workshop) -> None:
    begin = time.monotonic()
    task = workshop.command("sh", "-c", "sleep 30 >/dev/null 2>&1 & echo $! > child")
    workshop.run(task)
    assert time.monotonic() - begin < 20
    os.kill(int((workshop.scratch() / "child").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("has_pip", [True, False], ids=["pip installed", "pip of ensurepip"])
def test_what_a_command_installs_is_its_own(workshop: Workshop, has_pip: bool) -> None:
    """A shell that KFP did not write may call pip: neither the interpreter it shares nor any task sees the packages."""
    shared = workshop.folder / "shared"
    venv.create(shared, with_pip=False, symlinks=True, system_site_packages=has_pip)
    (next(shared.glob("lib/*/site-packages")) / "there.py").write_text("")
    wheel = workshop.folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr("tiny.py", "VALUE = 7\n")
        out.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        out.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\n")
    workshop.python = str(shared / "bin" / "python")
    path = f"{shared / 'bin'}{os.pathsep}{os.environ['PATH']}"
    workshop.env = {"WHERRY_ATTEMPT": "an attempt on a shared machine", "PATH": path}
    show = 'python3 -c "import tiny, there; from kfp import dsl; print(tiny.VALUE, dsl.Dataset.schema_title)"'
    for pip in ("pip", "python3 -m pip"):
        script = f"{pip} install --quiet --no-index --disable-pip-version-check {wheel} && {show}"
        result = workshop.run(workshop.command("sh", "-ec", script))
        assert (result.exit_code, result.stdout) == (0, "7 system.Dataset\n"), result.stderr
    assert "No module named 'tiny'" in workshop.run(workshop.command("python3", "-c", "import there, tiny")).stderr
    assert not list(shared.glob("lib/*/site-packages/tiny*"))


def test_the_executor_of_kfp_before_2_1(workshop: Workshop) -> None:
    source = workshop.folder / "component.py"
    source.write_text(HEADER + "def f(n: int) -> int:\n    return n + 1\n")
    words = ["--component_module_path", str(source), "--executor_input", "{{$}}", "--function_to_execute", "f"]
    task = workshop.command(
        *("python3", "-m", "kfp.components.executor_main", *words),
        parameters={"n": 4},
        types={"Output": "NUMBER_INTEGER"},
    )
    assert workshop.run(task).outputs["parameters"] == {"Output": 5}
