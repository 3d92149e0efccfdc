"""The code archive: the project folder as one file whose digest depends on its contents only.

Called by `wherry.client.submission` for projects with a `[code]` table.  Invariant: the same files give the same bytes
on every machine: sorted names, no times, no compression (zlib's output differs between versions), permissions cut to
"executable or not".
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Sequence

from wherry.client.gitignore import Rules, ignored, parse
from wherry.errors import UsageError

SIZE_LIMIT = 60 << 20  # bytes of all files; the server takes archives up to 64 MiB
COUNT_LIMIT = 20_000
ALWAYS_OUT = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", ".wherry", ".ipynb_checkpoints", "node_modules"})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can hold


def make(folder: str, include: Sequence[str] = ()) -> bytes:
    """The archive (zip) of the files in `folder` that git would not ignore and, if given, that `include` names.

    Raises `UsageError` when it would be too big, naming what is big, or when a file cannot be read.
    """
    names = sorted(files(folder, include))
    _check_size(folder, names)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            path = os.path.join(folder, name)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # unix, also where Python would say otherwise
            try:
                executable = os.stat(path).st_mode & 0o100
                with open(path, "rb") as file:
                    data = file.read()
            except OSError as error:
                raise UsageError(f"{path} cannot be read for the code archive: {error.strerror}") from None
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, data)
    return out.getvalue()


def files(folder: str, include: Sequence[str] = ()) -> Iterator[str]:
    """The names, relative to `folder`, that belong into the archive.  Links to folders are not followed."""
    patterns = [pattern.removeprefix("./") for pattern in include]
    everything = not patterns or "." in patterns or "" in patterns  # "." and "./" are the folder itself
    yield from _walk(folder, "", _rules_above(folder), None if everything else parse("\n".join(patterns)))


def _walk(root: str, base: str, rules: list[Rules], wanted: Rules | None) -> Iterator[str]:
    here = os.path.join(root, base)
    own = _read(os.path.join(here, ".gitignore"), base)
    rules = [*rules, own] if own else rules
    with os.scandir(here) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = base + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name in ALWAYS_OUT or ignored(path, is_folder, rules):
            continue
        chosen = wanted is None or ignored(path, is_folder, [wanted])
        if is_folder:
            if not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                yield from _walk(root, f"{path}/", rules, None if chosen else wanted)
        elif chosen and entry.is_file():
            yield path


def _rules_above(folder: str) -> list[Rules]:
    """The rules of the folders above, up to the repository's root, seen from `folder`."""
    texts: list[tuple[str, str]] = []
    at, inside = os.path.abspath(folder), ""
    while not os.path.exists(os.path.join(at, ".git")):
        above, name = os.path.split(at)
        if above == at:
            return []  # no repository: only what lies in the folder counts
        at, inside = above, f"{name}/{inside}"
        texts.append((os.path.join(at, ".gitignore"), inside))
    found = [(_read(path, ""), inside) for path, inside in reversed(texts)]
    return [rules._replace(above=inside) for rules, inside in found if rules]


def _read(path: str, base: str) -> Rules | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return parse(file.read(), base)
    except OSError:
        return None


def _check_size(folder: str, names: Sequence[str]) -> None:
    sizes = [(os.stat(os.path.join(folder, name)).st_size, name) for name in names]
    total = sum(size for size, _ in sizes)
    if total <= SIZE_LIMIT and len(names) <= COUNT_LIMIT:
        return
    biggest = ", ".join(f"{name} ({size / (1 << 20):.1f} MiB)" for size, name in sorted(sizes, reverse=True)[:5])
    raise UsageError(
        f"the code in {folder} is too big to travel: {len(names)} files, {total / (1 << 20):.0f} MiB; the limits are "
        f"{COUNT_LIMIT} files and {SIZE_LIMIT >> 20} MiB",
        hint=f"the biggest: {biggest}; leave them out in .gitignore, or name what is code in [code] include",
    )
