"""The thread that sends whole segments to the product, and deletes one when the product has answered for all of it."""

import gzip
import http.client
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .segments import Folder
from .writer import Writer

log = logging.getLogger("omixa_litellm.spool")

LOOK_SECONDS, ADOPT_SECONDS = 1.0, 5.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
TIMEOUT_SECONDS = 30.0
GZIP_ABOVE = 64 * 1024
REFUSED_FOR_GOOD = {400, 413, 415, 422}  # the same body would hear the same again


class NotTaken(Exception):
    """The product does not take events now. `retry_after` as it was stated."""

    def __init__(self, why: str, retry_after: str | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Sender(threading.Thread):
    """Retries for ever, with growing pauses; a duplicate that a lost answer causes is the product's to notice, and it does."""

    def __init__(self, folder: Folder, writer: Writer, url: str, token: str, on_written: threading.Event) -> None:
        super().__init__(name="omixa-spool-sender", daemon=True)
        self.folder, self.writer = folder, writer
        self.used = folder.bytes_used()
        self.sent = 0  # events that the product accepted
        self.rejected = 0
        self.failing: str | None = None  # why nothing can be sent just now that has nothing to do with the product
        self._address = urlsplit(f"{url}/gateway/v1/events")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._written = on_written
        self._ending = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._failures = 0
        self._adopted_at = 0.0

    def run(self) -> None:
        while not self._ending.is_set():
            until = time.monotonic() + self._round()
            while (left := until - time.monotonic()) > 0 and not self._ending.wait(min(left, LOOK_SECONDS)):
                self._measure()  # it grows while the product is away

    def finish(self, seconds: float) -> None:
        """Send what is there as long as the product takes it, then end."""
        deadline = time.monotonic() + seconds
        try:
            while not (self.failing or self._failures) and self._anything_to_send() and time.monotonic() < deadline:
                time.sleep(0.02)
        except OSError as error:
            self._failed(error)
        self._ending.set()
        self._written.set()
        self.join(max(0.1, deadline - time.monotonic()))

    def _anything_to_send(self) -> bool:
        return self.writer.cut() or bool(self.folder.waiting())

    def _measure(self) -> None:
        try:
            self.used = self.folder.bytes_used()
        except OSError as error:
            self._failed(error)

    def _round(self) -> float:
        """One round, whatever comes of it. Returns for how long to wait before the next."""
        try:
            pause = self._work()
        except Exception as error:  # of the disk, or a fault of ours: without this thread events wait for ever
            self._failed(error)
            self._connection = None
            return LOOK_SECONDS
        if self.failing is not None:
            log.error("The spool at %s is sent again.", self.folder.root)
            self.failing = None
        return pause

    def _failed(self, error: Exception) -> None:
        if self.failing is None:
            log.error(
                "The spool at %s cannot be sent. New requests are refused until it can.", self.folder.root, exc_info=error
            )
        self.failing = f"{type(error).__name__}: {error}"

    def _work(self) -> float:
        if time.monotonic() - self._adopted_at > ADOPT_SECONDS:
            self._adopted_at = time.monotonic()
            self.folder.adopt()
        self._written.clear()
        waiting = self.folder.waiting()
        if not waiting and self.writer.cut():
            waiting = self.folder.waiting()
        self.used = self.folder.bytes_used()
        if not waiting:
            self._written.wait(LOOK_SECONDS)
            return 0
        return self._send(waiting[0])

    def _send(self, segment: Path) -> float:
        content = segment.read_bytes()
        lines = content.splitlines()
        if not lines:
            segment.unlink()
            return 0
        try:
            refused = self._deliver(lines)
        except NotTaken as error:
            return self._later(str(error), error.retry_after)
        self._done(segment, len(lines), refused)
        return 0

    def _deliver(self, lines: list[bytes]) -> list[dict[str, Any]]:
        """What the product rejected of them, each with its reason. Raises NotTaken.

        A body that it refuses whole is sent in halves, down to the one event that is at fault.
        """
        try:
            status, answer, retry_after = self._post(b'{"events":[' + b",".join(lines) + b"]}")
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            raise NotTaken(f"{type(error).__name__}: {error}") from None
        if status == 202:
            refused = _refused(answer, len(lines))
            if refused is None:  # of something between us and the product, which may have none of it
                raise NotTaken("status 202 without the product's answer", retry_after)
            return [{**each, "event": _read(lines[each["index"]])} for each in refused]
        if status not in REFUSED_FOR_GOOD:
            raise NotTaken(f"status {status}", retry_after)
        if len(lines) == 1:
            return [{"code": f"status_{status}", "event": _read(lines[0])}]
        half = len(lines) // 2
        return self._deliver(lines[:half]) + self._deliver(lines[half:])

    def _post(self, body: bytes) -> tuple[int, bytes, str | None]:
        headers = dict(self._headers)
        if len(body) > GZIP_ABOVE:
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        if self._connection is None:
            secure = self._address.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self._connection = kind(self._address.hostname or "", self._address.port, timeout=TIMEOUT_SECONDS)
        self._connection.request("POST", self._address.path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read(), response.headers.get("Retry-After")

    def _done(self, segment: Path, events: int, refused: list[dict[str, Any]]) -> None:
        if refused:
            log.error("The product rejected %d of %d events; they are in %s.", len(refused), events, self.folder.rejected)
            self.folder.put_aside(segment.name, b"".join(json.dumps(each).encode() + b"\n" for each in refused))
        segment.unlink()
        self.sent += events - len(refused)
        self.rejected += len(refused)
        if self._failures:
            log.warning("The product takes events again.")
        self._failures = 0

    def _later(self, why: str, retry_after: str | None) -> float:
        self._failures += 1
        if self._failures in (1, 10) or self._failures % 100 == 0:
            log.warning("The product does not take events (%s); they wait in %s.", why, self.folder.root)
        pause = min(SHORTEST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
        if retry_after is not None and retry_after.isdigit():
            pause = min(max(pause, float(retry_after)), LONGEST_PAUSE)
        return pause


def _read(line: bytes) -> Any:
    """As text where a disk has made something else of it."""
    try:
        return json.loads(line)
    except ValueError:
        return line.decode(errors="replace")


def _refused(answer: bytes, events: int) -> list[dict[str, Any]] | None:
    """What the product rejected of so many events; None if this is no answer of its."""
    try:
        stated = json.loads(answer)
    except ValueError:
        return None
    refused = stated.get("rejected") if isinstance(stated, dict) else None
    if not isinstance(refused, list) or not all(isinstance(each, dict) for each in refused):
        return None
    return refused if all(isinstance(each.get("index"), int) and 0 <= each["index"] < events for each in refused) else None
