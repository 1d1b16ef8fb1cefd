"""Run one instance: `python -m omixa_billing.supervision`, which is what `make run` calls."""

import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path

from omixa_billing.embedded import closing, locks
from omixa_billing.embedded.deathsig import die_with_parent
from omixa_billing.embedded.home import home_folder, log_directory, read_env_file, run_directory
from omixa_billing.embedded.sockets import UnsafeFolder

from .address import bound_address, refuse_used_port, url
from .programs import supervisor_configuration
from .services import Services


def main() -> int:
    if "MAKELEVEL" in os.environ:
        die_with_parent(signal.SIGTERM)  # without make nobody is left to press Ctrl-C
    os.umask(closing.UMASK)  # of everything that this process starts, too
    read_env_file()
    try:
        closing.close_folder(home_folder())
    except UnsafeFolder as error:
        sys.exit(str(error))
    os.environ |= {"OMIXA_HOME": str(home_folder()), "OMIXA_SUPERVISOR": str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    lock = claim_home()
    refuse_used_port("PORT", *bound_address())
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(fresh_metrics())
    path = run_directory() / "supervisord.conf"
    path.write_text(supervisor_configuration())
    print(f"Omixa billing starts. State: {home_folder()}, logs: {log_directory()}", flush=True)
    try:
        return Services.run_until_stopped(str(path))
    finally:
        os.close(lock)


def claim_home() -> int:
    """The lock on this home for as long as the process lives. A second instance on the same home is refused."""
    lock = locks.open_lock(run_directory() / "lock")
    if not locks.try_exclusive(lock):
        holder = os.read(lock, 500).decode(errors="replace").strip() or "another process"
        sys.exit(f"{home_folder()} is already run by {holder}. Stop that first, or set OMIXA_HOME and PORT for a second one.")
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"process {os.getpid()} at {url()}".encode(), 0)
    fcntl.fcntl(lock, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    return lock


def fresh_metrics() -> Path:
    """Where the processes of this run keep their counters, so that any web process can answer for all of them."""
    folder = run_directory() / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
