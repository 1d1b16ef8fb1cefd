"""The events under a line are settled when its invoice is finalized, whatever is voided, reissued or corrected after."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from metering.invoicing.explaining.explain import events_under
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice, InvoiceLine
from metering.reconcile.invoices import invoice_differences
from tests.kit.billing import AUGUST, OCTOBER, SEPTEMBER, Meter, at, closed, finalized, tokens
from tests.kit.corrections import correct
from tests.kit.corrections import replace as count_anew
from tests.kit.corrections import void as take_away
from tests.kit.factories import NOW, make_price
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
MILLION = tokens(input=1_000_000)
IN_NOVEMBER = at("11-05T00:00")


def after(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def at_once(minutes: int) -> datetime:
    """A clock that stands still."""
    return NOW


def under(line: InvoiceLine) -> dict[str, int]:
    """The tokens that a line bills of each request, newest first."""
    events, more = events_under(line, 100)
    assert not more
    return {each.event.request_id: each.quantity for each in events}


def reissued(invoice: Invoice, now: datetime) -> InvoiceLine:
    """The only line of the void invoice's month billed again."""
    return finalize(reissue(invoice.pk, OPS, now).pk, OPS, now).lines.get()


def test_voiding_the_months_first_invoice_leaves_the_later_adjustment_its_event(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", usage=tokens(input=3_000_000))
    (august,) = finalized(AUGUST)
    use(key, "08-11T00:00", usage=MILLION, now=after(1))
    (september,) = finalized(SEPTEMBER, after(2))
    late = september.lines.get()
    assert (late.kind, late.quantity, under(late)) == ("adjustment", 1_000_000, {"req-2": 1_000_000})
    void(august.pk, "wrong address", OPS, after(3))
    assert under(late) == {"req-2": 1_000_000}
    assert under(august.lines.get()) == {"req-1": 3_000_000}


@pytest.mark.parametrize("clock", [after, at_once])
def test_of_events_alike_each_stays_under_the_line_that_billed_it(
    use: Meter, key: APIKey, clock: Callable[[int], datetime]
) -> None:
    """Also where all clocks say the same: what was done first is read from the audit trail."""
    use(key, "08-10T00:00", usage=MILLION, now=clock(0))
    (august,) = finalized(AUGUST, clock(1))
    use(key, "08-11T00:00", usage=MILLION, now=clock(2))
    (september,) = finalized(SEPTEMBER, clock(3))
    late = september.lines.get()
    void(august.pk, "wrong address", OPS, clock(4))
    again = reissued(august, clock(5))
    assert (under(late), under(again), under(august.lines.get())) == (
        {"req-2": 1_000_000},
        {"req-1": 1_000_000},
        {"req-1": 1_000_000},
    )
    assert invoice_differences() == []


def test_what_came_after_the_void_is_under_the_reissued_line_too(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    use(key, "08-11T00:00", usage=MILLION, now=after(1))
    finalized(SEPTEMBER, after(2))
    void(august.pk, "wrong address", OPS, after(3))
    use(key, "08-12T00:00", usage=MILLION, now=after(4))
    again = reissued(august, after(5))
    assert (again.quantity, under(again)) == (2_000_000, {"req-3": 1_000_000, "req-1": 1_000_000})
    use(key, "08-13T00:00", "10-02T00:00", usage=MILLION, now=after(6))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert [under(line) for line in october.lines.all()] == [{"req-5": 1_000_000}, {"req-4": 1_000_000}]
    assert under(again) == {"req-3": 1_000_000, "req-1": 1_000_000}


def test_a_voided_adjustment_is_under_the_invoice_that_bills_it_instead(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    use(key, "08-11T00:00", usage=MILLION, now=after(1))
    (september,) = finalized(SEPTEMBER, after(2))
    void(september.pk, "wrong address", OPS, after(3))
    use(key, "08-12T00:00", usage=MILLION, now=after(4))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert under(october.lines.get()) == {"req-3": 1_000_000, "req-2": 1_000_000}
    assert (under(august.lines.get()), under(september.lines.get())) == ({"req-1": 1_000_000}, {"req-2": 1_000_000})


def test_what_a_later_invoice_took_back_is_under_the_reissued_line_once_more(use: Meter, key: APIKey) -> None:
    """Or else the million that September gave back would be given twice."""
    use(key, "08-10T00:00", "08-11T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    correct(use.gateway, take_away(key, "req-2"), now=after(1))
    use(key, "09-10T00:00", "09-11T00:00", usage=MILLION, now=after(1))
    (september,) = finalized(SEPTEMBER, after(2))
    own, back = september.lines.order_by("position")
    both, others = {"req-2": 1_000_000, "req-1": 1_000_000}, {"req-4": 1_000_000, "req-3": 1_000_000}
    assert (back.quantity, under(back)) == (-1_000_000, {"req-2": -1_000_000})
    void(august.pk, "wrong address", OPS, after(3))
    assert under(back) == {"req-2": -1_000_000}
    again = reissued(august, after(4))
    assert (again.quantity, under(again)) == (2_000_000, both)
    assert (under(august.lines.get()), under(own), under(back)) == (both, others, {"req-2": -1_000_000})
    assert invoice_differences() == []


def test_a_replacement_since_is_under_each_line_as_it_counted_then(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    correct(use.gateway, count_anew(key, tokens(input=1_500_000), "req-1"), now=after(1))
    (september,) = finalized(SEPTEMBER, after(2))
    void(august.pk, "wrong address", OPS, after(3))
    correct(use.gateway, count_anew(key, tokens(input=1_700_000), "req-1"), now=after(4))
    again = reissued(august, after(5))
    lines = [august.lines.get(), september.lines.get(), again]
    assert [line.quantity for line in lines] == [1_000_000, 500_000, 1_200_000]
    assert [under(line) for line in lines] == [{"req-1": 1_000_000}, {"req-1": 500_000}, {"req-1": 1_200_000}]


def test_a_draft_shows_what_it_would_bill_beside_what_stands(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    use(key, "08-11T00:00", usage=MILLION, now=after(1))
    (september,) = finalized(SEPTEMBER, after(2))
    void(august.pk, "wrong address", OPS, after(3))
    draft = reissue(august.pk, OPS, after(4))
    use(key, "08-12T00:00", usage=MILLION, now=after(5))
    assert under(draft.lines.get()) == {"req-1": 1_000_000}
    (draft,) = closed(AUGUST, after(6))
    assert under(draft.lines.get()) == {"req-3": 1_000_000, "req-1": 1_000_000}
    assert under(september.lines.get()) == {"req-2": 1_000_000}


def test_what_is_committed_after_the_jobs_clock_and_before_its_turn_is_billed_and_shown(use: Meter, key: APIKey) -> None:
    """One clock serves a job that closes thousands of workspaces; also in a month that was corrected."""
    use(key, "08-10T00:00", "08-11T00:00", usage=tokens(input=300), now=after(0))
    use(key, "08-12T00:00", usage=tokens(input=50), now=after(2))
    (august,) = finalized(AUGUST, after(1))
    assert under(august.lines.get()) == {"req-3": 50, "req-2": 300, "req-1": 300}
    correct(use.gateway, take_away(key, "req-1"), now=after(4))
    use(key, "08-13T00:00", usage=tokens(input=1000), now=after(4))
    (september,) = finalized(SEPTEMBER, after(3))
    assert under(september.lines.get()) == {"req-4": 1000, "req-1": -300}
    assert under(august.lines.get()) == {"req-3": 50, "req-2": 300, "req-1": 300}


def test_a_corrected_month_with_a_worker_in_flight_is_shown_as_it_stood_by_the_clock(use: Meter, key: APIKey) -> None:
    """As when it reads its clock before the month is finalized, and commits after: here the sums do not fit."""
    use(key, "08-10T00:00", usage=tokens(input=100), now=after(1))
    (august,) = finalized(AUGUST, after(3))
    use(key, "08-11T00:00", usage=tokens(input=30), now=after(0))
    correct(use.gateway, count_anew(key, tokens(input=90), "req-1"), now=after(4))
    line = august.lines.get()
    assert (line.quantity, under(line)) == (100, {"req-2": 30, "req-1": 100})


def test_a_request_that_another_tier_served_after_all_is_under_the_lines_of_both(use: Meter, key: APIKey) -> None:
    make_price("codex-mini", "3", None, "12", tier="fast")
    use(key, "08-10T00:00", usage=MILLION)
    use(key, "08-11T00:00", usage=tokens(input=200))
    (august,) = finalized(AUGUST)
    billed = august.lines.get()
    fast = {"input_tokens": 1_000_000, "output_tokens": 0, "cache_read_input_tokens": 0, "speed": "fast"}
    correct(use.gateway, count_anew(key, fast, "req-1"), now=after(1))
    assert under(billed) == {"req-2": 200, "req-1": 1_000_000}
    (september,) = finalized(SEPTEMBER, after(2))
    lines = {line.service_tier: line for line in september.lines.all()}
    assert {tier: line.quantity for tier, line in lines.items()} == {"default": -1_000_000, "fast": 1_000_000}
    assert {tier: under(line) for tier, line in lines.items()} == {
        "default": {"req-1": -1_000_000},
        "fast": {"req-1": 1_000_000},
    }
    assert under(billed) == {"req-2": 200, "req-1": 1_000_000}
    assert invoice_differences(AUGUST) == invoice_differences(SEPTEMBER) == []


def test_what_another_tier_served_is_explained_until_it_is_credited(use: Meter, key: APIKey) -> None:
    make_price("codex-mini", "3", None, "12", tier="fast")
    use(key, "08-10T00:00", usage=MILLION)
    finalized(AUGUST)
    fast = {"input_tokens": 1_000_000, "output_tokens": 0, "cache_read_input_tokens": 0, "speed": "fast"}
    correct(use.gateway, count_anew(key, fast, "req-1"), now=after(1))
    assert invoice_differences(AUGUST) == []
