"""Volumes of a pod's process: a root of its own in a private mount namespace.

Run by path in the zygote's child (`runpy`), before the task; standard library only, Python 3.9 and later, Linux.
Invariant: nothing outside the process sees a mount or gets a new file or folder; what cannot be mounted is an error,
never a volume somewhere else.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
# As `statvfs` tells them, and as `mount` takes them: nosuid, nodev, noexec, noatime, nodiratime, relatime.
_KEPT = ((2, 2), (4, 4), (8, 8), (1024, 1024), (2048, 2048), (4096, 1 << 21))
_libc: Any = ctypes.CDLL(None, use_errno=True)


def mount(mounts: list[tuple[str, str, bool]], folder: str) -> None:
    """Binds each `(source, target, read_only)`; `folder` is where a new root may be built.  Raises OSError."""
    _private_namespace()
    targets = {os.path.realpath(target): (source, read_only) for source, target, read_only in mounts}
    root = ""
    if not all(_fits(target, source) for target, (source, _) in targets.items()):
        root = folder + "/.root"
        os.makedirs(root, exist_ok=True)
        _mount("tmpfs", root, "tmpfs", 0, "mode=755")
        _mirror("/", root, [target for target in targets if target != "/"])
    for target in sorted(targets, key=lambda path: path.count("/")):
        source, read_only = targets[target]
        place = root + target
        _make(place, os.path.isdir(source))
        _mount(source, place, None, _MS_BIND | _MS_REC)
        if read_only:
            _mount(None, place, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _kept_flags(place))
    if root:
        os.chroot(root)


def _fits(target: str, source: str) -> bool:
    return os.path.isdir(target) if os.path.isdir(source) else os.path.isfile(target)


def _private_namespace() -> None:
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(_CLONE_NEWNS) != 0:
        if _libc.unshare(_CLONE_NEWNS | _CLONE_NEWUSER) != 0:
            number = ctypes.get_errno()
            what = "volume mounts need a mount namespace, which this machine does not allow"
            raise OSError(number, os.strerror(number), what)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def _kept_flags(place: str) -> int:
    """The flags that a mount has from where it comes from: in a user namespace they cannot be taken away."""
    has = os.statvfs(place).f_flag
    return sum(flag for known, flag in _KEPT if has & known)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    if _libc.mount(words[0], words[1], words[2], flags, words[3]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"mount {target}")


def _mirror(real: str, copy: str, targets: list[str]) -> None:
    """Shows the folder `real` in `copy` by binding its entries; the way to each target is made of new folders."""
    prefix = real.rstrip("/") + "/"
    on_the_way = {target[len(prefix) :].split("/", 1)[0] for target in targets if target.startswith(prefix)}
    for name in sorted(on_the_way.union(os.listdir(real) if os.path.isdir(real) else ())):
        path, shown = prefix + name, copy + "/" + name
        if name in on_the_way and path not in targets:
            os.mkdir(shown)
            _mirror(path, shown, targets)
        elif name not in on_the_way and os.path.islink(path):
            os.symlink(os.readlink(path), shown)
        elif name not in on_the_way and os.path.exists(path):
            _make(shown, os.path.isdir(path))
            _mount(path, shown, None, _MS_BIND | _MS_REC)


def _make(path: str, folder: bool) -> None:
    """The mount point; what lies in a volume that is mounted already is made in that volume, as containers have it."""
    if folder:
        os.makedirs(path, exist_ok=True)
    elif not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
