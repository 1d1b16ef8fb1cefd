"""One whole story: traffic, blows, and the reckoning."""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.checks import recovery
from tests.chaos.driver import Notes
from tests.chaos.stage import Stage

# What happens often, and what takes long to get over.
WEIGHTS = {
    "worker_process": 5,
    "worker": 3,
    "all_workers": 3,
    "web_process": 4,
    "web": 3,
    "pages": 2,
    "postgres": 4,
    "postgres_backend": 3,
    "beat": 1,
    "broker": 3,
    "broker_forgets": 3,
    "web_before_commit": 3,
    "web_after_commit": 3,
    "worker_before_commit": 3,
    "worker_after_commit": 3,
    "queue_fills": 1,
    "delivered_often": 2,
}


@dataclass
class Plan:
    """`weights` say how often each kind of blow comes; every kind comes at least once."""

    events: int
    blows: int
    weights: dict[str, int] = field(default_factory=lambda: dict(WEIGHTS))

    def kinds(self, dice: random.Random) -> list[str]:
        chosen = [*self.weights, *dice.choices(list(self.weights), list(self.weights.values()), k=self.blows)][: self.blows]
        dice.shuffle(chosen)
        return chosen


def play(stage: Stage, plan: Plan) -> dict[str, Any]:
    """The figures of it. Raises AssertionError when anything was lost, doubled, or differs."""
    started, notes = time.monotonic(), stage.notes
    before = amounts(notes)
    with stage.gateway() as gateway:
        controller = stage.controller(gateway)
        controller.strike(plan.kinds(stage.dice), plan.events)
    assert controller.late == [], "points that no process came to"
    result = stage.reckon()
    return {
        "broker": stage.broker.name,
        "seed": stage.world.seed,
        "seconds": round(time.monotonic() - started, 1),
        **(amounts(notes) - before),
        "kills": sum(controller.killed().values()),
        "blows": dict(Counter(blow.kind for blow in controller.blows)),
        "recovery": recovery(stage.instance, notes, ((blow.kind, blow.at) for blow in controller.blows)),
        "slowest_refusal_s": round(notes.slowest_refusal, 2),
        **result,
        "result": "every acknowledged event once, none twice, sums exact",
    }


def amounts(notes: Notes) -> Counter[str]:
    """Of a whole stage so far: several stories may be played on it."""
    answers = {f"answers_{name}": times for name, times in notes.answers.items()}
    return Counter(
        events_sent=len(notes.sent),
        events_acknowledged=len(notes.acknowledged),
        events_never_acknowledged=len(notes.never_acknowledged),
        duplicates_sent=notes.events_posted_again,
        **answers,
    )
