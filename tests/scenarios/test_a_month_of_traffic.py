"""September 2026 of twenty workspaces: sent over HTTP, worked off by Celery, priced, shown, closed and invoiced.

What comes out is held against oracle.py, which counts the same facts with plain Decimal, to the last digit. One story and
one test, because many events are sent in it: fifty thousand with DEEP.
"""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from pytest_django.live_server_helper import LiveServer

from tests.kit.depth import examples
from tests.scenarios.checks import check_events, check_invoices, check_reconciled, check_rollups, check_usage
from tests.scenarios.facts import LONG_AGO
from tests.scenarios.stage import celery_worker, command, wait_until
from tests.scenarios.story import NOW, ONLY_FAILURES, Story, begin
from tests.scenarios.traffic import PRICE_CHANGE, THRESHOLD, UNKNOWN_MODEL, Sent, Traffic

CLOSING = "2026-10-04T00:00:00Z"
SEED = 202609
EVENTS = examples(15_000, 50_000)


def set_prices(story: Story) -> None:
    """Before the usage arrives: a change in the middle of the month, a tier, a threshold, overrides, a free rate."""
    story.set_price("o1-preview", PRICE_CHANGE, input="12.000001", cached_input="6.1", output="48.654321")
    story.set_price("codex-mini", LONG_AGO, tier="priority", input="2.7", cached_input="0.675", output="10.8")
    story.set_price("grok-3", LONG_AGO, above=THRESHOLD, input="6", cached_input="1.5", output="30")
    story.set_price(
        "computer-use-preview", datetime(2026, 9, 5, tzinfo=UTC), input="3", cached_input="0.3", cache_write="3.75", output="12"
    )
    story.set_price("codex-mini", datetime(2026, 9, 10, tzinfo=UTC), tenant=3, input="1.2", cached_input="0.3", output="5.1")
    story.set_price("grok-3", LONG_AGO, tenant=5, input="2.5", cached_input="0", output="12.5")


def sendings(story: Story) -> tuple[list[Sent], list[Sent], Counter[str]]:
    """The first sendings, the later ones, and how many of all of them are none that counts."""
    traffic = Traffic([tenant.keys for tenant in story.tenants], {ONLY_FAILURES}, SEED)
    edges = list(traffic.edges())
    late = list(traffic.events(1_500))
    pairs = list(traffic.events(100))
    expected = Counter(duplicate=1_900, conflict=250, rejected=450)
    fresh = list(traffic.events(EVENTS - expected.total() - len(edges) - len(late) - len(pairs)))
    known, dice = [*edges, *fresh], random.Random(SEED)  # noqa: S311
    some = dice.sample(known, 2_050)
    first = [*known, *map(traffic.again, some[:800]), *traffic.refused(450)]
    days = [timedelta(days=dice.randrange(14)) for _ in range(1_100)]
    then = [*late, *(traffic.again(*each) for each in zip(some[800:1_900], days, strict=True))]
    then += [traffic.contradicted(sent) for sent in some[1_900:]]
    dice.shuffle(first)
    dice.shuffle(then)
    in_one_batch = [each for sent in pairs for each in (sent, traffic.contradicted(sent))]
    return first, in_one_batch + then, expected


@pytest.fixture
def story(live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    # Our clock stands still and the worker's does not: to it every reminder would have expired.
    monkeypatch.setattr("omixa_billing.reminders.SOON_EXPIRES", None)
    with time_machine.travel(NOW, tick=False), celery_worker(tmp_path / "worker.log"):
        yield begin(live_server.url)


def test_a_month_agrees_with_an_independent_count_to_the_last_digit(story: Story) -> None:
    set_prices(story)
    first, then, expected = sendings(story)
    assert len(first) + len(then) == EVENTS
    story.send(first)
    story.send(then)
    unpriced = story.ledger().unpriced()
    assert unpriced > EVENTS // 50
    assert story.counts() == expected + Counter(recorded=len(story.recorded) - unpriced, unpriced=unpriced)

    price_the_unknown_model(story)
    ledger = story.ledger()
    for number, tenant in enumerate(story.tenants):
        check_events(ledger, number, tenant)
        check_usage(ledger, number, tenant)
    check_rollups(story, ledger)

    closed = command("close_month", "2026-09", "--now", CLOSING, "--finalize")["invoices"]
    check_invoices(story, ledger, closed)
    assert command("close_month", "2026-09", "--now", CLOSING, "--finalize")["invoices"] == closed
    check_reconciled(ledger)


def price_the_unknown_model(story: Story) -> None:
    """Backdated to the 8th: what happened before it still waits, and is never free."""
    story.set_price(
        UNKNOWN_MODEL, datetime(2026, 9, 8, tzinfo=UTC), input="0.123457", cached_input="0.012346", output="1.987654"
    )
    left = story.ledger().unpriced()
    assert left > EVENTS // 200

    def waiting() -> int:
        asked = {"start": "2026-08-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}
        return sum(tenant.admin.get("/api/v1/usage", **asked)["total"]["unpriced_requests"] for tenant in story.tenants)

    wait_until(lambda: waiting() == left, "the unpriced events to be priced")
