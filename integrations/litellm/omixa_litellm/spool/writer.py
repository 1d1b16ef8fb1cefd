"""The thread that writes events down: in groups of ten milliseconds, each on disk before the next."""

import logging
import os
import queue
import threading
import time
from pathlib import Path

from .segments import WHOLE, Folder, sync_folder

log = logging.getLogger("omixa_litellm.spool")

GROUP_SECONDS = 0.01
EVENTS_IN_SEGMENT, BYTES_IN_SEGMENT = 1000, 4 * 1024 * 1024  # what one request to the product may hold
PAUSE_AFTER_FAILURE = 1.0


class Writer(threading.Thread):
    """`append` never waits and never fails; what cannot be written stays in memory and is tried again until it can be."""

    def __init__(self, folder: Folder, on_written: threading.Event) -> None:
        super().__init__(name="omixa-spool-writer", daemon=True)
        self.folder = folder
        self.failing: str | None = None  # why nothing can be written just now
        self._on_written = on_written
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._open = threading.Lock()  # of the segment that is being written
        self._file: int | None = None
        self._part: Path | None = None
        self._events = self._size = 0

    def append(self, line: bytes) -> None:
        """One event as JSON without a line break. From any thread."""
        self._lines.put(line)

    def pending(self) -> int:
        """How many events are in memory only."""
        return self._lines.qsize()

    def run(self) -> None:
        while True:
            group = self._next_group()
            ending = None in group
            lines = [line for line in group if line is not None]
            while lines and not self._wrote(lines):
                if ending:
                    log.error("%d events could not be written before the process ended: %s", len(lines), self.failing)
                    return
                time.sleep(PAUSE_AFTER_FAILURE)
            self._on_written.set()
            if ending:
                return

    def finish(self, seconds: float) -> None:
        """Write what is there, then end."""
        self._lines.put(None)
        self.join(seconds)

    def cut(self) -> bool:
        """Close the open segment, so that it can be sent. False if there is nothing in it."""
        with self._open:
            return self._cut()

    def _next_group(self) -> list[bytes | None]:
        group = [self._lines.get()]
        time.sleep(GROUP_SECONDS)
        while len(group) < EVENTS_IN_SEGMENT:
            try:
                group.append(self._lines.get_nowait())
            except queue.Empty:
                break
        return group

    def _wrote(self, lines: list[bytes]) -> bool:
        try:
            with self._open:
                self._write(lines)
        except Exception as error:  # whatever it is: without this thread no event is ever written
            if self.failing is None:
                log.error(
                    "Events cannot be written to %s: %s. New requests are refused until they can.", self.folder.path, error
                )
            self.failing = str(error)
            return False
        if self.failing is not None:
            log.error("Events can be written again.")
            self.failing = None
        return True

    def _write(self, lines: list[bytes]) -> None:
        """All of them or none: what was written of a group that does not fit is cut off again."""
        content = b"\n".join(lines) + b"\n"
        if self._file is not None and (
            self._events + len(lines) > EVENTS_IN_SEGMENT or self._size + len(content) > BYTES_IN_SEGMENT
        ):
            self._cut()
        if self._file is None:
            self._part = self.folder.next_part()
            self._file = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            sync_folder(self.folder.path)
        try:
            os.lseek(self._file, self._size, os.SEEK_SET)
            left = memoryview(content)
            while left:
                left = left[os.write(self._file, left) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._events += len(lines)
        self._size += len(content)

    def _cut(self) -> bool:
        if self._file is None or self._part is None or not self._events:
            return False
        self._part.rename(self._part.with_suffix(WHOLE))
        file, self._file, self._part = self._file, None, None
        self._events = self._size = 0
        os.close(file)  # its number may be a client's connection the next moment
        return True
