"""Events on disk until the product has them: two threads, so that nothing here depends on the proxy's event loop."""

import json
import threading
from pathlib import Path
from typing import Any

from .segments import Folder
from .sender import Sender
from .writer import Writer

__all__ = ["Spool"]

PENDING_AT_MOST = 10_000  # events in memory that the disk does not take


class Spool:
    def __init__(self, root: Path, most_bytes: int, url: str, token: str) -> None:
        written = threading.Event()
        self.folder = Folder(root)
        self.most_bytes = most_bytes
        self._started = False
        self.writer = Writer(self.folder, written)
        self.sender = Sender(self.folder, self.writer, url, token, written)

    def start(self) -> None:
        self.writer.start()
        self.sender.start()
        self._started = True

    def append(self, event: dict[str, Any]) -> None:
        """Never waits. The event is on disk some ten milliseconds later."""
        self.writer.append(json.dumps(event, separators=(",", ":")).encode())

    def refusal(self) -> str | None:
        """Why no new request may start: usage that nobody could record would be free. None when all is well."""
        ended = [thread.name for thread in (self.writer, self.sender) if self._started and not thread.is_alive()]
        if ended:
            return f"{' and '.join(ended)} ended; only a new process has them again"
        if self.writer.failing is not None:
            return f"usage cannot be written down: {self.writer.failing}"
        if self.sender.failing is not None:
            return f"usage cannot be sent: {self.sender.failing}"
        if self.sender.used > self.most_bytes:
            return f"{self.sender.used} bytes of usage wait to be sent or looked at, more than the {self.most_bytes} allowed"
        if self.writer.pending() > PENDING_AT_MOST:
            return f"{self.writer.pending()} events wait to be written down"
        return None

    def close(self, seconds: float = 5.0) -> None:
        """Everything on disk, and sent if the product takes it at once; the next process sends the rest."""
        self.writer.finish(seconds)
        self.sender.finish(seconds)
        if not self.sender.is_alive():
            self.folder.close()
