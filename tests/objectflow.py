"""A pipeline that moves files, folders, nothing, an imported file and a long parameter; and a home that runs it.

Used by the tests of object stores, on the home's own node and on the real cluster.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.cli.homes import RealHome
from tests.objectstore import BUCKET, ROLE

FLOW = """
from typing import List

from wherry import dsl


@dsl.component
def make(words: dsl.Output[dsl.Dataset], model: dsl.Output[dsl.Model], nothing: dsl.Output[dsl.Artifact]) -> str:
    import os

    import mine

    with open(words.path, "w") as file:
        file.write("hello")
    os.makedirs(model.path + "/deep")
    for number in range(40):
        with open(f"{model.path}/deep/part {number}+%", "w") as file:
            file.write(str(number))
    open(nothing.path, "w").close()
    model.metadata["parts"] = 40
    return mine.NAME + " ".join(sorted(name for name in os.environ if name.startswith(("AWS_", "WHERRY_"))))


@dsl.component
def use(words: dsl.Input[dsl.Dataset], model: dsl.Input[dsl.Model], given: dsl.Input[dsl.Artifact], pad: str) -> str:
    import os

    parts = sum(int(open(f"{model.path}/deep/{name}").read()) for name in os.listdir(model.path + "/deep"))
    return f"{open(words.path).read()} {parts} {open(given.path).read()} {len(pad)}"


@dsl.container_component
def shout(words: dsl.Input[dsl.Dataset], loud: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(
        image="python:3.11", command=["sh", "-c", 'tr a-z A-Z < "$0" > "$1"'], args=[words.path, loud.path]
    )


@dsl.pipeline(name="objects")
def flow(pad: str, uri: str) -> str:
    made = make()
    given = dsl.importer(artifact_uri=uri, artifact_class=dsl.Artifact)
    shouted = shout(words=made.outputs["words"])
    return use(words=shouted.outputs["loud"], model=made.outputs["model"], given=given.output, pad=pad).output
"""


def configure(place: RealHome, prefix: str, endpoint: str, *more: str) -> None:
    """Give the home a target `test` whose artifacts lie below `s3://BUCKET/<prefix>`."""
    lines = [
        "[code]",
        'include = ["mine.py"]',
        "[targets.test]",
        f'artifacts = "s3://{BUCKET}/{prefix}"',
        f'endpoint = "{endpoint}"',
        f'grant_role = "{ROLE}"',
        "grant_hours = 1",
        *more,
    ]
    place.write("wherry.toml", "\n".join(lines) + "\n")
    place.write("mine.py", 'NAME = "mine:"\n')
    place.write("flow.py", FLOW)


def outputs(place: RealHome, run: str) -> dict[str, dict]:
    """What the tasks of a run have put out, by their paths, as the home's database has it."""
    query = "SELECT path, outputs FROM task WHERE kind = 'task' AND run = (SELECT number FROM run WHERE id = ?)"
    with closing(sqlite3.connect(place.home / "wherry.db")) as db:
        return {path: json.loads(found) for path, found in db.execute(query, (run,))}


def digests(place: RealHome, run: str) -> dict[str, str]:
    """The digests of what the tasks of a run have made."""
    return {
        f"{path}.{name}": artifact["digest"]
        for path, found in outputs(place, run).items()
        for name, artifacts in (found.get("artifacts") or {}).items()
        for artifact in artifacts
    }


def finished(place: RealHome, *words: str) -> dict:
    """The last event of a run of the flow that was followed to its end."""
    done = place.run("run", "flow.py", *words, "--json")
    assert done.out, done.err
    end = json.loads(done.out.splitlines()[-1])
    assert end.get("state") == "SUCCEEDED", (done.out[-3000:], done.err)
    return end
