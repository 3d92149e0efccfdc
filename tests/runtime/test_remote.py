"""Tasks whose artifacts lie in an object store: a process of its own, the zip application, a real S3 server."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.objectstore import BUCKET, S3Server
from tests.runtime.tasks import HEADER, Result, Workshop, artifact, given, interpreter, interpreters

from wherry.runtime import zipapp
from wherry.runtime.s3 import Client
from wherry.runtime.sigv4 import Keys

everywhere = pytest.mark.parametrize("minor", interpreters())
_numbers = itertools.count()


@dataclass
class Remote(Workshop):
    """A workshop whose artifacts lie below `s3://BUCKET/<prefix>`."""

    client: Any = None
    prefix: str = ""

    def descriptor(self, **fields: Any) -> dict[str, Any]:
        base = super().descriptor(**fields)
        root = f"s3://{BUCKET}/{self.prefix}/{self.count}"
        return {**base, "root": root, "commit": f"{root}/commit.json"}

    def put(self, name: str, data: bytes) -> dict[str, str]:
        """An object of the store, as descriptors refer to it."""
        self.client.put(BUCKET, f"{self.prefix}/{name}", data)
        return {"uri": f"s3://{BUCKET}/{self.prefix}/{name}", "sha256": hashlib.sha256(data).hexdigest()}

    def function(self, source: str, name: str = "f", **fields: Any) -> dict[str, Any]:
        task = super().function(source, name, **fields)
        text = (fields.get("header", HEADER) + textwrap.dedent(source)).encode()
        return {**task, "source": self.put(f".source/{hashlib.sha256(text).hexdigest()}.py", text)}

    def result(self, descriptor: dict[str, Any], exit_code: int, stdout: str, stderr: str) -> Result:
        found = super().result(descriptor, exit_code, stdout, stderr)
        key = descriptor["commit"].removeprefix(f"s3://{BUCKET}/")
        found.record = json.loads(self.client.read(BUCKET, key)) if self.client.exists(BUCKET, key) else None
        return found

    def keys(self, uri: str) -> list[str]:
        """The objects below a uri, relative to it."""
        key = uri.removeprefix(f"s3://{BUCKET}/")
        return [each.key[len(key) + 1 :] for each in self.client.listing(BUCKET, f"{key}/")]


def grant(server: S3Server, **fields: Any) -> str:
    return json.dumps(
        {
            "v": 1,
            "kind": "keys",
            "endpoint": server.endpoint(),
            "region": "us-east-1",
            "access_key_id": server.access_key,
            "secret_access_key": server.secret_key,
            "session_token": "",
            "ends_at": time.time() + 3600,
            **fields,
        }
    )


@pytest.fixture
def remote(s3: S3Server, tmp_path: Path, pyz: Path) -> Iterator[Remote]:
    keys = Keys(s3.access_key, s3.secret_key)
    with closing(Client(s3.endpoint(), "us-east-1", lambda: keys)) as client:
        workshop = Remote(tmp_path, pyz, client=client, prefix=f"tasks/{next(_numbers)}")
        workshop.env = {"WHERRY_GRANT": grant(s3), "WHERRY_ATTEMPT": "1-0"}
        yield workshop


MAKE = """
    import os

    def f(file: Output[Dataset], folder: Output[Model], empty: Output[Artifact], metrics: Output[Metrics]) -> str:
        assert "WHERRY_GRANT" not in os.environ and "WHERRY_TASK" not in os.environ
        with open(file.path, "w") as out:
            out.write("rows")
        os.makedirs(folder.path + "/deep")
        for name in ("a b", "ü", "50%+", "deep/x"):
            with open(f"{folder.path}/{name}", "w") as out:
                out.write(name)
        os.symlink("deep/x", folder.path + "/link")
        os.mkdir(empty.path)
        metrics.log_metric("accuracy", 0.5)
        return dsl.get_uri()
