"""What is refused is refused before anything is stored, in a sentence that names the fault."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.errors import WherryError
from wherry.pipelines.flights import SubmitOptions


def with_parameter(docs: Any, **definition: Any) -> dict[str, Any]:
    tasks = {"read": docs.task("comp-read", {"x": {"componentInputParameter": "count"}})}
    inputs = {"parameters": {"count": {"parameterType": "NUMBER_INTEGER", **definition}}}
    return docs.document(tasks, {"comp-read": docs.component({"x": "NUMBER_INTEGER"})}, inputDefinitions=inputs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'count' has no value"),
        ({"count": "three"}, "NUMBER_INTEGER"),
        ({"count": 1.5}, "NUMBER_INTEGER"),
        ({"count": 1, "cuont": 2}, "no parameter 'cuont'"),
        ({"count": 1, "cuont": 2}, "Did you mean 'count'?"),
        ({"count": "9" * (1 << 20)}, "larger than 1 MiB"),
        ({"count": 10**400}, "the argument 'count' is not a JSON value: 0: the number is larger than a double can be"),
        ({"count": [float("nan")]}, "0.0: nan is not a number that JSON has"),
        ({"count": "\ud800"}, "half of a character"),
    ],
)
def test_bad_arguments(lab: Any, go: Any, docs: Any, arguments: dict[str, Any], words: str) -> None:
    async def main() -> None:
        async with lab.pipelines() as pipelines:
            with pytest.raises(WherryError) as refused:
                await pipelines.submit(with_parameter(docs), arguments=arguments)
            assert words in str(refused.value)
        await nothing_stored(lab)

    go(main)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parallelism": 0}, "parallelism"),
        ({"namespace": "Not A Namespace"}, "namespace"),
        ({"pipeline_root": "relative/folder"}, "pipeline root"),
        ({"pipeline_root": "/"}, "pipeline root"),
        ({"code": "0" * 64}, "has not been uploaded"),
    ],
)
def test_bad_options(lab: Any, go: Any, docs: Any, options: dict[str, Any], words: str) -> None:
    async def main() -> None:
        async with lab.pipelines() as pipelines:
            with pytest.raises(WherryError, match=words):
                await pipelines.submit(docs.chain(1), arguments={}, options=SubmitOptions(**options))
        await nothing_stored(lab)

    go(main)


@pytest.mark.parametrize("name", ["../escape", "a/b", "..", "commit.json", "main.log"])
def test_output_names_that_are_no_file_names(lab: Any, go: Any, docs: Any, name: str) -> None:
    async def main() -> None:
        document = docs.document({"t": docs.task("comp-t")}, {"comp-t": docs.component(artifacts=(name,))})
        async with lab.pipelines() as pipelines:
            with pytest.raises(WherryError) as refused:
                await pipelines.submit(document, arguments={})
            assert repr(name) in str(refused.value)
        await nothing_stored(lab)

    go(main)


@pytest.mark.parametrize(
    "document", [{}, {"pipelineInfo": 3}, {"root": {}, "schemaVersion": "2.1.0"}, {"pipeline_spec": []}]
)
def test_what_is_no_pipeline(lab: Any, go: Any, document: dict[str, Any]) -> None:
    async def main() -> None:
        async with lab.pipelines() as pipelines:
            with pytest.raises(WherryError):
                await pipelines.submit(document, arguments={})
        await nothing_stored(lab)

    go(main)


def test_a_pipeline_root_of_the_runs_own(lab: Any, go: Any, docs: Any, tmp_path: Any) -> None:
    async def main() -> None:
        root = str(tmp_path / "mine")
        document = docs.document({"make": docs.task("comp-make")}, {"comp-make": docs.component(artifacts=("data",))})
        view = await lab.run(document, pipeline_root=root)
        (artifact,) = view["tasks"]["make"]["outputs"]["artifacts"]["data"]
        assert artifact["uri"].startswith(f"{root}/flow/{view['id']}/")
        async with lab.pipelines() as pipelines:
            log = b"".join([chunk async for chunk in pipelines.logs(view["id"], "make")])
            assert log == b"log of make 1-0\n"
            await pipelines.delete(view["id"])
        assert list((tmp_path / "mine" / "flow").iterdir()) == []

    go(main)


async def nothing_stored(lab: Any) -> None:
    for table in ("run", "document", "task", "history"):
        assert await lab.rows(f"SELECT count(*) FROM {table}") == [(0,)]
