"""Unix sockets in private folders, with addresses the kernel can take (at most 107 bytes)."""

import hashlib
import os
import stat
from pathlib import Path

LONGEST_ADDRESS = 107
POSTGRES_PORT = 5432
_LONGEST_NAME = f"postgres/.s.PGSQL.{POSTGRES_PORT}"


class UnsafeFolder(Exception):
    """A folder or file of ours that belongs to another account, or that accounts share. The message says which."""


def socket_root(home: Path) -> Path:
    """`run/` of the home, or a folder named by the home's hash when its path is too long. Touches nothing.

    Always `/tmp`, not TMPDIR: two commands with different environments must find the same server.
    """
    root = home / "run"
    if len(os.fsencode(root / _LONGEST_NAME)) <= LONGEST_ADDRESS:
        return root
    owner = home.stat().st_uid if home.exists() else os.geteuid()
    return Path("/tmp") / f"omixa-{owner}-{home_digest(home)}"  # noqa: S108  (made and checked by make_socket_folder)


def home_digest(home: Path) -> str:
    """A short name for a home, the same in every process."""
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:16]


def make_socket_folder(path: Path, uid: int, gid: int) -> Path:
    """The folder, owned by `uid` and closed to all others. Raises UnsafeFolder when another account made it."""
    _make_folder(path, uid)
    if os.geteuid() == 0:
        os.chown(path, uid, gid)
    path.chmod(0o700)
    return path


def make_socket_root(home: Path) -> Path:
    """The folder above the sockets, closed to others. One that the database's account may pass through stays so."""
    path = socket_root(home)
    _make_folder(path, os.geteuid())
    path.chmod(stat.S_IMODE(path.lstat().st_mode) & 0o710)
    return path


def _make_folder(path: Path, uid: int) -> None:
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
            raise UnsafeFolder(f"{path} belongs to another account. Remove it and start again.") from None
