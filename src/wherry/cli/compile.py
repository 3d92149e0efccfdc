"""`wherry compile`: from a Python flow to KFP PipelineSpec IR.

Loaded by `wherry.cli.commands` when used.  Invariant: it needs no server, and writes the whole file or nothing.  The
options are those of `kfp dsl compile`, and our own shape `wherry compile FILE[:PIPELINE] -o OUT`.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any, NamedTuple, cast

import click

from wherry import compiler
from wherry.cli.files import write
from wherry.client import flows
from wherry.errors import UsageError
from wherry.ir import documents

CHECK = "wherry.cli.check"  # the lazy entries: both need the document's records, which compiling a .py file does not
IR = "wherry.ir"
_NO_CACHE = "KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT"
_SCREEN = "-"
_MANIFEST = "With --kubernetes-manifest-format: "


class _Compiled(NamedTuple):
    """A flow, as `wherry.compiler` writes components."""

    pipeline_spec: dict[str, Any]
    platform_spec: dict[str, Any]
    description: str | None


@click.command("compile")
@click.argument("flow", metavar="FILE[:PIPELINE]", required=False)
@click.option("-o", "--output", metavar="OUT", help="Where to write it: .yaml, .json, or - for the screen.")
@click.option("--check", is_flag=True, help="Explain the pipeline, with warnings, instead of writing it.")
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON object.")
@click.option("--py", metavar="FILE", help="FILE, as `kfp dsl compile` takes it.")
@click.option("--function", metavar="PIPELINE", help="The pipeline or component in FILE, when it has several.")
@click.option(
    "--pipeline-parameters", "parameters", metavar="JSON", help="A JSON object of inputs and their new defaults."
)
@click.option("--disable-type-check", is_flag=True, help="Taken as KFP takes it: types are checked all the same.")
@click.option(
    "--disable-execution-caching-by-default", "no_cache", is_flag=True, help="Tasks are not cached unless they say so."
)
@click.option("--kubernetes-manifest-format", "manifest", is_flag=True, help="Write it as Kubernetes objects.")
@click.option("--pipeline-name", help=f"{_MANIFEST}the name of the Pipeline.")
@click.option("--pipeline-display-name", help=f"{_MANIFEST}the name of the Pipeline to show.")
@click.option("--pipeline-version-name", help=f"{_MANIFEST}the name of the PipelineVersion.")
@click.option("--pipeline-version-display-name", help=f"{_MANIFEST}the name of the PipelineVersion to show.")
@click.option("--namespace", help=f"{_MANIFEST}the namespace of the objects.")
@click.option("--include-pipeline-manifest", is_flag=True, help=f"{_MANIFEST}write the Pipeline, too.")
def compile_(
    flow: str | None,
    output: str | None,
    check: bool,
    as_json: bool,
    py: str | None,
    function: str | None,
    parameters: str | None,
    disable_type_check: bool,
    no_cache: bool,
    manifest: bool,
    **names: Any,
) -> int:
    """Compile the pipeline in FILE and write it to OUT, or explain it: FILE may then be a compiled one too."""
    word = _word(flow, py, function)
    if check:
        if output is not None or no_cache or manifest or parameters is not None:
            raise UsageError("--check writes nothing: it goes with --json only")
        return import_module(CHECK).check(word, as_json=as_json)
    if output is None:
        raise UsageError("compile needs -o OUT, or --check")
    if as_json:
        raise UsageError("--json goes with --check")
    if output != _SCREEN and not output.endswith(flows.SUFFIXES):
        raise UsageError(f"-o {output}: the name must end in .yaml, .yml or .json")
    given = {name: value for name, value in names.items() if value}
    if given and not manifest:
        click.echo(
            f"warning: --{', --'.join(given).replace('_', '-')} without --kubernetes-manifest-format has no effect",
            err=True,
        )
    if no_cache:
        _disable_caching(word)
    compiled = _compiled(word)
    try:
        text = compiler.file_text(
            compiled,
            ".yaml" if output == _SCREEN else output,
            parameters=_parameters(parameters),
            manifest=compiler.KubernetesManifestOptions(**given) if manifest else None,
        )
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UsageError(f"{word}: {error}") from None
    write(output, text if text.endswith("\n") else f"{text}\n")
    return 0


def _word(flow: str | None, py: str | None, function: str | None) -> str:
    """What is to be compiled, as `FILE[:PIPELINE]`."""
    if (flow is None) == (py is None):
        raise UsageError("compile needs FILE, or --py FILE" if flow is None else "give FILE or --py FILE, not both")
    word = flow or py or ""
    if function is None:
        return word
    if flows.split(word)[1] is not None:
        raise UsageError(f"give {word} or --function {function}, not both")
    return f"{word}:{function}"


def _disable_caching(word: str) -> None:
    """What KFP reads too, whichever of the two compiles the flow; it is read when tasks are made."""
    if _is_compiled(word):
        raise UsageError(f"{word} is compiled already: its tasks say whether they are cached")
    os.environ[_NO_CACHE] = "true"


def _compiled(word: str) -> _Compiled:
    flow = flows.load(word)
    if _is_compiled(word):
        with flows.named(word):
            import_module(IR).from_builtins(flow.document)  # refuses what nobody could run
    pipeline, platform = documents.split(flow.document)
    return _Compiled(pipeline, platform or {}, flow.description)


def _is_compiled(word: str) -> bool:
    return flows.split(word)[0].endswith(flows.SUFFIXES)


def _parameters(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--pipeline-parameters is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("--pipeline-parameters must be a JSON object of inputs and values")
    return cast("dict[str, Any]", found)
