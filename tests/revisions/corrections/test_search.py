"""Any interleaving of events, corrections, prices and re-ratings ends as plain Decimal arithmetic says it must."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.catalogue.set_price import set_price
from metering.ingest.models import EventCorrection, QuarantinedEvent, UsageEvent
from metering.money import from_pico
from metering.periods import parse_month
from metering.reconcile.corrections import correction_differences
from metering.revisions.rerating.jobs import continue_orders, order_rerating
from metering.revisions.rerating.plan import plan_rerating, scope_for
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.compare import rollup_differences
from tests.kit.corrections import hand_in, replace, void
from tests.kit.depth import search
from tests.kit.factories import NOW, an_event, make_gateway, make_key, make_workspace, send, work

pytestmark = pytest.mark.django_db
MILLION = Decimal(1_000_000)
BEGINNING = datetime(2026, 9, 1, tzinfo=UTC)
INSTANTS = [datetime(2026, 9, 30, 23, 59, 59, 999999, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC), NOW - timedelta(hours=1)]
LONG = 1_000  # input tokens above which another version applies
numbers = count()

usages = st.tuples(st.integers(0, 2_000), st.integers(0, 50)).map(
    lambda counts: {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": sum(counts)}
)
names = st.sampled_from("abcd")
since = st.sampled_from([BEGINNING, *INSTANTS])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("event"), names, usages, st.sampled_from(INSTANTS)),
        st.tuples(st.just("void"), names, st.sampled_from(["", "again"])),
        st.tuples(st.just("replace"), names, usages),
        st.tuples(st.just("price"), since, st.integers(0, 9), st.sampled_from([0, LONG])),
        st.tuples(st.just("rerate"), since),
        st.tuples(st.just("work")),
    ),
    min_size=4,
    max_size=24,
)


@search(20, 300)
@given(steps=steps)
def test_any_interleaving_ends_as_the_oracle_says(steps: list[tuple[Any, ...]]) -> None:
    number = next(numbers)
    model, key, gateway = f"model-{number}", make_key(make_workspace()), make_gateway(f"gateway-{number}")

    def rate_again(start: datetime) -> None:
        scope = scope_for(None, key.workspace, start, None, NOW)
        order = order_rerating(None, key.workspace, scope, reason="search", plan=[], actor="test", now=NOW)
        planned = plan_rerating(scope)
        continue_orders(NOW)
        order.refresh_from_db()
        assert order.changed == sum(each.requests for each in planned.values())
        assert order.cost_after - order.cost_before == from_pico(sum(each.after - each.before for each in planned.values()))

    for kind, *given_ in steps:
        match kind, given_:
            case "event", [name, usage, at]:
                event = an_event(key, request_id=name, model=model, usage=usage, occurred_at=at.isoformat())
                send(gateway, [event], process=False)
            case "void", [name, reason]:
                hand_in(gateway, void(key, name, reason=reason))
            case "replace", [name, usage]:
                hand_in(gateway, replace(key, usage, name))
            case "price", [start, rate, above]:
                given_rates = {"input": Decimal(rate), "output": Decimal(rate + 1), "above_input_tokens": above}
                set_price(model, **given_rates, effective_from=start, correct=True, actor="test", now=NOW)  # type: ignore[arg-type]
                price_waiting()
            case "rerate", [start]:
                rate_again(start)
            case _:
                work()
    work()
    price_waiting()
    rate_again(BEGINNING)

    found = {
        event.request_id: (event.status, event.input_tokens, event.output_tokens, event.cost)
        for event in UsageEvent.objects.filter(workspace=key.workspace)
    }
    assert found == expected(steps)
    assert agreeing()
    waiting = QuarantinedEvent.objects.filter(workspace=key.workspace, kind="corrections", settled_at=None)
    assert {each.request_id for each in waiting}.isdisjoint(found)
    before = EventCorrection.objects.count()
    rate_again(BEGINNING)
    work()
    assert EventCorrection.objects.count() == before


def expected(steps: list[tuple[Any, ...]]) -> dict[str, tuple[int, int, int, Decimal | None]]:
    """Status, input, output and cost of each event: of its first content, the void, or the last replacement."""
    events: dict[str, tuple[dict[str, int], datetime]] = {}
    replaced: dict[str, list[dict[str, int]]] = {}
    voided: set[str] = set()
    prices: dict[tuple[datetime, int], int] = {}
    for kind, *given_ in steps:
        if kind == "event":
            events.setdefault(given_[0], (given_[1], given_[2]))
        elif kind == "void":
            voided.add(given_[0])
        elif kind == "replace":
            counts = replaced.setdefault(given_[0], [])
            if given_[1] not in counts:  # the same again is a duplicate, wherever it comes
                counts.append(given_[1])
        elif kind == "price":
            prices[given_[0], given_[2]] = given_[1]
    ended: dict[str, tuple[int, int, int, Decimal | None]] = {}
    for name, (usage, at) in events.items():
        if name in voided:
            ended[name] = (3, 0, 0, Decimal(0))
            continue
        usage = replaced.get(name, [usage])[-1]
        tokens = usage["prompt_tokens"], usage["completion_tokens"]
        begun = [
            (above, start, rate) for (start, above), rate in prices.items() if start <= at and (not above or tokens[0] > above)
        ]
        cost = None
        if begun:
            rate = max(begun)[2]
            cost = (tokens[0] * Decimal(rate) + tokens[1] * Decimal(rate + 1)) / MILLION
        ended[name] = (0, *tokens, cost)
    return ended


def agreeing() -> bool:
    months = parse_month("2026-09"), parse_month("2026-10")
    found = [each for month in months for grain in ("hour", "day") for each in rollup_differences(grain, month).first]
    assert found + correction_differences(None) == []
    return True
