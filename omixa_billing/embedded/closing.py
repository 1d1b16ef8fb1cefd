"""Nothing under a home is open to other accounts of the machine, also where it was before.

The folder above the files decides who reaches them, so those come first. As root the account that PostgreSQL runs as may
pass through the home and through `run/`, by their group, and do nothing else there.
"""

import os
import stat
from pathlib import Path

from .account import Account, existing_account
from .sockets import UnsafeFolder, socket_root

UMASK = 0o077
OURS = ("log", "run", "static")  # whole; what else lies in a home's folders is PostgreSQL's own, or was put there by its owner
PRIVATE, PASSED_THROUGH = 0o700, 0o710


def close_folder(base: Path) -> None:
    """Take from others what they may do in this home, without following a link. Raises UnsafeFolder.

    Only what belongs to us or to the database's account is changed.
    """
    found = base.lstat()
    owners = {os.geteuid(), *(account.uid for account in [existing_account(base / "postgres")] if account)}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise UnsafeFolder(f"{base} belongs to another account (uid {found.st_uid}). Give OMIXA_HOME a folder of its own.")
    if found.st_mode & stat.S_ISVTX:
        raise UnsafeFolder(f"{base} is a folder that accounts share. Give OMIXA_HOME a folder of its own.")
    _close_passage(base)
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in os.listdir(folder):
            _close_entry(folder, name, base, owners)
    finally:
        os.close(folder)


def let_pass(path: Path, gid: int) -> None:
    """Root only: members of this group may go through the folder to what they know the name of."""
    os.chown(path, -1, gid)
    path.chmod(PASSED_THROUGH)


def _close_passage(path: Path) -> None:
    account, found = existing_account(path / "postgres") or existing_account(path.parent / "postgres"), path.lstat()
    allowed = PASSED_THROUGH if account is not None and found.st_gid == account.gid else PRIVATE
    path.chmod(stat.S_IMODE(found.st_mode) & allowed)


def is_passage(found: os.stat_result, account: Account | None) -> bool:
    """Whether of all other accounts only the database's may go through."""
    return account is not None and found.st_gid == account.gid and not found.st_mode & 0o007


def _close_entry(parent: int, name: str, base: Path, owners: set[int]) -> None:
    found = os.lstat(name, dir_fd=parent)
    if stat.S_ISDIR(found.st_mode) and name in OURS:
        if found.st_uid not in owners:
            raise UnsafeFolder(f"{base / name} belongs to another account (uid {found.st_uid}). Remove it and start again.")
        if name == socket_root(base).name:
            _close_passage(base / name)
        else:
            _close_one(parent, name, owners)
        _close_below(parent, name, owners)
    elif stat.S_ISREG(found.st_mode):
        if found.st_uid not in owners:
            raise UnsafeFolder(f"{base / name} belongs to another account (uid {found.st_uid}). Remove it and start again.")
        _close_one(parent, name, owners)
    elif name == "postgres":
        _close_one(parent, name, owners)


def _close_below(parent: int, name: str, owners: set[int]) -> None:
    for _, folders, files, folder in os.fwalk(name, follow_symlinks=False, dir_fd=parent):
        for each in [*folders, *files]:
            _close_one(folder, each, owners)


def _close_one(parent: int, name: str, owners: set[int]) -> None:
    """By a descriptor of the very entry, so that nothing put in its place meanwhile is changed instead."""
    try:
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        return  # rotated or removed by a process of ours
    try:
        found = os.fstat(descriptor)
        is_other = stat.S_ISLNK(found.st_mode) or found.st_uid not in owners
        if not is_other and found.st_mode & UMASK and (found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)):
            os.chmod(f"/proc/self/fd/{descriptor}", stat.S_IMODE(found.st_mode) & ~UMASK)
    finally:
        os.close(descriptor)
