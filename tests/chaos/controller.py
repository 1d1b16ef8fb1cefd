"""Does to a running product, at seeded moments, what happens to machines; the traffic comes in portions, one per blow."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.brokers import Broker
from tests.chaos.driver import Gateway
from tests.chaos.instance import Instance, signal_all
from tests.scenarios.traffic import Sent

SECONDS_TO_REACH_A_POINT = 120  # a bound: on a busy machine a worker that was killed is back after half a minute
FROZEN_SECONDS = 1.0
HURRY = 0.3  # of the blows are followed by the next one before the product has recovered


@dataclass
class Blow:
    """What was done, when (by the wall clock), and how many processes it killed."""

    kind: str
    at: float
    killed: int


@dataclass
class Controller:
    """`blows` is the record; every kind is a method."""

    instance: Instance
    broker: Broker
    gateway: Gateway
    dice: random.Random
    batches: Iterator[list[Sent]]
    blows: list[Blow] = field(default_factory=list)
    late: list[str] = field(default_factory=list)  # points that no process came to

    def strike(self, kinds: list[str], events: int) -> None:
        """One blow of each kind, in this order, each amidst its portion of at least so many events altogether."""
        before = len(self.gateway.notes.sent)
        for at, kind in enumerate(kinds):
            self.more_traffic(before + events * (at + 1) // len(kinds) - len(self.gateway.notes.sent))
            time.sleep(self.dice.uniform(0, 0.4))
            at = time.time()
            killed = self.kinds[kind]()
            self.blows.append(Blow(kind, at, killed))
            if self.dice.random() < HURRY:
                time.sleep(self.dice.uniform(0, 1))
            else:
                self.gateway.wait_until_delivered()

    def more_traffic(self, events: int) -> None:
        portion: list[list[Sent]] = []
        while sum(map(len, portion)) < events:
            portion.append(next(self.batches))
        self.gateway.hand_over(portion)

    @property
    def kinds(self) -> dict[str, Callable[[], int]]:
        return {
            "worker_process": lambda: self.kill([self.dice.choice(self.instance.children_of("worker"))]),
            "worker": lambda: self.kill([self.instance.program("worker")]),
            "all_workers": lambda: self.kill([self.instance.program("worker"), *self.instance.children_of("worker")]),
            "web_process": lambda: self.kill([self.dice.choice(self.instance.children_of("web"))]),
            "web": lambda: self.kill([self.instance.program("web")]),
            "pages": lambda: self.kill([self.instance.program("pages"), *self.instance.children_of("pages")]),
            "postgres": lambda: self.kill([self.instance.postmaster()]),
            "postgres_backend": lambda: self.kill([self.instance.backend(self.dice)]),
            "beat": lambda: self.kill([self.instance.program("beat")]),
            "broker": lambda: self.broker.kill(self.instance),
            "broker_forgets": lambda: self.broker.forget(self.instance),
            "web_before_commit": lambda: self.kill_at("web", "before"),
            "web_after_commit": lambda: self.kill_at("web", "after"),
            "worker_before_commit": lambda: self.kill_at("worker", "before"),
            "worker_after_commit": lambda: self.kill_at("worker", "after"),
            "queue_fills": self.fill_the_queue,
            "delivered_often": self.deliver_often,
        }

    def kill(self, pids: list[int]) -> int:
        return signal_all(pids, signal.SIGKILL)

    def kill_at(self, program: str, moment: str) -> int:
        """Waits until a process has died there; the traffic in progress, or a little more of it, brings one there."""
        order = self.instance.order_death(program, moment)
        deadline = time.monotonic() + SECONDS_TO_REACH_A_POINT
        while order.exists():
            if time.monotonic() > deadline:
                order.unlink(missing_ok=True)
                self.late.append(f"{program}.{moment}")
                return 0
            time.sleep(0.2)
            if self.gateway.wait_until_delivered(0):
                self.more_traffic(1)
        return 1

    def fill_the_queue(self) -> int:
        """Workers stand still while batches and their reminders pile up, and then find all of it at once."""
        with self.instance.frozen("worker"):
            self.gateway.wait_until_delivered(FROZEN_SECONDS)
        return 0

    def deliver_often(self) -> int:
        """Every message many times over, so that all workers go for the same batches at once."""
        with self.instance.frozen("worker"):
            self.gateway.wait_until_delivered(FROZEN_SECONDS)
            self.broker.remind(self.instance, 40)
        return 0

    def killed(self) -> Counter[str]:
        return sum((Counter({blow.kind: blow.killed}) for blow in self.blows), Counter())
