"""A running product with its broker, its traffic and what the gateway has noted so far; several stories may share it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.chaos.brokers import Broker
from tests.chaos.checks import check_everything, wait_until_settled
from tests.chaos.controller import Controller
from tests.chaos.driver import Gateway, Notes
from tests.chaos.instance import Instance
from tests.chaos.world import World
from tests.scenarios.traffic import Sent

CONNECTIONS = 4
ALLOWED_ANSWERS = {"202", "429", "503", "lost", "unreachable"}


@dataclass
class Stage:
    """`notes` are of everything that was ever sent to this product, so that it can be held against all of it."""

    instance: Instance
    world: World
    broker: Broker
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        self.batches: Iterator[list[Sent]] = self.world.batches()
        self.dice = random.Random(self.world.seed)  # noqa: S311

    @contextmanager
    def gateway(self) -> Iterator[Gateway]:
        """One that continues until everything it was handed is delivered."""
        with Gateway(self.instance.connect, self.world.token, CONNECTIONS, self.world.seed, self.notes) as gateway:
            yield gateway
            assert gateway.wait_until_delivered()
        assert (self.notes.stuck, self.notes.refused, self.notes.without_retry_after) == ([], [], 0)
        assert self.notes.answers.keys() <= ALLOWED_ANSWERS, self.notes.answers

    def controller(self, gateway: Gateway) -> Controller:
        return Controller(self.instance, self.broker, gateway, self.dice, self.batches)

    def some(self, batches: int) -> list[list[Sent]]:
        return [next(self.batches) for _ in range(batches)]

    def programs_at_work(self) -> dict[str, int]:
        """By process id, once all of them are seen to work: one that another story had killed may still be starting."""
        with self.gateway() as gateway:
            gateway.hand_over(self.some(CONNECTIONS))
        self.reckon()
        return self.instance.programs()

    def reckon(self) -> dict[str, float]:
        """Waits for the workers, then asserts everything. The figures of it."""
        settled = wait_until_settled(self.instance)
        return {"settled_after_s": round(settled, 1), **check_everything(self.instance, self.world, self.notes)}
