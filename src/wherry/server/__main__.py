"""`python -P -m wherry.server --home PATH [--ready-fd N]`: becomes the home's server, unless it has one.

Started by `wherry.client.launch` (with the descriptor: leaves the caller's process group and reports there) or by a
supervisor (without: stays in the foreground).  Invariant: exactly one word is said on the descriptor: `{"ready": true}`
when requests are answered, or `{"error": {message, hint}}`; everything heavy is imported after the home is ours.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from importlib import import_module

from wherry import settings
from wherry.errors import UsageError
from wherry.home import Home
from wherry.server import home as homes
from wherry.server.faults import explained

LIFE = "wherry.server.life"  # the lazy entries: nothing of the server is loaded before the lock is ours
COMPOSE = "wherry.server.compose"


_waiting: set[int] = set()  # the descriptor on which somebody waits for the one word


def main(arguments: list[str]) -> int:
    """Runs the server; returns the process's exit code."""
    words = dict(zip(arguments[::2], arguments[1::2], strict=False))
    if set(words) - {"--home", "--ready-fd"} or "--home" not in words or len(arguments) % 2:
        sys.stderr.write("usage: python -m wherry.server --home PATH [--ready-fd N]\n")
        return 2
    ready = int(words.get("--ready-fd", -1))
    if ready >= 0:
        _waiting.add(ready)
        os.set_inheritable(ready, False)
        if os.fork():  # an own process, no child of who started it; still one thread here, so a fork is safe
            os._exit(0)
    home = Home(os.path.realpath(words["--home"]))
    try:
        return _serve(home, ready)
    except Exception as error:  # noqa: BLE001 - the boundary of the process: said to who waits, told in the log
        reason = explained(error, home)
        say(ready, {"error": {"message": reason.message, "hint": reason.hint}})
        if error is not reason:
            traceback.print_exception(error)
        sys.stderr.write(f"wherry server {os.getpid()} ends: {reason}\n")
        return 2 if isinstance(reason, UsageError) else 1


def say(ready: int, word: dict[str, object]) -> None:
    """Says the one word to who started us, who may be gone."""
    if ready in _waiting:
        _waiting.clear()
        try:
            os.write(ready, json.dumps(word).encode() + b"\n")
        except BrokenPipeError:
            pass
        os.close(ready)


def _serve(home: Home, ready: int) -> int:
    homes.prepare(home)
    locked = homes.lock_or_join(home, lambda: _answers(home))
    if locked is None:
        say(ready, {"ready": True})
        return 0
    os.chdir(home.path)
    chosen = settings.server_settings(os.environ)
    life, parts = import_module(LIFE), import_module(COMPOSE).parts
    return life.live(home, chosen, parts, lambda: say(ready, {"ready": True}))


def _answers(home: Home) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        try:
            channel.connect(home.socket)
        except OSError:
            return False
        return True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
