"""A small disk of its own for the database's files: a tmpfs, which may run full without anybody else's noticing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.instance import new_home
from tests.kit.prepared import put_postgres_into

MIB = 1024 * 1024
SIZE = 400  # MiB: room for an empty database and its first WAL


class NotPermitted(Exception):
    """This machine lets nobody here mount anything."""


class SmallDisk:
    """The disk under `home`'s database."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.mounted = home / "postgres"
        self.fillers: list[Path] = []

    def fill(self) -> None:
        """To the last byte; again, where something was given back meanwhile."""
        left = os.statvfs(self.mounted)
        if left.f_bavail:
            self.fillers.append(self.mounted / f"filler{len(self.fillers)}")
            with self.fillers[-1].open("wb") as file, suppress(OSError):  # a person may have been faster
                os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize)

    def free(self) -> None:
        while self.fillers:
            self.fillers.pop().unlink()


@contextmanager
def small_disk() -> Iterator[SmallDisk]:
    """A home with a database on it. Raises NotPermitted."""
    home = new_home()
    try:
        put_postgres_into(home)
        disk = SmallDisk(home)
        made = home / "made"
        disk.mounted.rename(made)
        owner = made.stat()
        disk.mounted.mkdir(mode=0o700)
        mount(disk.mounted, f"size={SIZE}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}")
        try:
            subprocess.run(["cp", "-a", f"{made}/.", str(disk.mounted)], check=True)
            shutil.rmtree(made)
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", str(disk.mounted)], check=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def mount(folder: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotPermitted(f"no small disk can be mounted here: {getattr(error, 'stderr', error)}".strip()) from error
