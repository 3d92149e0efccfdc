"""Processes of the machine: who lives, what belongs to an attempt, signals that may come too late.

Called by the agent for attempts that no zygote watches any more (orphans).  Invariant: a process is only ever named by
pid and start time together; a signal is never sent to a pid that was given to somebody else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

LINUX = sys.platform.startswith("linux")


def start_time(pid: int) -> str:
    """When `pid` began, as text that names it for ever together with the pid; empty when there is no such process."""
    if not LINUX:
        found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return found.stdout.strip()
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return fields[19].decode() if len(fields) > 19 and fields[0] not in (b"Z", b"X") else ""


def alive(pid: int, start: str) -> bool:
    """Whether exactly this process still runs (a zombie does not)."""
    return pid > 0 and bool(start) and start_time(pid) == start


def members(attempt_id: str, tag: str, pid: int) -> list[int]:
    """Every process of the attempt: by session, by inherited name, by environment, and all their descendants."""
    if not LINUX:
        return [pid] if start_time(pid) else []
    parents: dict[int, int] = {}
    found: set[int] = set()
    marker = b"WHERRY_ATTEMPT=" + attempt_id.encode()
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        candidate = int(entry)
        fields = read(f"/proc/{entry}/stat").rpartition(b")")[2].split()
        if len(fields) < 20 or fields[0] == b"Z":
            continue
        parents[candidate] = int(fields[1])
        named = read(f"/proc/{entry}/comm").strip() == tag.encode()
        if named or int(fields[3]) == pid or marker in read(f"/proc/{entry}/environ").split(b"\0"):
            found.add(candidate)
    grown = True
    while grown:
        more = {child for child, parent in parents.items() if parent in found and child not in found}
        grown = bool(more)
        found |= more
    return sorted(found)


def main_process(attempt_id: str, tag: str) -> int:
    """The leader of the attempt's session, 0 when there is none: for an attempt whose pid was never written down."""
    for pid in members(attempt_id, tag, -1):
        try:
            if os.getsid(pid) == pid:
                return pid
        except OSError:
            continue
    return 0


def send(pid: int, number: int) -> None:
    """A signal that may come too late."""
    try:
        os.kill(pid, number)
    except OSError:
        pass


def send_group(pid: int, number: int) -> None:
    """A signal to the group that `pid` leads, or to itself."""
    try:
        os.killpg(pid, number)
    except OSError:
        send(pid, number)


def kill_all(attempt_id: str, tag: str, pid: int) -> bool:
    """SIGKILL to whatever is left of the attempt; true when there was something."""
    left = members(attempt_id, tag, pid)
    for process in left:
        send(process, signal.SIGKILL)
    return bool(left)


def read(path: str) -> bytes:
    """The file's bytes, none when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
