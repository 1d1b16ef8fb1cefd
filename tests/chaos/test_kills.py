"""All is killed while a gateway sends, and nothing is lost, counted twice or mispriced. `make chaos` is the long form."""

from tests.chaos.stage import Stage
from tests.chaos.story import WEIGHTS, Plan, play

EVENTS = 4_000
# Left to the long form: what another blow does as well, such as killing all workers.
LEFT_OUT = {"worker", "web", "beat", "queue_fills"}


def test_every_acknowledged_event_counts_once_whatever_is_killed(redis_stage: Stage) -> None:
    kinds = dict.fromkeys(WEIGHTS.keys() - LEFT_OUT, 1)
    figures = play(redis_stage, Plan(EVENTS, len(kinds), dict(sorted(kinds.items()))))
    print(figures)
    assert figures["kills"] >= 10
    assert figures["events_acknowledged"] >= EVENTS * 0.8
    assert figures["duplicates_sent"] > 0