"""
MAKES = {"file": "system.Dataset", "folder": "system.Model", "empty": "system.Artifact", "metrics": "system.Metrics"}


@everywhere
def test_outputs_have_the_digests_that_they_have_in_a_folder(
    remote: Remote, pyz: Path, tmp_path: Path, minor: str
) -> None:
    python = interpreter(minor)
    assert python
    digests: list[dict[str, str | None]] = []
    for workshop in (Workshop(tmp_path / "local", pyz, python=python), remote):
        workshop.python = python
        workshop.folder.mkdir(exist_ok=True)
        task = workshop.function(MAKE, makes=MAKES, types={"Output": "STRING"})
        result = workshop.run(task)
        assert result.exit_code == 0, result.stderr
        assert result.outputs["parameters"] == {"Output": f"{task['root']}/Output"}
        assert json.loads(result.message) == result.record
        found = result.outputs["artifacts"]
        assert found["metrics"][0]["metadata"] == {"accuracy": 0.5}
        assert found["file"][0]["uri"] == f"{task['root']}/file"
        digests.append({name: each[0].get("digest") for name, each in found.items()})
    assert digests[0] == digests[1]
    assert remote.keys(task["root"] + "/folder") == ["50%+", "a b", "deep/x", "link", "ü"]


@everywhere
def test_inputs_are_there_before_the_code(remote: Remote, minor: str) -> None:
    python = interpreter(minor)
    assert python
    remote.python = python
    file = remote.put("in/file", b"content")["uri"]
    remote.put("in/folder/deep/x", b"x")
    remote.put("in/folder/y", b"")
    task = remote.function(
        """
        import os

        def f(file: Input[Dataset], folder: Input[Model], many: Input[List[Dataset]], gone: Input[Metrics],
              out: Output[Dataset]) -> list:
            with open(out.path, "wb") as target:
                target.write(open(file.path, "rb").read() + open(many[1].path, "rb").read())
            assert gone.metadata == {"accuracy": 1} and not os.path.exists(gone.path)
            return sorted(os.listdir(folder.path)) + os.listdir(folder.path + "/deep")
        """,
        artifacts={
            "file": given(artifact("file", file, "system.Dataset")),
            "folder": given(artifact("folder", f"s3://{BUCKET}/{remote.prefix}/in/folder/", "system.Model")),
            "many": given(artifact("m0", file), artifact("m1", file)),
            "gone": given(artifact("gone", f"s3://{BUCKET}/{remote.prefix}/in/none", "system.Metrics", accuracy=1)),
        },
        makes={"out": "system.Dataset"},
        types={"Output": "LIST"},
    )
    result = remote.run(task)
    assert result.exit_code == 0, result.stderr
    assert result.outputs["parameters"] == {"Output": ["deep", "y", "x"]}
    assert remote.client.read(BUCKET, f"{remote.prefix}/{remote.count}/out") == b"contentcontent"


def test_an_input_that_was_recorded_and_is_gone_fails_the_task(remote: Remote) -> None:
    uri = f"s3://{BUCKET}/{remote.prefix}/gone"
    lost = artifact("lost", uri) | {"digest": "sha256:00"}
    task = remote.function("def f(lost: Input[Dataset]): pass\n", artifacts={"lost": given(lost)})
    result = remote.run(task)
    assert result.exit_code == 1
    assert result.error["message"] == f"The input artifact at {uri} is gone"


def test_code_and_a_long_input_come_from_the_store(remote: Remote) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("mine.py", "ANSWER = 42\n")
    code = remote.put(".code/x.zip", archive.getvalue())
    task = remote.function("def f(text: str) -> int:\n    import mine\n    return mine.ANSWER + len(text)\n")
    whole = {
        "inputs": {"parameterValues": {"text": "x" * 100_000}},
        "outputs": {},
    }
    reference = remote.put(".inputs/x.json", json.dumps(whole).encode())
    task |= {"code": code, "executor_input": None, "executor_input_ref": reference}
    task["component"] = {"inputs": {}, "outputs": {"Output": "NUMBER_INTEGER"}}
    assert remote.run(task).outputs["parameters"] == {"Output": 100_042}


def test_commands_find_files_at_the_paths_of_their_placeholders(remote: Remote) -> None:
    uri = remote.put("in", b"content")["uri"]
    task = remote.command(
        "sh",
        "-c",
        'test -z "$WHERRY_GRANT" && cat "$0" "$0" > "$1"',
        "{{$.inputs.artifacts['x'].path}}",
        "{{$.outputs.artifacts['y'].path}}",
        artifacts={"x": given(artifact("x", uri))},
        makes={"y": "system.Dataset"},
    )
    result = remote.run(task)
    assert result.exit_code == 0, result.stderr
    assert remote.client.read(BUCKET, f"{remote.prefix}/{remote.count}/y") == b"contentcontent"


def test_an_executor_inside_a_command_finds_them_too(remote: Remote) -> None:
    uri = remote.put("in", b"content")["uri"]
    program = remote.folder / "program.py"
    program.write_text(
        HEADER + "def f(x: Input[Dataset], y: Output[Dataset]):\n"
        "    open(y.path, 'w').write(open(x.path).read().upper())\n"
    )
    task = remote.command(
        sys.executable,
        "-m",
        "kfp.dsl.executor_main",
        "--component_module_path",
        str(program),
        "--executor_input",
        "{{$}}",
        "--function_to_execute",
        "f",
        artifacts={"x": given(artifact("x", uri))},
        makes={"y": "system.Dataset"},
    )
    result = remote.run(task)
    assert result.exit_code == 0, result.stderr
    assert remote.client.read(BUCKET, f"{remote.prefix}/{remote.count}/y") == b"CONTENT"


def test_what_lies_outside_the_attempts_folder_is_not_uploaded(remote: Remote) -> None:
    task = remote.function(
        """
        def f(out: Output[Dataset]):
            out.uri = "s3://elsewhere/data"
            import os
            os.makedirs(os.path.dirname(out.path), exist_ok=True)
            open(out.path, "w").close()
        """,
        makes={"out": "system.Dataset"},
    )
    result = remote.run(task)
    assert result.exit_code == 0, result.stderr
    assert "not uploaded: s3://elsewhere/data lies outside" in result.stderr
    assert "digest" not in result.outputs["artifacts"]["out"][0]


def test_an_attempt_that_is_over_is_not_run_again(remote: Remote) -> None:
    task = remote.function("def f() -> str:\n    return 'first'\n", types={"Output": "STRING"})
    first = remote.run(task)
    again = remote.run(task)
    assert first.outputs == again.outputs
    assert "this attempt is over already" in again.stderr


def test_a_task_that_outlives_its_grant_says_so(remote: Remote, s3: S3Server) -> None:
    remote.env["WHERRY_GRANT"] = grant(s3, secret_access_key="ended", ends_at=1_796_000_000)
    remote.count += 1
    result = remote.run(remote.command("true"))
    assert result.exit_code == 1
    told = json.loads(result.message)["error"]
    assert told["type"] == "GrantEnded"
    assert told["message"].startswith("The grant of this task ended at 2026-11-30 00:53:20 UTC")
    assert told["message"].endswith("give the target a longer one: grant_hours")
    assert "The grant of this task ended" in result.stderr


def test_a_store_that_refuses_is_told_with_its_words(remote: Remote, s3: S3Server) -> None:
    remote.env["WHERRY_GRANT"] = grant(s3, secret_access_key="wrong")
    result = remote.run(remote.command("true"))
    assert result.exit_code == 1
    assert json.loads(result.message)["error"]["type"] == "StoreError"
    assert "commit.json: " in result.stderr


@pytest.mark.parametrize("text", ["{}", "nonsense", '{"v": 2, "kind": "keys"}', "[]"])
def test_a_grant_that_is_none_is_refused(remote: Remote, text: str) -> None:
    remote.env["WHERRY_GRANT"] = text
    result = remote.run(remote.command("true"))
    assert result.exit_code == 1
    assert "WHERRY_GRANT holds no grant that this runtime knows" in result.stderr


MEASURE = """
import os, resource, sys
from wherry.runtime.remote import RemoteStore
from wherry.runtime.s3 import Client
from wherry.runtime.sigv4 import Keys
endpoint, access, secret, uri, folder, size = sys.argv[1:]
client = Client(endpoint, "us-east-1", lambda: Keys(access, secret), part_bytes=5 << 20)
store = RemoteStore(client, folder)
path = store.local_path(uri)
os.makedirs(os.path.dirname(path))
with open(path, "wb") as file:
    file.write(b"begin")
    file.truncate(int(size))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.keep(uri)
