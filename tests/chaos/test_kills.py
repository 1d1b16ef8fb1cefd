"""All is killed while a gateway sends, and nothing is lost, counted twice or mispriced. `make chaos` is the long form."""

from tests.chaos.stage import Stage
from tests.chaos.story import WEIGHTS, Plan, play

EVENTS = 4_000


def test_every_acknowledged_event_counts_once_whatever_is_killed(redis_stage: Stage) -> None:
    figures = play(redis_stage, Plan(EVENTS, len(WEIGHTS)))
    print(figures)
    assert figures["kills"] >= 10
    assert figures["events_acknowledged"] >= EVENTS * 0.9
    assert figures["duplicates_sent"] > 0
