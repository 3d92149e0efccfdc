"""Makes random flows: loops, conditions, exit handlers, inner pipelines, collected and one-of outputs, in any nesting.

Used by `test_random_flows.py`.  The same numbers give the same text.  Most flows are legal; some reach across control
flow where they must not.
"""

from __future__ import annotations

import random
from typing import NamedTuple

HEADER = """from typing import Dict, List, NamedTuple
from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

@dsl.component
def num(n: int = 1, m: int = 2) -> int:
    return n

@dsl.component
def txt(t: str = "", n: int = 0) -> str:
    return t

@dsl.component
def lst(n: int = 1) -> List[int]:
    return [n]

@dsl.component
def rows(n: int = 1) -> List[Dict[str, int]]:
    return []

@dsl.component
def total(ns: List[int]) -> int:
    return 0

@dsl.component
def art(out: Output[Dataset], n: int = 0):
    pass

@dsl.component
def use(d: Input[Dataset]) -> int:
    return 0

@dsl.component
def join(ds: Input[List[Dataset]]) -> int:
    return 0

@dsl.component
def take(d: dict = {}, l: list = []) -> int:
    return 0

@dsl.component
def last(status: dsl.PipelineTaskFinalStatus, t: str = "", n: int = 0):
    pass

@dsl.pipeline
def inner(x: int = 1, l: List[int] = [1]) -> int:
    with dsl.If(x == 1):
        num(n=x)
    with dsl.ParallelFor(l) as i:
        num(n=i)
    return num(n=x).output

@dsl.pipeline
def many(x: int = 1) -> NamedTuple("Out", [("n", int), ("ds", List[Dataset])]):
    with dsl.ParallelFor([1, 2]) as i:
        t = art(n=i)
    out = NamedTuple("Out", [("n", int), ("ds", List[Dataset])])
    return out(n=inner(x=x).output, ds=dsl.Collected(t.outputs["out"]))

@dsl.pipeline
def choose(x: int, d: Dataset) -> str:
    with dsl.If(x == 1):
        a = txt(t="a")
    with dsl.Else():
        use(d=d)
        b = txt(t="b")
    return dsl.OneOf(a.output, b.output)
"""


class Channel(NamedTuple):
    text: str
    type: str
    path: tuple[int, ...]  # of the blocks around it
    loops: tuple[int, ...] = ()  # those of the blocks that are loops


