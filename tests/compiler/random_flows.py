"""Makes random flows: loops, conditions, exit handlers, inner pipelines, collected and one-of outputs, in any nesting.

Used by `test_random_flows.py`.  The same seed gives the same text.  Most flows are legal; some reach across control
flow where they must not.
"""

from __future__ import annotations

import random
from typing import NamedTuple

HEADER = """from typing import Dict, List
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

@dsl.pipeline
def inner(x: int = 1, l: List[int] = [1]) -> int:
    with dsl.If(x == 1):
        num(n=x)
    with dsl.ParallelFor(l) as i:
        num(n=i)
    return num(n=x).output
"""


class Channel(NamedTuple):
    text: str
    type: str
    path: tuple[int, ...]  # of the blocks around it
    loops: tuple[int, ...] = ()  # those of the blocks that are loops


class Writer:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.count = 0
        self.blocks = 0
        self.channels = [
            Channel("number", "int", ()),
            Channel("text", "str", ()),
            Channel("numbers", "list", ()),
            Channel("table", "rows", ()),
            Channel("ratio", "float", ()),
        ]

    def flow(self, name: str) -> str:
        self.lines.append(
            f"def {name}(number: int, text: str = 'a', numbers: List[int] = [1], "
            "table: List[Dict[str, int]] = [], ratio: float = 1.0):"
        )
        self.body((), (), depth=1, size=self.random.randint(2, 5))
        return "@dsl.pipeline\n" + "\n".join(self.lines) + "\n"

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
        kind = self.random.choice(["num", "num", "txt", "lst", "rows", "art", "use", "inner", "collect", "collect"])
        number = self.pick(path, "int") or str(self.random.randint(0, 3))
        made = {"num": "int", "txt": "str", "lst": "list", "rows": "rows", "inner": "int", "use": "int"}
        if kind == "collect" and self.collect(name, path, loops, depth):
            return
        if kind == "use":
            data = self.pick(path, "art")
            if data is None:
                kind = "num"
            else:
                self.line(depth, f"{name} = use(d={data})")
        if kind in ("num", "collect"):
            kind = "num"
            other = self.pick(path, "int")
            self.line(depth, f"{name} = num(n={number}" + (f", m={other})" if other else ")"))
        elif kind == "txt":
            text = self.pick(path, "str")
            value = text if text and self.random.random() < 0.6 else f'f"<{{{text}}}>"' if text else "'c'"
            self.line(depth, f"{name} = txt(t={value}, n={number})")
        elif kind == "art":
            self.line(depth, f"{name} = art(n={number})")
            self.channels.append(Channel(f"{name}.outputs['out']", "art", path, loops))
        elif kind != "use":
            key = "x" if kind == "inner" else "n"
            self.line(depth, f"{name} = {kind}({key}={number})")
        if kind in made:
            self.channels.append(Channel(f"{name}.output", made[kind], path, loops))
        made_before = [one for one in self.channels if one.text[0] == "t" and "." in one.text]
        before = [one.text.split(".")[0] for one in made_before if one.path == path[: len(one.path)]]
        if name in before:
            before.remove(name)
        if before and self.random.random() < 0.2:
            self.line(depth, f"{name}.after({self.random.choice(before)})")

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
        return f"{left} {self.random.choice(['==', '!=', '<', '>='])} {right}"

    def ladder(self, path: tuple[int, ...], loops: tuple[int, ...], depth: int) -> None:
        branches = self.random.choice([["If"], ["If", "Else"], ["If", "Elif", "Else"], ["If", "Elif"]])
        outputs: list[str] = []
        for branch in branches:
            condition = "" if branch == "Else" else self.condition(path)
            self.line(depth, f"with dsl.{branch}({condition}):")
            inside = self.block(path)
            name = self.name()
            self.line(depth + 1, f"{name} = num(n={self.pick(inside, 'int') or 1})")
            outputs.append(f"{name}.output")
            self.channels.append(Channel(f"{name}.output", "int", inside, loops))
            self.body(inside, loops, depth + 1, self.random.randint(0, 2))
        if branches[-1] == "Else" and len(branches) > 1 and self.random.random() < 0.7:
            name = self.name()
            self.line(depth, f"{name} = dsl.OneOf({', '.join(outputs)})")
            self.channels.append(Channel(name, "int", path, loops))

    def loop(self, path: tuple[int, ...], loops: tuple[int, ...], depth: int) -> None:
        inside = self.block(path)
        item = f"i{inside[-1]}"
        kind = self.random.choice(["values", "dicts", "list", "rows", "rows"])
        items = {"values": "[1, 2]", "dicts": "[{'a': 1}, {'a': 2}]"}.get(kind) or self.pick(path, kind) or "numbers"
        limit = ", parallelism=2" if self.random.random() < 0.2 else ""
        self.line(depth, f"with dsl.ParallelFor({items}{limit}) as {item}:")
        within = (*loops, inside[-1])
        is_dict = kind == "dicts" or (kind == "rows" and items != "numbers")
        self.channels.append(Channel(f"{item}.a" if is_dict else item, "int", inside, within))
        self.body(inside, within, depth + 1, self.random.randint(1, 2))

    def exit_handler(self, path: tuple[int, ...], loops: tuple[int, ...], depth: int) -> None:
        name = self.name()
        self.line(depth, f"{name} = txt(t={self.random.choice(['text', repr('bye')])})")
        self.line(depth, f"with dsl.ExitHandler({name}):")
        self.body(self.block(path), loops, depth + 1, self.random.randint(1, 2))


def module(seeds: range) -> str:
    """A module with a function `refuse_<seed>` for each seed, which defines the flow and returns its documents."""
    parts = [HEADER]
    for seed in seeds:
        flow = Writer(seed).flow("flow")
        body = "\n".join(f"    {line}" for line in flow.splitlines())
        parts.append(f"\ndef make_{seed}():\n{body}\n    return flow\n")
    return "\n".join(parts)
