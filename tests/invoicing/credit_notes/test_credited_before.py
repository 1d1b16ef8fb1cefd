"""A credit note and a correction of the same usage give back the larger of the two together, in whichever order they come."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from metering.catalogue.models import PriceVersion
from metering.errors import NothingToCredit
from metering.invoicing.composing.compose import compose
from metering.invoicing.credit_notes.issue import plan_credit_note
from metering.invoicing.credit_notes.models import SettledAdjustment
from metering.invoicing.fees.change import set_fee
from metering.invoicing.lifecycle.close import close_workspace
from metering.invoicing.models import Invoice
from metering.pricing import current
from metering.reconcile.everything import money_differences
from metering.reconcile.invoices import invoice_differences
from metering.revisions.rerating.jobs import continue_orders
from tests.kit.billing import NOVEMBER, OCTOBER, OPS, SEPTEMBER, Meter, agree, at, credited, finalized, lines_of, tokens
from tests.kit.corrections import correct, replace, void
from tests.kit.depth import in_rounds, rounds
from tests.kit.factories import NOW, forget_names, make_key, make_workspace
from tests.kit.rerating import correct_price, ordered
from workspaces.models import APIKey, Gateway, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("usual_minimum")]
NOTHING = Decimal("0.00")
IN_NOVEMBER = at("11-05T00:00")
Step = Callable[[], object]


def pending(workspace: Workspace) -> Decimal:
    """What the next invoice takes back, before tax."""
    return compose(workspace, OCTOBER).subtotal


def september(use: Meter, key: APIKey) -> Invoice:
    """600.00 of input in four requests of 150.00, and 60.00 of output."""
    for hour in (10, 11, 12, 13):
        use(key, f"09-14T{hour}:00", usage=tokens(input=100_000_000))
    use(key, "09-14T14:00", usage=tokens(output=10_000_000))
    (invoice,) = finalized(workspace=key.workspace)
    assert sum(line.amount for line in invoice.lines.filter(kind="usage")) == Decimal("660.00")
    return invoice


@pytest.mark.parametrize(
    ("noted", "left"),
    [("100.00", "-50.00"), ("150.00", "0.00"), ("200.00", "0.00"), ("0.01", "-149.99")],
)
@pytest.mark.parametrize("note_first", [True, False])
def test_the_larger_of_both_goes_back(
    acme: Workspace, key: APIKey, use: Meter, gateway: Gateway, noted: str, left: str, note_first: bool
) -> None:
    invoice = september(use, key)
    steps: list[Step] = [lambda: credited(invoice, {"input": noted}), lambda: correct(gateway, void(key, "req-1"))]
    for step in steps if note_first else reversed(steps):
        step()
    assert pending(acme) == Decimal(left)
    assert invoice_differences() == []
    # Other corrections of the same line are set against what is left of the note, and those of other lines are not.
    correct(gateway, void(key, "req-2"), void(key, "req-5"))
    assert pending(acme) == max(Decimal(noted), Decimal("300.00")) * -1 + Decimal(noted) - Decimal("60.00")


@pytest.mark.parametrize("note_first", [True, False])
def test_discount_and_tax_follow_in_both_orders(
    acme: Workspace, key: APIKey, use: Meter, gateway: Gateway, note_first: bool
) -> None:
    agree(acme, {"VAT": "20"}, discount_percent=Decimal(10))
    invoice = september(use, key)
    steps: list[Step] = [lambda: credited(invoice, {"input": "45.00"}), lambda: correct(gateway, void(key, "req-1"))]
    for step in steps if note_first else reversed(steps):
        step()
    # 150.00 less 10 % are 135.00; 45.00 of them are a third.
    preview = compose(acme, OCTOBER)
    assert [(line.kind, line.amount) for line in preview.lines] == [
        ("adjustment", Decimal("-100.00")),
        ("discount", Decimal("10.00")),
    ]
    credited(invoice, {"input": "90.00"})
    assert pending(acme) == NOTHING


def test_the_next_invoice_leaves_out_what_was_credited_and_keeps_it(
    acme: Workspace, key: APIKey, use: Meter, gateway: Gateway
) -> None:
    invoice = september(use, key)
    credited(invoice, {"input": "100.00"})
    correct(gateway, void(key, "req-1"))
    assert not SettledAdjustment.objects.exists()
    use(key, "10-02T10:00", usage=tokens(input=200_000_000))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert [(kind, amount) for kind, _, _, _, amount in lines_of(october)] == [("usage", "300.00"), ("adjustment", "-50.00")]
    # As many whole tokens as 100.00 pay for.
    settled = SettledAdjustment.objects.get()
    assert (settled.quantity, settled.amount_exact) == (-66_666_666, Decimal("-99.999999"))
    assert (invoice_differences(), money_differences()) == ([], [])
    # The note is used up, and what was taken back is billed if it turns up again.
    correct(gateway, void(key, "req-2"))
    assert compose(acme, NOVEMBER).subtotal == Decimal("-150.00")
    use(key, "09-15T10:00", usage=tokens(input=200_000_000))
    assert compose(acme, NOVEMBER).subtotal == Decimal("150.00")


def test_usage_that_comes_late_is_billed_beside_a_note(acme: Workspace, key: APIKey, use: Meter, gateway: Gateway) -> None:
    invoice = september(use, key)
    credited(invoice, {"input": "100.00"})
    use(key, "09-20T10:00", usage=tokens(input=10_000_000))
    assert pending(acme) == Decimal("15.00")
    # Of a correction upwards only the difference is left to bill; a whole note takes nothing of other lines' late usage.
    correct(gateway, replace(key, tokens(output=20_000_000), "req-5"))
    assert pending(acme) == Decimal("75.00")


@pytest.mark.parametrize("note_first", [True, False])
def test_a_fee_that_was_credited_does_not_go_back_twice(acme: Workspace, key: APIKey, use: Meter, note_first: bool) -> None:
    start = SEPTEMBER.start
    set_fee(acme, "Platform fee", Decimal("30.00"), None, start, None, OPS, NOW)
    invoice = september_with_fee(use, key)
    steps: list[Step] = [
        lambda: credited(invoice, {"fee": "20.00"}),
        lambda: set_fee(acme, "Platform fee", NOTHING, None, start, None, OPS, NOW),
    ]
    for step in steps if note_first else reversed(steps):
        step()
    assert pending(acme) == Decimal("-10.00")
    credited(invoice, {"fee": "10.00"})
    assert pending(acme) == NOTHING


def september_with_fee(use: Meter, key: APIKey) -> Invoice:
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    (invoice,) = finalized()
    assert invoice.subtotal == Decimal("180.00")
    return invoice


acts = st.one_of(
    st.tuples(st.just("correct"), st.integers(1, 8)),
    st.tuples(st.just("note"), st.sampled_from(["10.00", "75.00", "150.00", "333.33"])),
    st.tuples(st.just("bill"), st.just(0)),
)


@rounds
@given(history=st.lists(acts, min_size=3, max_size=9))
@in_rounds(12)
def test_what_goes_back_is_the_larger_of_both_whatever_their_order(
    use: Meter, key: APIKey, codex_mini: PriceVersion, round: int, history: list[tuple[str, Any]]
) -> None:
    """The oracle: a note settles what is pending, a correction uses what is left of notes, an invoice bills what is pending."""
    with transaction.atomic():
        forget_names()
        current.forget_rates()
        use.sent = 0
        for hour in range(8):
            use(key, f"09-14T{hour:02}:00", usage=tokens(input=100_000_000))
        invoice = close_workspace(key.workspace, SEPTEMBER, NOW, True, OPS).invoice
        assert invoice is not None
        noted = waits = whole = taken = NOTHING
        gone: set[int] = set()
        now = NOW
        for act, what in history:
            now += timedelta(hours=1)
            if act == "correct" and what not in gone:
                correct(use.gateway, void(key, f"req-{what}"), now=now)
                gone.add(what)
                waits += Decimal("150.00")
            elif act == "note" and whole + taken + Decimal(what) <= Decimal("1200.00"):
                credited(invoice, {"input": what}, now=now)
                whole += Decimal(what)
                noted += Decimal(what)
            elif act == "bill" and waits and not key.workspace.invoices.filter(period_start=OCTOBER.start).exists():
                use(key, "10-02T10:00", usage=tokens(input=1_000_000_000))
                october = close_workspace(key.workspace, OCTOBER, IN_NOVEMBER, True, OPS).invoice
                assert october is not None
                assert october.subtotal == Decimal("1500.00") - waits
                taken, waits = waits, NOTHING
                now = max(now, IN_NOVEMBER)
            settled = min(noted, waits)
            noted, waits = noted - settled, waits - settled
        billed = key.workspace.invoices.filter(period_start=OCTOBER.start).exists()
        assert compose(key.workspace, NOVEMBER if billed else OCTOBER).subtotal == -waits
        assert (invoice_differences(), money_differences()) == ([], [])
        transaction.set_rollback(True)


def test_a_note_of_another_workspace_changes_nothing(acme: Workspace, key: APIKey, use: Meter, gateway: Gateway) -> None:
    bolt = make_workspace("Bolt")
    other = make_key(bolt)
    september(use, key)
    use(other, "09-14T10:00", usage=tokens(input=100_000_000))
    (bolts,) = finalized(workspace=bolt)
    credited(bolts, {"input": "100.00"})
    correct(gateway, void(key, "req-1"))
    assert pending(acme) == Decimal("-150.00")


def test_usage_that_a_note_settled_at_another_price_can_be_taken_away(
    acme: Workspace, key: APIKey, use: Meter, gateway: Gateway
) -> None:
    """Its price was lowered, a note gave back the difference, then it was void: what was settled at the new price was used."""
    invoice = september(use, key)
    correct_price(input="1", effective_from=SEPTEMBER.start)
    ordered(SEPTEMBER.start)
    continue_orders(NOW)
    assert pending(acme) == Decimal("-200.00")
    credited(invoice, {"input": "200.00"})
    assert pending(acme) == NOTHING
    assert invoice_differences() == []
    correct(gateway, void(key, "req-1"))
    assert pending(acme) == Decimal("-100.00")
    assert invoice_differences() == []


@pytest.mark.parametrize(("discount", "tax", "left", "whole"), [(0, "19", "21.00", "24.99"), (10, "20", "18.90", "22.68")])
def test_what_a_later_invoice_took_back_cannot_be_credited_as_well(
    acme: Workspace, key: APIKey, use: Meter, gateway: Gateway, discount: int, tax: str, left: str, whole: str
) -> None:
    """78.00 of input in two requests, of which 57.00 were taken away and are on the invoice of October."""
    agree(acme, {"VAT": tax}, discount_percent=Decimal(discount))
    use(key, "09-14T10:00", usage=tokens(input=38_000_000))
    use(key, "09-14T11:00", usage=tokens(input=14_000_000))
    (invoice,) = finalized(workspace=acme)
    use(key, "10-02T10:00", usage=tokens(input=200_000_000))
    correct(gateway, void(key, "req-1"))
    finalized(OCTOBER, IN_NOVEMBER)
    (line,) = invoice.lines.filter(kind="usage")
    with pytest.raises(NothingToCredit, match=r"21\.00 are left of the line .*, not 21\.01"):
        plan_credit_note(invoice, {line.public_id: Decimal("21.01")})
    planned = plan_credit_note(invoice, None)
    assert (planned.subtotal, planned.total) == (Decimal(left), Decimal(whole))
    credited(invoice)
    with pytest.raises(NothingToCredit, match="Nothing is left of OMX-2026-00001 to credit"):
        credited(invoice)
    assert (invoice_differences(), money_differences()) == ([], [])


def test_usage_that_was_billed_again_at_another_price_is_left_at_that_price(
    acme: Workspace, key: APIKey, use: Meter, gateway: Gateway
) -> None:
    """660.00, of which 600.00 are 400.00 at the new price: on the next invoice 600.00 go back and 400.00 are billed."""
    invoice = september(use, key)
    correct_price(input="1", effective_from=SEPTEMBER.start)
    ordered(SEPTEMBER.start)
    continue_orders(NOW)
    use(key, "10-02T10:00", usage=tokens(input=300_000_000))
    finalized(OCTOBER, IN_NOVEMBER)
    assert plan_credit_note(invoice, None).total == Decimal("460.00")
