"""The spool's folders on disk: one for each process, locked while it lives.

spool/<process>/lock                 held by flock for as long as the process lives
spool/<process>/000000000007.part    being written
spool/<process>/000000000006.ndjson  whole, one event a line, waits to be sent
spool/rejected/...                   what the product refused, for a person to look at
"""

import fcntl
import logging
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("omixa_litellm.spool")

REJECTED = "rejected"
PART, WHOLE = ".part", ".ndjson"


class Folder:
    """This process's own folder. Numbers of its segments only grow."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.rejected = root / REJECTED
        self.rejected.mkdir(mode=0o700, exist_ok=True)
        name = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        hidden = root / f".{name}"  # locked before it has the name under which others would adopt it
        hidden.mkdir(mode=0o700)
        self._lock = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = root / name
        hidden.rename(self.path)
        self._number = 0

    def next_part(self) -> Path:
        self._number += 1
        return self.path / f"{self._number:012}{PART}"

    def waiting(self) -> list[Path]:
        """Whole segments, oldest first."""
        return sorted(self.path.glob(f"*{WHOLE}"))

    def bytes_used(self) -> int:
        """Of this process, of the others and of what was rejected: all that waits to be sent, or for a person."""
        used = 0
        for path in self.root.glob("*/*"):
            if path.suffix in (PART, WHOLE):
                with suppress(FileNotFoundError):
                    used += path.stat().st_size
        return used

    def adopt(self) -> int:
        """Take over what dead processes left. Returns how many segments; a process that lives keeps its own."""
        return sum(self._adopt_from(path) for path in sorted(self.root.iterdir()) if self._may_be_dead(path))

    def close(self) -> None:
        """Ends the process's claim. What it left waits for the next one; an empty folder goes."""
        if not self.waiting() and not list(self.path.glob(f"*{PART}")):
            (self.path / "lock").unlink()
            with suppress(OSError):
                self.path.rmdir()
        os.close(self._lock)

    def _may_be_dead(self, path: Path) -> bool:
        return path not in (self.path, self.rejected) and path.is_dir() and not path.name.startswith(".")

    def _adopt_from(self, other: Path) -> int:
        try:
            lock = os.open(other / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0  # adopted this moment by another process
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return 0
        try:
            segments = sorted(each for each in other.iterdir() if each.suffix in (PART, WHOLE))
            for segment in segments:
                self._cut_torn_end(segment)
                segment.rename(self.next_part().with_suffix(WHOLE))
            with suppress(FileNotFoundError, OSError):
                (other / "lock").unlink()
                other.rmdir()
        finally:
            os.close(lock)
        if segments:
            log.warning("Took over %d segments of events that %s left.", len(segments), other.name)
        return len(segments)

    def _cut_torn_end(self, segment: Path) -> None:
        """A power cut may leave half a line. It was never acknowledged, and is kept for a person to see."""
        content = segment.read_bytes()
        whole, _, torn = content.rpartition(b"\n")
        if torn:
            self.put_aside(segment.name, torn + b"\n")
            with segment.open("r+b") as file:
                file.truncate(len(whole) + 1 if whole else 0)

    def put_aside(self, name: str, content: bytes) -> None:
        """Into `rejected`, under a name that nothing has."""
        path = self.rejected / f"{time.time_ns()}-{os.getpid()}-{Path(name).stem}{WHOLE}"
        path.write_bytes(content)


def sync_folder(path: Path) -> None:
    """So that a name that was just given survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
