"""Sources, documents and arguments that cannot be run: one readable message, exit code 2, and no run is made.

The commands run in this process, through the entry that the console script has, so that many cases cost little.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.homes import RealHome
from tests.ir.test_forms import PIPELINE, version
from tests.ir.test_reader import FAULTS, PLATFORM, base

from wherry.cli.begin import begin
from wherry.cli.commands import invoke
from wherry.ir import yaml

Refused = Callable[..., str]


@pytest.fixture
def refused(shared: RealHome, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Refused]:
    """Runs a command that must be refused, and returns what it said on standard error."""
    monkeypatch.chdir(shared.work)
    monkeypatch.setenv("WHERRY_HOME", str(shared.home))
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*words: str, ours: bool = True) -> str:
        """`ours`: nothing of Python's traceback is shown, as the fault is not in the user's code."""
        code = entered("run", *words)
        said = capfd.readouterr()
        assert (code, said.out) == (2, ""), said.err
        assert said.err.startswith("error: ")
        assert len(said.err) < 3_000
        assert "wherry/" not in said.err.replace(str(shared.work), "")
        if ours:
            assert "Traceback" not in said.err
            assert len(said.err.splitlines()) <= 3
        return said.err

    yield run
    entered("ls", "--json", "--all")
    assert capfd.readouterr().out == ""


def entered(*words: str) -> int:
    """The exit code of a command; a process of its own would leave its connection to its end."""
    begun = begin()
    try:
        return invoke([*words], begun)
    finally:
        begun.get().close()


def changed(**parts: Any) -> str:
    return json.dumps({**base(), **parts})


def deep(depth: int) -> str:
    return '{"root": ' + "[" * depth + "]" * depth + "}"


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True))

DOCUMENTS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "the document is empty"),
    "comments only": ("# PIPELINE DEFINITION\n# Name: x\n", "the document is empty"),
    "null documents": ("---\n---\nnull\n---\n", "the document is empty"),
    "a word": ("pipeline", "a pipeline document is a mapping, not a text"),
    "a number": ("42", "a pipeline document is a mapping, not a single value"),
    "a list": ("- a\n- b\n", "a pipeline document is a mapping, not a list"),
    "a list in JSON": ("[1]", "a pipeline document is a mapping, not a list"),
    "nothing in it": ("{}", "the document: missing required field 'root'"),
    "a tab": ("root:\n\tdag: {}\n", "not valid YAML at line 2, column 1"),
    "not closed": ("root: [1, 2\n", "not valid YAML at line 2"),
    "indentation": ("root:\n  dag: 1\n component: 2\n", "not valid YAML at line 3"),
    "alias bomb": (BOMB, "aliases are not taken (*a at line 2, column 8)"),
    "an alias of itself": ("a: &a [*a]", "aliases are not taken"),
    "merge key": ("<<: {root: 1}", "merge keys are not taken at line 1"),
    "python tag": ("root: !!python/object/apply:os.system ['true']", "the tag tag:yaml.org,2002:python/object/apply"),
    "key twice": ("root: {}\nroot: {}\n", "the key 'root' stands twice in one mapping at line 2, column 1"),
    "key twice in JSON": ('{"root": 1, "root": 2}', "the key 'root' stands twice"),
    "numbers as keys": ("1: 2", "1 is not text, but keys must be"),
    "binary": (b"\x7fELF\x02\x01\x01\x00\xff\xfe", "the document is not UTF-8: byte 8 is 0xff"),
    "latin 1": ("description: caf\u00e9".encode("latin-1"), "the document is not UTF-8: byte 16 is 0xe9"),
    "UTF-16": ("root: {}".encode("utf-16"), "the document is not UTF-8: byte 0 is 0x"),
    "NUL": ("root: a\x00b", "not valid YAML"),
    "NUL in JSON": (changed(pipelineInfo={"name": "a\x00b"}), "pipelineInfo.name: 'a\\x00b' is not"),
    "NaN": ("root: .nan", ".nan is not a number that a document can hold"),
    "NaN in JSON": ('{"root": NaN}', "NaN is not a number that a document can hold"),
    "infinity": ('{"root": 1e999}', "1e999 is not a number that a document can hold"),
    "a huge number": ("root: " + "9" * 5000, "is not a number we can read at line 1, column 7"),
    "a huge number in JSON": ('{"root": ' + "9" * 5000 + "}", "an integer with more digits than we read"),
    "half a character": ('{"root": "\\ud800"}', "half of a character: \\ud800"),
    "deep JSON": (deep(200), "nests deeper than 100 levels"),
    "very deep JSON": (deep(100_000), "nests deeper than 100 levels"),
    "deep YAML": ("- " * 500 + "x", "nests deeper than 100 levels at line 1"),
    "two pipelines": (yaml.dump_all([base(), base()]), "there are two pipeline specs"),
    "two platforms": (yaml.dump_all([base(), PLATFORM, PLATFORM]), "there are two platform specs"),
    "platform alone": (yaml.dump(PLATFORM), "there is no pipeline spec in it"),
    "half a component.yaml": ("name: x\nimplementation: {}\n", "bad.yaml: "),
    "an unknown field of component.yaml": ("implementation: {container: {image: a, cmd: b}}\n", "cmd"),
    "an Argo workflow": ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {}\n", "holds no pipeline"),
    "a Pipeline object": (yaml.dump(PIPELINE), "there is no pipeline spec in it"),
    "an empty version": (yaml.dump(version()), "spec.pipelineSpec: missing"),
    "a component without executor": (yaml.dump({"executorLabel": "exec-Train_It"}), "no executor 'exec-Train_It'"),
    "another platform": (yaml.dump_all([base(), {"platforms": {"moon": {}}}]), "platforms: unknown field 'moon'"),
    "a KFP 2.0.0 schema": (changed(schemaVersion="2.0.0"), "schemaVersion: '2.0.0' is not supported, only 2.1.0"),
    "schema as a number": (changed(schemaVersion=2.1), "schemaVersion: expected 'str', got 'float'"),
    "root as text": (changed(root="dag"), "root: expected 'object', got 'str'"),
    "an unknown field": (changed(colour=1), "the document: unknown field 'colour'"),
    "an output named as our record": (
        json.dumps(base()).replace('"artifacts": {"m"', '"artifacts": {"commit.json"').replace(
            '"outputArtifactKey": "m"', '"outputArtifactKey": "commit.json"'
        ),
        "cannot be called 'commit.json'",
    ),
    "an artifact for the root": (
        changed(root={**base()["root"], "inputDefinitions": {"artifacts": {"data": {}}}}),
        "takes artifacts (data), which a run cannot be given",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_documents_that_are_none(shared: RealHome, refused: Refused, text: str | bytes, words: str) -> None:
    (shared.work / "bad.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    said = refused("bad.yaml")
    assert words in said


@pytest.mark.parametrize(("message", "change"), FAULTS, ids=[message[:50] for message, _ in FAULTS])
def test_every_fault_of_a_document(shared: RealHome, refused: Refused, message: str, change: Any) -> None:
    document = base()
    change(document)
    shared.write("fault.json", json.dumps(document))
    assert message in refused("fault.json")


def test_the_invalid_files_of_the_field(conformance: Path, refused: Refused) -> None:
    lines = (conformance / "kfp-ir" / "INDEX.tsv").read_text().splitlines()
    invalid = [line.split("\t")[0] for line in lines if "\tinvalid" in line]
    assert invalid
    for name in invalid:
        assert name in refused(str(conformance / "kfp-ir" / name))


def test_files_that_cannot_be_read(shared: RealHome, refused: Refused) -> None:
    (shared.work / "folder.yaml").mkdir()
    with open(shared.work / "big.yaml", "wb") as file:
        file.truncate(65 << 20)
    os.mkfifo(shared.work / "pipe.yaml")
    os.symlink("nowhere.yaml", shared.work / "link.yaml")
    for word, message in [
        ("folder.yaml", "folder.yaml is not a file"),
        ("big.yaml", "big.yaml has 65 MiB; more than 64 MiB is refused"),
        ("pipe.yaml", "pipe.yaml is not a file"),
        ("link.yaml", "there is no file link.yaml"),
        ("none.yaml", "there is no file none.yaml"),
        ("x" * 500 + ".yaml", "there is no file xxx"),
        ("hello.txt", "there is no file hello.txt"),
        ("", "there is no file"),
    ]:
        assert message in refused(word)
    shared.write("flow.txt", "x")
    assert "a flow is a .py file or a compiled .yaml or .json file" in refused("flow.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_files_that_one_may_not_read(shared: RealHome, refused: Refused) -> None:
    shared.write("secret.yaml", "root: {}").chmod(0)
    assert "secret.yaml cannot be read: Permission denied" in refused("secret.yaml")


TYPED = """
from wherry import dsl


