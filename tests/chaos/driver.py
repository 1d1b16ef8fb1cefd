"""A gateway that loses nothing: several connections, every batch sent until it is acknowledged, and a note of what was."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.scenarios.facts import Happened
from tests.scenarios.traffic import Sent

Identity = tuple[int, str, int]
LONGEST_PAUSE = 0.5  # seconds of a Retry-After that are waited for: a test has less time than a gateway
SECONDS_PER_BATCH = 120
GIVEN_UP, SENT_ANYWAY = 0.3, 0.03  # of the batches whose answer was lost; of those that were acknowledged
UNREACHABLE = -1  # not even a connection


@dataclass
class Notes:
    """What the gateway knows afterwards. Times are the wall clock's, as the database's are."""

    sent: dict[Identity, Happened] = field(default_factory=dict)
    acknowledged: set[Identity] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)  # by status, or "lost", or "unreachable"
    events_posted_again: int = 0
    acknowledged_at: list[tuple[float, float]] = field(default_factory=list)  # when asked, when answered
    slowest_refusal: float = 0.0
    without_retry_after: int = 0
    refused: list[str] = field(default_factory=list)  # events of a batch that was acknowledged: none deserves it here
    stuck: list[str] = field(default_factory=list)

    @property
    def never_acknowledged(self) -> set[Identity]:
        return self.sent.keys() - self.acknowledged


class Gateway:
    """Sends what is handed to it, from `connections` threads at once."""

    def __init__(
        self, connect: Callable[[], http.client.HTTPConnection], token: str, connections: int, seed: int, notes: Notes
    ) -> None:
        self.connect, self.token, self.notes = connect, token, notes
        self.waiting: list[list[Sent]] = []
        self.under_way = 0
        self.changed = threading.Condition()
        self.ended = False
        self.threads = [threading.Thread(target=self._work, args=(seed + at,), daemon=True) for at in range(connections)]

    def __enter__(self) -> "Gateway":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        for thread in self.threads:
            thread.join(SECONDS_PER_BATCH)

    def hand_over(self, batches: list[list[Sent]]) -> None:
        with self.changed:
            for batch in batches:
                self.notes.sent |= {sent.happened.identity: sent.happened for sent in batch if sent.happened}
            self.waiting += batches
            self.changed.notify_all()

    def wait_until_delivered(self, seconds: float = SECONDS_PER_BATCH) -> bool:
        """Whether every batch has been acknowledged or abandoned in that time."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.waiting and not self.under_way, seconds)

    def _work(self, seed: int) -> None:
        sender = Sender(self, random.Random(seed))  # noqa: S311
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.ended)
                if not self.waiting:
                    return
                batch = self.waiting.pop(0)
                self.under_way += 1
            try:
                sender.deliver(batch)
            finally:
                with self.changed:
                    self.under_way -= 1
                    self.changed.notify_all()


class Sender:
    """One connection's worth of it."""

    def __init__(self, gateway: Gateway, dice: random.Random) -> None:
        self.gateway, self.dice = gateway, dice
        self.connection = gateway.connect()

    def deliver(self, batch: list[Sent]) -> None:
        """Until it is acknowledged. After a lost answer the events may go in another order, or be abandoned."""
        deadline = time.monotonic() + SECONDS_PER_BATCH
        reached = False
        while time.monotonic() < deadline:
            status, retry_after = self.post(batch, reached)
            reached = reached or status in (None, 202)  # then a further sending may be a duplicate
            if status == 202:
                if self.dice.random() >= SENT_ANYWAY:
                    return
            elif retry_after is not None:
                time.sleep(min(retry_after, LONGEST_PAUSE) * self.dice.uniform(0.5, 1))
            else:
                if status is None and self.dice.random() < GIVEN_UP:
                    return
                batch = self.dice.sample(batch, len(batch))
                time.sleep(self.dice.uniform(0.02, 0.2))
        with self.gateway.changed:
            self.gateway.notes.stuck.append(f"{len(batch)} events from {batch[0].body['request_id']}")

    def post(self, batch: list[Sent], again: bool) -> tuple[int | None, float | None]:
        """The status (None where the answer was lost, UNREACHABLE where nothing was sent), and the Retry-After."""
        body = json.dumps({"events": [sent.body for sent in batch]}).encode()
        headers = {"Authorization": f"Bearer {self.gateway.token}", "Content-Type": "application/json"}
        asked = time.time()
        status, retry_after = None, None
        try:
            if self.connection.sock is None:
                self.connection.connect()
            self.connection.request("POST", "/gateway/v1/events", body, headers)
            response = self.connection.getresponse()
            content = response.read()
            status, retry_after = response.status, response.headers.get("Retry-After")
            if status == 202 and json.loads(content)["rejected"]:
                self.gateway.notes.refused.append(content.decode())
        except (OSError, http.client.HTTPException) as error:
            status = UNREACHABLE if isinstance(error, ConnectionRefusedError) else None
            self.connection.close()
            self.connection = self.gateway.connect()
        self.note(batch, status, retry_after, asked, again)
        return status, None if retry_after is None else float(retry_after)

    def note(self, batch: list[Sent], status: int | None, retry_after: str | None, asked: float, again: bool) -> None:
        notes, now = self.gateway.notes, time.time()
        with self.gateway.changed:
            notes.answers[{None: "lost", UNREACHABLE: "unreachable"}.get(status, str(status))] += 1
            if status == UNREACHABLE:
                return
            notes.events_posted_again += len(batch) if again else 0
            if status == 202:
                notes.acknowledged |= {sent.happened.identity for sent in batch if sent.happened}
                notes.acknowledged_at.append((asked, now))
            elif status is not None:
                notes.slowest_refusal = max(notes.slowest_refusal, now - asked)
                notes.without_retry_after += status in (429, 503) and retry_after is None
