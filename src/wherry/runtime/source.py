"""The user's Python: the source of a function run as `__main__`, and the project's code archive on `sys.path`.

Called by `wherry.runtime.main` and `wherry.runtime.commands`.  Invariant: what runs is a real file, so that tracebacks,
`inspect`, pickling and multiprocessing's spawn find it; an archive is extracted once a digest, whole or not at all.
"""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import marshal
import os
import re
import stat
import sys
import types

from wherry.runtime import store
from wherry.runtime.descriptor import read_verified
from wherry.runtime.failures import TaskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE_VARIABLE = "WHERRY_CACHE"
_MAGIC = importlib.util.MAGIC_NUMBER
_WORD = re.compile(rb"\w+")
_STAR_IMPORTS = {b"\nfrom kfp.dsl import *\n": "kfp.dsl", b"\nfrom typing import *\n": "typing"}
_UNPACKING = "wherry.runtime.unpacking"  # the lazy entries: most tasks bring no archive, or find it unpacked
_TEMPFILE = "tempfile"


class CodeError(TaskError):
    """The code archive cannot be used; the message names the archive or its member."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="CodeError")


def load_main(source: Mapping[str, str], environ: Mapping[str, str]) -> types.ModuleType:
    """Run the source file that `source` (uri, sha256) names as the module `__main__`, and return it.

    Raises what the source raises, DescriptorError when the content is another, and OSError.
    """
    path = at_hand(source["uri"])
    program = _compiled(source, path, environ)
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    sys.argv = [path]
    exec(program, module.__dict__)  # noqa: S102 - running it is our purpose
    return module


def at_hand(uri: str) -> str:
    """The path of the file, which is had from its store first; whether it is there shows when it is opened."""
    place = store.store_for(uri)
    place.fetch((uri,))
    return place.local_path(uri)


def _compiled(source: Mapping[str, str], path: str, environ: Mapping[str, str]) -> types.CodeType:
    """The code of a source file, compiled once for each content, place and Python, then kept in the cache folder."""
    cache = _cache_folder(environ)
    kept = f"{cache}/{_checked_hex(source['sha256'])}-{sys.implementation.cache_tag}.code"
    try:
        with open(kept, "rb", buffering=0) as file:
            compiled_from, program = marshal.loads(file.read())
        if compiled_from == (path, _MAGIC):
            return program
    except (OSError, ValueError, EOFError, TypeError):
        pass  # not there, or half of it: compile
    data = read_verified(source, "source")
    program = compile(narrowed(data), path, "exec", dont_inherit=True)
    temporary = f"{kept}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(marshal.dumps(((path, _MAGIC), program)))
        os.rename(temporary, kept)
    except OSError:
        pass  # a cache that cannot be written is slower, nothing else
    return program


def narrowed(source: bytes) -> bytes:
    """The source with the star imports that KFP puts at its head cut down to the names it mentions.

    They touch hundreds of objects, each a page to copy in a forked process.  Line numbers stay as they are.
    """
    if not any(line in source for line in _STAR_IMPORTS):
        return source
    mentioned = set(_WORD.findall(source))
    for line, module in _STAR_IMPORTS.items():
        names = [name for name in sys.modules[module].__all__ if name.encode() in mentioned]
        wanted = f"\nfrom {module} import {', '.join(names)}\n" if names else "\n\n"
        source = source.replace(line, wanted.encode(), 1)
    return source


def code_folder(code: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """The folder with the unpacked archive that `code` (uri, sha256) names.

    Raises CodeError for an archive that is not one or has a member that would leave the folder, and OSError.
    """
    cache = _cache_folder(environ)
    target = os.path.join(cache, "code", _checked_hex(code["sha256"]))
    if os.path.isdir(target):
        return target
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    with open(f"{target}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(target):
            importlib.import_module(_UNPACKING).extract(code, at_hand(code["uri"]), target)
    return target


def _checked_hex(text: str) -> str:
    if not text or any(character not in "0123456789abcdef" for character in text):
        raise CodeError(f"{text!r} is not a digest")
    return text


def _cache_folder(environ: Mapping[str, str]) -> str:
    """A folder of this user alone: what others could write, we do not run."""
    given = environ.get(CACHE_VARIABLE)
    folder = given or f"{environ.get('TMPDIR') or '/tmp'}/wherry-cache-{os.getuid()}"
    if not os.access(folder, os.F_OK):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    if not given:
        status = os.lstat(folder)
        if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
            return importlib.import_module(_TEMPFILE).mkdtemp(prefix="wherry-cache-")
    return folder
