"""Where the local gateway keeps its state, and whether it runs: importable without Django."""

from pathlib import Path

from omixa_billing.embedded import locks
from omixa_billing.embedded.home import home_folder, home_path, make_directory


def folder() -> Path:
    return make_directory(home_folder() / "gateway")


def lock_file() -> Path:
    return folder() / "lock"


def address_file() -> Path:
    return folder() / "address"


def running_gateway() -> str | None:
    """The address of the gateway that runs in this home, as clients on this machine write it."""
    lock = home_path() / "gateway" / "lock"
    if not lock.is_file() or not locks.is_held(lock):
        return None
    return (lock.parent / "address").read_text() or None
