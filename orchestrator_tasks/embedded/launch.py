"""Runs before every child of the stack and then becomes it: `launch.py PARENT UID GID PROGRAM [ARGUMENT...]`.

Ties the child's life to the supervisor's (the kernel sends SIGKILL when the parent thread ends) and gives up root when
UID is not -1. Run by path with `python -I -S`, so that it starts in milliseconds; it imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Become `argv[3:]`; exits with 125 if the parent is gone already."""
    parent, uid, gid = (int(text) for text in argv[:3])
    libc = ctypes.CDLL(None, use_errno=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o077)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of user, which clears the setting (prctl(2)).
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"launch: prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit(125)
    # PROGRAM is a path: a search of PATH would import modules that the new user may not be able to read.
    os.execv(argv[3], argv[3:])  # noqa: S606 - becoming the child is the point


if __name__ == "__main__":
    main(sys.argv[1:])