@dsl.component
def use(i: int, d: float, b: bool, l: list, m: dict, s: str = "x"):
    pass


@dsl.pipeline
def typed(i: int, d: float = 1.0, b: bool = True, l: list = [], m: dict = {}, s: str = "x"):
    use(i=i, d=d, b=b, l=l, m=m, s=s)
"""

ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "no equals sign": (["-p", "i"], "-p i: an argument is given as name=value"),
    "no name": (["-p", "=1"], "-p =1: an argument is given as name=value"),
    "missing": ([], "typed needs the parameter i\n  give -p i=..."),
    "unknown": (["-p", "i=1", "-p", "k=1"], "typed has no parameter 'k'"),
    "a slip": (["-p", "i=1", "-p", "S=1"], "it takes i, d, b, l, m, s"),
    "text for an integer": (["-p", "i=three"], "parameter 'i' must be an integer, not 'three'"),
    "a fraction for an integer": (["-p", "i=1.5"], "parameter 'i' must be an integer, not '1.5'"),
    "nothing for an integer": (["-p", "i="], "parameter 'i' must be an integer, not ''"),
    "a huge integer": (["-p", "i=" + "9" * 500], "parameter 'i' must be an integer, not '999"),
    "no double": (["-p", "i=1" + "0" * 350], "parameter 'i' must be an integer, not '1000"),
    "text for a number": (["-p", "i=1", "-p", "d=much"], "parameter 'd' must be a number, not 'much'"),
    "NaN": (["-p", "i=1", "-p", "d=nan"], "parameter 'd' must be a number, not 'nan'"),
    "infinity": (["-p", "i=1", "-p", "d=1e999"], "parameter 'd' must be a number, not '1e999'"),
    "a word for a truth": (["-p", "i=1", "-p", "b=maybe"], "parameter 'b' must be true or false, not 'maybe'"),
    "a mapping for a list": (["-p", "i=1", "-p", "l={}"], "parameter 'l' must be a list (JSON), not '{}'"),
    "not JSON": (["-p", "i=1", "-p", "l=[1,"], "parameter 'l' must be a list (JSON), not '[1,'"),
    "deep": (["-p", "i=1", "-p", "l=" + "[" * 9999 + "]" * 9999], "parameter 'l' must be a list (JSON)"),
    "NaN in a list": (["-p", "i=1", "-p", "l=[NaN]"], "parameter 'l' must be a list (JSON), not '[NaN]'"),
    "infinity in a list": (["-p", "i=1", "-p", "l=[1e999]"], "parameter 'l' must be a list (JSON), not '[1e999]'"),
    "half a character": (["-p", "i=1", "-p", 'l=["\\ud800"]'], "parameter 'l' must be a list (JSON)"),
    "a list for a mapping": (["-p", "i=1", "-p", "m=[]"], "parameter 'm' must be a mapping (JSON), not '[]'"),
    "a word for a mapping": (["-p", "i=1", "-p", "m=a"], "parameter 'm' must be a mapping (JSON), not 'a'"),
    "not UTF-8": (["-p", "i=1", "-p", "s=\udcff"], "parameter 's' must be a text"),
    "null": (["-p", "i=null"], "parameter 'i' must be an integer, not 'null'"),
    "a file that is not there": (["--args", "none.yaml"], "--args none.yaml cannot be read: No such file"),
    "a folder": (["--args", "."], "--args . cannot be read: Is a directory"),
    "parallelism": (["-p", "i=1", "--parallelism", "0"], "parallelism must be at least 1, not 0"),
    "a pipeline that is not there": (["-p", "i=1", "--on", "moon"], "'moon'"),
}


@pytest.mark.parametrize(("words", "message"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_that_do_not_fit(shared: RealHome, refused: Refused, words: list[str], message: str) -> None:
    shared.write("typed.py", TYPED)
    assert message in refused("typed.py", *words)


FILES: dict[str, tuple[str, str]] = {
    "a list": ("[1]", "--args args.yaml must hold one mapping of names to values"),
    "two documents": ("i: 1\n---\nd: 2\n", "--args args.yaml must hold one mapping of names to values"),
    "not YAML": ("i: [", "--args args.yaml: not valid YAML at line"),
    "unknown": ("i: 1\nx: 2\n", "typed has no parameter 'x'"),
    "text for an integer": ("i: three", "parameter 'i' must be an integer, not 'three'"),
    "a truth for an integer": ("i: true", "parameter 'i' must be an integer, not True"),
    "null for an integer": ("i: null", "parameter 'i' must be an integer, not None"),
    "a number for a text": ("i: 1\ns: 2\n", "parameter 's' must be a text, not 2"),
    "a text for a truth": ("i: 1\nb: 'yes'\n", "parameter 'b' must be true or false, not 'yes'"),
    "a text for a list": ("i: 1\nl: '[1]'\n", "parameter 'l' must be a list (JSON), not '[1]'"),
    "NaN": ("i: 1\nd: .nan\n", ".nan is not a number that a document can hold"),
}


@pytest.mark.parametrize(("text", "message"), FILES.values(), ids=FILES)
def test_files_of_arguments_that_do_not_fit(shared: RealHome, refused: Refused, text: str, message: str) -> None:
    shared.write("typed.py", TYPED)
    shared.write("args.yaml", text)
    assert message in refused("typed.py", "--args", "args.yaml")


HEAD = "from wherry import dsl\n\n\n@dsl.component\ndef a(x: int = 1) -> int:\n    return x\n\n\n"
PIPE = HEAD + "@dsl.pipeline\ndef p({0}):\n    {1}\n"

SOURCES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "has no pipeline"),
    "syntax": ("def p(:\n", "does not parse"),
    "indentation": ("def p():\nreturn\n", "does not parse"),
    "tabs and spaces": ("if 1:\n        x = 1\n\ty = 2\n", "does not parse"),
    "not UTF-8": (b"x = '\xff'\n", "does not parse"),
    "NUL": (b"x = 1\x00\n", "does not parse"),
    "deep": ("(" * 500 + ")" * 500, "does not parse"),
    "unknown encoding": (b"# coding: moon\n", "does not parse"),
    "no module": ("import module_that_nobody_has\n", "No module named 'module_that_nobody_has'"),
    "raises": ("1 / 0\n", "ZeroDivisionError"),
    "exits": ("import sys\nsys.exit(3)\n", "ended the process (SystemExit 3)"),
    "recursion": ("def f():\n    f()\n\n\nf()\n", "RecursionError"),
    "class": ("class p:\n    pass\n", "has no pipeline"),
    "half a component": (
        "from wherry import dsl\n\n@dsl.component\ndef a(x) -> int:\n    return 1\n",
        "argument: x",
    ),
    "unknown argument": (PIPE.format("", "a(y=1)"), 'keyword argument "y". (source.py:11)'),
    "text for an integer": (PIPE.format("", "a(x='1')"), "STRING"),
    "wrong channel": (PIPE.format("s: str", "a(x=s)"), "STRING"),
    "positional": (PIPE.format("", "a(1)"), "keyword"),
    "no annotation": (PIPE.format("n", "a(x=n)"), "argument: n (source.py:9)"),
    "NaN": (PIPE.format("n: float = float('nan')", "a()"), "nan"),
    "too large": (PIPE.format("", "a(x=10**400)"), "too large"),
    "empty pipeline": (PIPE.format("", "pass"), "ask"),
    "exit task": (PIPE.format("", "dsl.ExitHandler(a(x=a().output))"), "xit"),
    "a loop over a number": (PIPE.format("", "dsl.ParallelFor(3).__enter__()"), "3"),
    "itself": (HEAD + "@dsl.pipeline\ndef p():\n    p()\n", "p"),
}


@pytest.mark.parametrize(("text", "words"), SOURCES.values(), ids=SOURCES)
def test_sources_that_are_no_flows(shared: RealHome, refused: Refused, text: str | bytes, words: str) -> None:
    (shared.work / "source.py").write_bytes(text.encode() if isinstance(text, str) else text)
    said = refused("source.py", ours=False)
    assert "source.py" in said
    assert words in said


def test_names_that_are_not_in_the_file(shared: RealHome, refused: Refused) -> None:
    assert "hello.py has no pipeline 'gret'\n  did you mean 'greet'?" in refused("hello.py:gret")
    shared.write("pipe.yaml.json", json.dumps(base()))
    assert "holds one compiled pipeline; 'x' cannot be chosen in it" in refused("pipe.yaml.json:x")
