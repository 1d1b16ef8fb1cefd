"""Children that end with their parent, even when it is SIGKILLed and cannot tell them.

As a program: `python -m omixa_billing.embedded.deathsig COMMAND...` becomes COMMAND, so bound.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(sig: int = signal.SIGTERM) -> None:
    """Have the kernel send `sig` to this process when its parent ends. Lost on a change of user id."""
    if _libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def follow_supervisor() -> None:
    """End with the supervisor that started this process, also when that has ended already."""
    die_with_parent()
    supervisor = os.environ.get("OMIXA_SUPERVISOR")
    if supervisor and os.getppid() != int(supervisor):
        sys.exit("The supervisor has ended.")


if __name__ == "__main__":
    follow_supervisor()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (the supervisor's own configuration names the command)