os.unlink(path)
assert store.fetch([uri]) == []
assert os.path.getsize(path) == int(size) and open(path, "rb").read(6) == b"begin\\0"
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_large_files_take_no_memory(s3: S3Server, pyz: Path, tmp_path: Path) -> None:
    size = 128 << 20
    words = [s3.endpoint(), s3.access_key, s3.secret_key, f"s3://{BUCKET}/large/sparse", str(tmp_path), str(size)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *words],
        env={"PYTHONPATH": str(pyz), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown_mib = int(done.stdout) / 1024
    assert grown_mib < 72  # pieces and connections of 16 threads, far from the 128 of the file


def test_folders_of_many_files(s3: S3Server, remote: Remote) -> None:
    task = remote.function(
        """
        import os

        def f(many: Output[Model]):
            for folder in range(20):
                os.makedirs(f"{many.path}/{folder}")
                for number in range(50):
                    with open(f"{many.path}/{folder}/{number}.txt", "w") as file:
                        file.write(str(number))
        """,
        makes={"many": "system.Model"},
    )
    made = remote.run(task).outputs["artifacts"]["many"][0]
    assert len(remote.keys(made["uri"])) == 1000
    count = remote.function(
        "def f(many: Input[Model]) -> int:\n"
        "    import os\n"
        "    return sum(len(files) for _, _, files in os.walk(many.path))\n",
        artifacts={"many": given(made)},
        types={"Output": "NUMBER_INTEGER"},
    )
    assert remote.run(count).outputs["parameters"] == {"Output": 1000}


def test_a_task_without_a_grant_loads_nothing_of_it() -> None:
    program = (
        "import sys\nfrom wherry.runtime import main\nmain.preload()\n"
        "print([name for name in ('wherry.runtime.s3', 'wherry.runtime.remote', 'http.client', 'ssl', "
        "'concurrent.futures') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_runtime_fits_into_a_configmap() -> None:
    assert len(zipapp.content()) < 600_000  # base64 of it stays below 1 MiB, the most that etcd takes
