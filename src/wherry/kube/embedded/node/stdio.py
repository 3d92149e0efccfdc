"""Standard streams of a command that somebody outside speaks with: named pipes, or a terminal.

Run by path in the zygote's child (`runpy`), before the command; standard library only, Python 3.9 and later.  Whoever
asked has made the pipes and holds their other ends, so that no opening waits.
"""

from __future__ import annotations

import fcntl
import os
import termios
from typing import Any


def connect(streams: dict[str, Any]) -> None:
    """Makes `tty` all three streams and the controlling terminal, or opens the pipes `stdin`, `stdout`, `stderr`.

    A stream that is not named stays as it is.  Raises OSError.
    """
    if "tty" in streams:
        terminal = os.open(streams["tty"], os.O_RDWR)
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for number in (0, 1, 2):
            os.dup2(terminal, number)
        if terminal > 2:
            os.close(terminal)
        return
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if name in streams:
            # Whoever writes the input may have written and closed it: to wait for a writer were to wait for ever.
            fd = os.open(streams[name], os.O_WRONLY if number else os.O_RDONLY | os.O_NONBLOCK)
            os.set_blocking(fd, True)
            os.dup2(fd, number)
            os.close(fd)
