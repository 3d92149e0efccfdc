"""Ports of a pod's own: the kernel asks the zygote about every address that the pod's processes listen on or dial.

Loaded by the zygote, used in its child before the task; standard library only, Python 3.9 and later, Linux 5.5 and
later on x86-64 and arm64.  The other side is `zygote_net`.  Invariant: only `bind`, `connect` and the option
IPV6_V6ONLY are asked about, and only for internet addresses; no privilege is needed, and none is gained.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import struct
from typing import Any

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SPEC_ALLOW, _NEW_LISTENER = 4, 8  # no slower memory for the task's sake; give us the descriptor of the questions
_USER_NOTIF, _ALLOW = 0x7FC00000, 0x7FFF0000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # of struct seccomp_data
_LENGTHS = (16, 28, 128)  # of a sockaddr_in, a sockaddr_in6, a sockaddr_storage
# Machine -> audit architecture, and the numbers of seccomp, bind, connect, setsockopt.
MACHINES = {"x86_64": (0xC000003E, 317, 49, 42, 54), "aarch64": (0xC00000B7, 277, 200, 203, 208)}
_IPPROTO_IPV6, _IPV6_V6ONLY = 41, 26


def program(arch: int, bind: int, connect: int, setsockopt: int) -> list[tuple[int, int, int, int]]:
    """The filter (classic BPF) as (code, jump if equal, jump if not, operand).

    It is written backwards: each test jumps to an answer that is already there.
    """
    lines: list[tuple[int, int, int, int]] = [
        (_RETURN, 0, 0, _USER_NOTIF),
        (_RETURN, 0, 0, _ALLOW),
    ]  # in the end: ask, allow
    ask, allow = 1, 0  # how many lines from the end

    def test(value: int, yes: int, no: int) -> int:
        here = len(lines)
        lines.insert(0, (_EQUAL, here - 1 - yes, here - 1 - no, value))
        return here

    def load(offset: int) -> int:
        lines.insert(0, (_LOAD, 0, 0, offset))
        return len(lines) - 1

    option = test(_IPV6_V6ONLY, ask, allow)
    option = load(_ARGUMENTS + 16)
    test(_IPPROTO_IPV6, option, allow)
    option = load(_ARGUMENTS + 8)
    length = allow
    for each in _LENGTHS:
        length = test(each, ask, length)
    length = load(_ARGUMENTS + 16)
    number = allow
    for each, then in ((setsockopt, option), (connect, length), (bind, length)):
        number = test(each, then, number)
    number = load(_NUMBER)
    test(arch, number, allow)
    load(_ARCH)
    return lines


def confine(net: dict[str, Any], post: str) -> None:
    """Puts this process and all that it will start under the filter; the zygote, at the socket `post`, gets the
    questions.  Raises OSError."""
    machine = os.uname().machine
    if machine not in MACHINES:
        raise OSError(errno.ENOSYS, f"not on {machine}")
    arch, seccomp, *numbers = MACHINES[machine]
    lines = program(arch, *numbers)
    code = b"".join(struct.pack("<HBBI", *line) for line in lines)
    held = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]

    filter = Program(len(lines), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)

    def install() -> int:
        return libc.syscall(seccomp, _SECCOMP_SET_MODE_FILTER, _SPEC_ALLOW | _NEW_LISTENER, ctypes.byref(filter))

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as zygote:
        zygote.connect(post)  # first: without somebody who answers, every question would fail
        questions = install()
        if questions < 0 and ctypes.get_errno() == errno.EACCES:  # without privileges: only for who gains none
            libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            questions = install()
        if questions < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        socket.send_fds(zygote, [json.dumps(net).encode()], [questions])
    os.close(questions)