class Writer:
    """Writes one flow.  `chance`: what every choice is taken from."""

    def __init__(self, chance: random.Random) -> None:
        self.random = chance
        self.lines: list[str] = []
        self.count = 0
        self.blocks = 0
        self.exit_tasks: set[str] = set()
        self.channels = [
            Channel("number", "int", ()),
            Channel("text", "str", ()),
            Channel("numbers", "list", ()),
            Channel("table", "rows", ()),
            Channel("ratio", "float", ()),
            Channel("files", "arts", ()),
        ]

    def flow(self, name: str) -> str:
        """The text of a flow called `name`."""
        self.body((), (), depth=1, size=self.random.randint(2, 5))
        annotation = self.returned()
        head = (
            f"def {name}(files: List[Dataset], number: int, text: str = 'a', numbers: List[int] = [1], "
            f"table: List[Dict[str, int]] = [], ratio: float = 1.0){annotation}:"
        )
        return "\n".join(["@dsl.pipeline", head, *self.lines]) + "\n"

    def returned(self) -> str:
        """Add what the flow returns; gives the annotation of it."""
        types = {"int": "int", "str": "str", "list": "List[int]", "rows": "List[Dict[str, int]]", "art": "Dataset"}
        made = [one for one in self.channels if one.text[0] == "t" and one.type in types and one.text != "text"]
        found = made if self.random.random() < 0.1 else [one for one in made if not one.path]
        looped = [one for one in made if one.path and len(one.path) == len(one.loops) and "OneOf" not in one.text]
        if looped and self.random.random() < 0.3:
            one = self.random.choice(looped)
            self.line(1, f"return dsl.Collected({one.text})")
            return " -> List[Dataset]" if one.type == "art" else " -> list"
        if found and self.random.random() < 0.5:
            one = self.random.choice(found)
            self.line(1, f"return {one.text}")
            return f" -> {types[one.type]}"
        return ""

    def body(self, path: tuple[int, ...], loops: tuple[int, ...], depth: int, size: int) -> None:
        self.task(path, loops, depth)
        for _ in range(size):
            choice = self.random.random()
            if depth > 4 or choice < 0.5:
                self.task(path, loops, depth)
            elif choice < 0.68:
                self.ladder(path, loops, depth)
            elif choice < 0.93 or depth > 1:
                self.loop(path, loops, depth)
            else:
                self.exit_handler(path, loops, depth)

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def visible(self, path: tuple[int, ...], kind: str) -> list[Channel]:
        return [one for one in self.channels if one.type == kind and one.path == path[: len(one.path)]]

    def pick(self, path: tuple[int, ...], kind: str) -> str | None:
        if self.random.random() < 0.02:
            found = [one for one in self.channels if one.type == kind]
        else:
            found = self.visible(path, kind)
        return self.random.choice(found).text if found and self.random.random() < 0.8 else None

    def name(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def task(self, path: tuple[int, ...], loops: tuple[int, ...], depth: int) -> None:
        name = self.name()
        kind = self.random.choice(
            ["num", "num", "txt", "lst", "rows", "art", "use", "inner", "collect", "collect", "take", "many", "choose"]
        )
        if kind == "collect" and self.collect(name, path, loops, depth):
            return
        number = self.pick(path, "int") or str(self.random.randint(0, 3))
        self.line(depth, f"{name} = {self.call(kind, number, path)}")
        made = {"str": ("txt", "choose"), "list": ("lst",), "rows": ("rows",), "art": ("art",), "many": ("many",)}
        called = self.lines[-1].split(" = ")[1].split("(")[0]
        found = next((output for output, calls in made.items() if called in calls), "int")
        if found == "art":
            self.channels.append(Channel(f"{name}.outputs['out']", "art", path, loops))
        elif found == "many":
            self.channels.append(Channel(f"{name}.outputs['n']", "int", path, loops))
            self.channels.append(Channel(f"{name}.outputs['ds']", "arts", path, loops))
        else:
            self.channels.append(Channel(f"{name}.output", found, path, loops))
        self.settings(name, called, path, depth)

    def call(self, kind: str, number: str, path: tuple[int, ...]) -> str:
        """A call of a component, or of `num` when nothing visible could be given to it."""
        data = self.pick(path, "art")
        if kind == "use" and data is not None:
            return f"use(d={data})"
        if kind == "choose" and data is not None:
            return f"choose(x={number}, d={data})"
        if kind == "take":
            return f"take(d={{'a': {number}, 'b': [{{'c': {self.pick(path, 'str') or 1}}}]}}, l=[{number}, 'x'])"
        if kind == "txt":
            text = self.pick(path, "str")
            shown = f'f"<{{{text}}}{{{number}}}>"'
            value = text if text and self.random.random() < 0.6 else shown if text else "'c'"
            return f"txt(t={value}, n={number})"
        if kind in ("art", "lst", "rows"):
            return f"{kind}(n={number})"
        if kind in ("inner", "many"):
            return f"{kind}(x={number})"
        other = self.pick(path, "int")
        return f"num(n={number}" + (f", m={other})" if other else ")")

    def settings(self, name: str, called: str, path: tuple[int, ...], depth: int) -> None:
        """Perhaps an order, a resource, a name of a task."""
        made_before = [one for one in self.channels if one.text[0] == "t" and "." in one.text]
        before = [one.text.split(".")[0] for one in made_before if one.path == path[: len(one.path)]]
        before = [one for one in before if one != name]
        if before and self.random.random() < 0.2:
            self.line(depth, f"{name}.after({self.random.choice(before)})")
        if self.random.random() < 0.1 and called not in ("inner", "many", "choose"):
            text = self.pick(path, "str")
            text = None if text and text.startswith(f"{name}.") else text
            setting = self.random.choice(
                [f"set_cpu_limit({text or repr('1')})", f"set_container_image({text or repr('i')})", "set_retry(2)"]
            )
            self.line(depth, f"{name}.{setting}")
        if before and self.random.random() < 0.08:
            text = self.pick((), "str") or "'z'"
            self.line(depth, f"last(t={text}, n=1).after({self.random.choice(before)}).ignore_upstream_failure()")

    def collect(self, name: str, path: tuple[int, ...], loops: tuple[int, ...], depth: int) -> bool:
        found = [
            one
            for one in self.channels
            if one.type in ("int", "art") and one.text.startswith("t") and set(one.loops) - set(path)
        ]
        if not found:
            return False
        one = self.random.choice(found)
        consumer, key = ("total", "ns") if one.type == "int" else ("join", "ds")
        self.line(depth, f"{name} = {consumer}({key}=dsl.Collected({one.text}))")
        self.channels.append(Channel(f"{name}.output", "int", path, loops))
        return True

    def block(self, path: tuple[int, ...]) -> tuple[int, ...]:
        self.blocks += 1
        return (*path, self.blocks)

    def condition(self, path: tuple[int, ...]) -> str:
        kind = self.random.choice(["int", "int", "str", "float"])
        left = self.pick(path, kind) or {"int": "number", "str": "text", "float": "ratio"}[kind]
        right = {"int": "1", "str": "'a'", "float": "0.5"}[kind]
        other = self.pick(path, kind)
        if other and self.random.random() < 0.3:
            right = other
        named = ", 'named'" if self.random.random() < 0.1 else ""
        return f"{left} {self.random.choice(['==', '!=', '<', '>='])} {right}{named}"

    def ladder(self, path: tuple[int, ...], loops: tuple[int, ...], depth: int) -> None:
        branches = self.random.choice([["If"], ["If", "Else"], ["If", "Elif", "Else"], ["If", "Elif"]])
        made, output, kind = self.random.choice([("num", "output", "int"), ("art", "outputs['out']", "art")])
        outputs: list[str] = []
        for branch in branches:
            condition = "" if branch == "Else" else self.condition(path)
            self.line(depth, f"with dsl.{branch}({condition}):")
            inside = self.block(path)
            name = self.name()
            self.line(depth + 1, f"{name} = {made}(n={self.pick(inside, 'int') or 1})")
            outputs.append(f"{name}.{output}")
            self.channels.append(Channel(outputs[-1], kind, inside, loops))
            self.body(inside, loops, depth + 1, self.random.randint(0, 2))
        if branches[-1] == "Else" and len(branches) > 1 and self.random.random() < 0.7:
            name = self.name()
            self.line(depth, f"{name} = dsl.OneOf({', '.join(outputs)})")
            self.channels.append(Channel(name, kind, path, loops))

    def loop(self, path: tuple[int, ...], loops: tuple[int, ...], depth: int) -> None:
        inside = self.block(path)
        item = f"i{inside[-1]}"
        kind = self.random.choice(["values", "dicts", "list", "rows", "rows", "arts"])
        values = {"values": "[1, 2]", "dicts": "[{'a': 1}, {'a': 2}]"}
        items = values.get(kind) or self.pick(path, kind) or ("files" if kind == "arts" else "numbers")
        limit = ", parallelism=2" if self.random.random() < 0.2 else ""
        self.line(depth, f"with dsl.ParallelFor({items}{limit}) as {item}:")
        within = (*loops, inside[-1])
        is_dict = kind == "dicts" or (kind == "rows" and items != "numbers")
        found = "art" if kind == "arts" else "int"
        self.channels.append(Channel(f"{item}.a" if is_dict else item, found, inside, within))
        self.body(inside, within, depth + 1, self.random.randint(1, 2))

    def exit_handler(self, path: tuple[int, ...], loops: tuple[int, ...], depth: int) -> None:
        name = self.name()
        made = self.random.choice(["txt(t=text)", "txt(t='bye')", "last(t=text)", "inner(x=number)"])
        self.line(depth, f"{name} = {made}")
        self.line(depth, f"with dsl.ExitHandler({name}):")
        self.body(self.block(path), loops, depth + 1, self.random.randint(1, 2))


def flow(chance: random.Random) -> str:
    """The source of a flow called `flow`, which uses the components of HEADER."""
    return Writer(chance).flow("flow")
