"""Which files a `.gitignore` leaves out: the rules of gitignore(5) as regular expressions.

Called by `wherry.client.archive`.  Pure: texts in, answers out.  Invariant: the last rule that matches decides, and
what lies in a folder that is left out is never asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Rule(NamedTuple):
    """One line: paths (relative to the rule's folder, `/`-separated) that `expression` matches whole."""

    expression: re.Pattern[str]
    keep: bool  # the line began with "!"
    folders_only: bool


class Rules(NamedTuple):
    """The rules of one file; `base` is its folder relative to the root, "" or ending in "/".

    For a file above the root, `above` is what lies between it and the root.
    """

    base: str
    rules: tuple[Rule, ...]
    above: str = ""


def parse(text: str, base: str = "") -> Rules:
    """The rules of one `.gitignore` that lies in `base`."""
    found = (_rule(line) for line in text.splitlines())
    return Rules(base, tuple(rule for rule in found if rule is not None))


def ignored(path: str, is_folder: bool, files: Iterable[Rules]) -> bool:
    """Whether `path`, relative to the root, is left out by `files`: the root's first, its own folder's last."""
    verdict = False
    for base, rules, above in files:
        if not path.startswith(base):
            continue
        inside = above + path[len(base) :]
        for rule in rules:
            if (is_folder or not rule.folders_only) and rule.expression.fullmatch(inside):
                verdict = not rule.keep
    return verdict


def _rule(line: str) -> Rule | None:
    text = re.sub(r"(?<!\\)\s+$", "", line)
    if not text or text.startswith("#"):
        return None
    keep = text.startswith("!")
    text = text[1:] if keep else text
    folders_only = text.endswith("/")
    text = text.rstrip("/") if folders_only else text
    if not text:
        return None
    anchored = "/" in text
    expression = _translated(text.removeprefix("/"))
    try:
        compiled = re.compile(expression if anchored else f"(?:.*/)?{expression}", re.DOTALL)
    except re.error:
        return None  # as git does with a broken pattern: it matches nothing
    return Rule(compiled, keep, folders_only)


def _translated(pattern: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            out.append("(?:.*/)?")
            at += 3
        elif pattern[at:] == "**" and (at == 0 or pattern[at - 1] == "/"):
            out.append(".+")
            at += 2
        elif char == "*":
            out.append("[^/]*")
            at += 1
        elif char == "?":
            out.append("[^/]")
            at += 1
        elif char == "[" and (end := _class_end(pattern, at)) > 0:
            inner = re.sub(r"([\\\[&~|])", r"\\\1", pattern[at + 1 : end])
            inner = "^" + inner[1:] if inner.startswith("!") else inner
            inner = re.sub(r"^(\^?)--", r"\1\\--", inner)  # two of them are a set difference to `re`: one is a range
            inner = re.sub(r"(?<=[^\\^])--", r"-\\-", inner)
            out.append(f"(?!/)[{inner}]")
            at = end + 1
        else:
            if char == "\\" and at + 1 < len(pattern):
                at += 1
            out.append(re.escape(pattern[at]))
            at += 1
    return "".join(out)


def _class_end(pattern: str, start: int) -> int:
    at = start + 1
    if at < len(pattern) and pattern[at] in "!^":
        at += 1
    if at < len(pattern) and pattern[at] == "]":
        at += 1
    return pattern.find("]", at)
