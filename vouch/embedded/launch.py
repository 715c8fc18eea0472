"""Runs in a part's process just before the part: die with the supervisor, become another user where told, exec.

A script of its own, with the standard library alone, rather than a ``preexec_fn``: that one is unsafe in a
process with threads. Usage: ``launch.py PARENT_PID UID:GID|- COMMAND…``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

# linux/prctl.h and linux/capability.h
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _prctl(option: int, *arguments: int) -> None:
    _call("prctl", option, *(ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]))


def _become(uid: int, gid: int) -> None:
    """Change user, keeping only the right to pass through folders that are closed to ``uid``.

    A data folder below root's home (0700) is otherwise out of reach of the user that owns what is in it.
    A container may lack the narrower capability; the wider one then serves.
    """
    header, sets = _Header(_CAPABILITY_VERSION_3, 0), (_Sets * 2)()
    _call("capget", ctypes.byref(header), sets)
    wanted = next((c for c in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if sets[0].permitted >> c & 1), None)
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = 0 if wanted is None else 1 << wanted
    sets[0], sets[1] = _Sets(mask, mask, mask), _Sets(0, 0, 0)
    _call("capset", ctypes.byref(header), sets)
    if wanted is not None:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, wanted)


def main(parent: str, user: str, *command: str) -> None:
    """Does not return. Raises ``OSError`` when the user cannot be taken on or the command cannot be run."""
    if user != "-":
        uid, gid = user.split(":")
        _become(int(uid), int(gid))
    # After the change of user, which clears it. The parent may be gone already, and then no signal comes.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - that is what this is for


if __name__ == "__main__":
    main(*sys.argv[1:])
