"""A void invoice's month: what it billed waits for its reissue, everything else of the month flows on."""

from decimal import Decimal
from typing import Any

import pytest

from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from metering.reconcile.invoices import invoice_differences
from tests.kit.billing import AUGUST, NOVEMBER, OCTOBER, SEPTEMBER, Meter, agree, at, closed, finalized, lines_of, tokens
from tests.kit.corrections import correct, replace
from tests.kit.corrections import void as take_away
from tests.kit.factories import NOW
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
IN_NOVEMBER, IN_DECEMBER = at("11-05T00:00"), at("12-05T00:00")


def usd(amount: int) -> dict[str, Any]:
    """Usage that costs so much, at 1.50 a million."""
    return tokens(input=amount * 1_000_000 * 2 // 3)


def billed(workspace: Workspace, month: str = "2026-08") -> Decimal:
    """What invoices that stand bill of a month."""
    lines = [line for invoice in workspace.invoices.finalized() for line in invoice.lines.all()]
    return sum((line.amount_exact for line in lines if f"{line.period_start:%Y-%m}" == month), Decimal(0))


@pytest.fixture
def august(use: Meter, key: APIKey, acme: Workspace) -> Invoice:
    """August used 600: 450 were billed by its own invoice, 150 by September's. Then its invoice was voided."""
    use(key, "08-10T00:00", "08-11T00:00", "08-12T00:00", usage=usd(150))
    (a,) = finalized(AUGUST)
    use(key, "08-13T00:00", "09-10T00:00", usage=usd(150))
    (b,) = finalized()
    assert (a.total, b.total, billed(acme)) == (Decimal(450), Decimal(300), Decimal(600))
    return void(a.pk, "wrong address", OPS, NOW)


def test_a_correction_flows_on_while_what_the_void_invoice_billed_waits(
    use: Meter, key: APIKey, acme: Workspace, august: Invoice
) -> None:
    correct(use.gateway, take_away(key, "req-1"), now=at("10-20T00:00"))
    use(key, "10-21T00:00", usage=usd(300), now=at("10-21T00:10"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [
        ("usage", "codex-mini, input", 200_000_000, "300", "300.00"),
        ("adjustment", "August 2026: codex-mini, input", -100_000_000, "-150", "-150.00"),
    ]
    assert invoice_differences() == []
    again = reissue(august.pk, OPS, IN_NOVEMBER)
    assert again is not None
    assert lines_of(finalize(again.pk, OPS, IN_NOVEMBER)) == [("usage", "codex-mini, input", 300_000_000, "450", "450.00")]
    assert billed(acme) == Decimal(450)
    assert invoice_differences() == []


def test_a_reissue_before_the_next_invoice_bills_what_is_left(
    use: Meter, key: APIKey, acme: Workspace, august: Invoice
) -> None:
    correct(use.gateway, take_away(key, "req-1"), now=at("10-20T00:00"))
    again = reissue(august.pk, OPS, IN_NOVEMBER)
    assert again is not None
    assert finalize(again.pk, OPS, IN_NOVEMBER).total == Decimal(300)
    assert billed(acme) == Decimal(450)
    use(key, "10-21T00:00", usage=usd(300), now=at("10-21T00:10"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert october.total == Decimal(300)
    assert invoice_differences() == []


def test_late_usage_flows_on_and_the_reissue_bills_the_rest(use: Meter, key: APIKey, acme: Workspace, august: Invoice) -> None:
    use(key, "08-20T00:00", "10-10T00:00", usage=usd(150), now=at("10-21T00:10"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert [(line[0], line[3]) for line in lines_of(october)] == [("usage", "150"), ("adjustment", "150")]
    again = reissue(august.pk, OPS, IN_NOVEMBER)
    assert again is not None
    assert finalize(again.pk, OPS, IN_NOVEMBER).total == Decimal(450)
    assert billed(acme) == Decimal(750)
    assert invoice_differences() == []


def test_nothing_is_given_back_of_what_only_the_void_invoice_billed(use: Meter, key: APIKey, acme: Workspace) -> None:
    """It is not owed: its customer would get for nothing what it never paid."""
    use(key, "08-10T00:00", usage=usd(600))
    (a,) = finalized(AUGUST)
    void(a.pk, "test traffic", OPS, NOW)
    correct(use.gateway, take_away(key, "req-1"), now=at("10-20T00:00"))
    use(key, "10-21T00:00", usage=usd(300), now=at("10-21T00:10"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert (october.total, billed(acme)) == (Decimal(300), Decimal(0))
    assert reissue(a.pk, OPS, IN_NOVEMBER) is None
    assert invoice_differences() == []


def test_a_month_that_comes_to_a_credit_by_itself_is_settled_by_the_next_invoice(
    use: Meter, key: APIKey, acme: Workspace, august: Invoice
) -> None:
    """600 used, 150 of it billed by September's invoice; all but 30 is taken back."""
    correct(use.gateway, *(take_away(key, f"req-{n}") for n in (1, 2, 3)), replace(key, usd(30), "req-4"), now=NOW)
    assert reissue(august.pk, OPS, NOW) is None
    use(key, "10-10T00:00", usage=usd(300))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert [(line[0], line[3]) for line in lines_of(october)] == [("usage", "300"), ("adjustment", "-120")]
    assert billed(acme) == Decimal(30)
    assert invoice_differences() == []


@pytest.mark.parametrize("when", [NOW, at("11-02T00:00")])
def test_a_reissue_of_less_than_is_issued_is_carried_to_the_next_invoice(
    use: Meter, key: APIKey, acme: Workspace, settings: Any, when: Any
) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    use(key, "09-10T00:00", usage=usd(3))
    (a,) = finalized()
    void(a.pk, "wrong address", OPS, NOW)
    correct(use.gateway, replace(key, tokens(input=200_000), "req-1"), now=NOW)
    draft = reissue(a.pk, OPS, NOW)
    assert draft is not None
    assert draft.total == Decimal("0.30")
    close_months_due(when)
    assert [each.status for each in acme.invoices.filter(period_start=SEPTEMBER.start)] == ["void"]
    use(key, "10-20T00:00", usage=usd(3), now=at("10-20T00:10"))
    assert upcoming(acme, at("10-21T00:00")).subtotal == Decimal("3.30")
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [
        ("usage", "codex-mini, input", 2_000_000, "3", "3.00"),
        ("adjustment", "September 2026: codex-mini, input", 200_000, "0.3", "0.30"),
    ]
    assert invoice_differences() == []


def test_a_second_void_waits_as_the_first_did(use: Meter, key: APIKey, acme: Workspace, august: Invoice) -> None:
    first = reissue(august.pk, OPS, NOW)
    assert first is not None
    void(finalize(first.pk, OPS, NOW).pk, "again", OPS, NOW)
    use(key, "08-20T00:00", "10-10T00:00", usage=usd(150), now=at("10-21T00:10"))
    correct(use.gateway, take_away(key, "req-1"), now=at("10-22T00:00"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert [(line[0], line[3]) for line in lines_of(october)] == [("usage", "150")]
    second = reissue(first.pk, OPS, IN_NOVEMBER)
    assert second is not None
    assert finalize(second.pk, OPS, IN_NOVEMBER).total == Decimal(450)
    assert billed(acme) == Decimal(600)
    assert invoice_differences() == []


def test_the_discount_and_the_minimum_of_a_void_month_flow_on_with_its_usage(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, since=AUGUST, discount_percent=Decimal(10), minimum_commitment=Decimal(100))
    use(key, "08-10T00:00", usage=usd(30))
    (a,) = finalized(AUGUST)
    assert [line[3] for line in lines_of(a)] == ["30", "-3", "73"]
    void(a.pk, "wrong address", OPS, NOW)
    use(key, "08-11T00:00", usage=usd(60))
    use(key, "09-10T00:00", usage=usd(300))
    (september,) = finalized()
    assert lines_of(september)[2:] == [
        ("adjustment", "August 2026: codex-mini, input", 40_000_000, "60", "60.00"),
        ("discount", "August 2026: Discount of 10 % on list prices", 1, "-6", "-6.00"),
        ("minimum", "August 2026: Minimum commitment of 100.00 USD", 1, "-54", "-54.00"),
    ]
    again = reissue(a.pk, OPS, NOW)
    assert again is not None
    assert [line[3] for line in lines_of(finalize(again.pk, OPS, NOW))] == ["30", "-3", "73"]
    assert billed(acme) == Decimal(100)


def test_the_reissue_follows_what_is_agreed_by_then(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, since=AUGUST, discount_percent=Decimal(10))
    use(key, "08-10T00:00", usage=usd(300))
    (a,) = finalized(AUGUST)
    void(a.pk, "half was promised", OPS, NOW)
    acme.agreed_pricing.update(discount_percent=Decimal(50))
    use(key, "08-11T00:00", "09-10T00:00", usage=usd(30))
    (september,) = finalized()
    assert [line[3] for line in lines_of(september)] == ["30", "-15", "30", "-3"]
    again = reissue(a.pk, OPS, NOW)
    assert again is not None
    final = finalize(again.pk, OPS, NOW)
    assert (final.subtotal, billed(acme)) == (Decimal("138.00"), Decimal(165))
    use(key, "11-10T00:00", usage=usd(30), now=at("11-10T00:10"))
    (november,) = finalized(NOVEMBER, IN_DECEMBER)
    assert [line[3] for line in lines_of(november)] == ["30", "-15"]


# --- Explained -----------------------------------------------------------------------------------------------------


def test_voiding_what_took_tokens_back_is_no_difference_and_holds_nothing(use: Meter, key: APIKey, acme: Workspace) -> None:
    """Of August 100M were billed twice over: its own, and late ones on September's. 100M were corrected, and October's invoice
    took them back. Then August's invoice is voided and reissued, and October's is voided.
    """
    use(key, "08-10T00:00", usage=usd(150))
    (a,) = finalized(AUGUST)
    use(key, "08-11T00:00", "09-10T00:00", usage=usd(150))
    finalized()
    correct(use.gateway, take_away(key, "req-1"), now=at("10-20T00:00"))
    use(key, "10-10T00:00", usage=usd(300), now=at("10-21T00:00"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    void(a.pk, "wrong address", OPS, at("11-06T00:00"))
    again = reissue(a.pk, OPS, at("11-06T01:00"))
    assert again is not None
    finalize(again.pk, OPS, at("11-06T02:00"))
    void(october.pk, "wrong address", OPS, at("11-07T00:00"))
    assert billed(acme) == Decimal(300)
    assert invoice_differences() == []
    use(key, "11-10T00:00", usage=usd(300), now=at("11-10T00:10"))
    (november,) = finalized(NOVEMBER, IN_DECEMBER)
    assert (november.status, november.holds, november.total) == ("open", [], Decimal(150))
    assert billed(acme) == Decimal(150)
    assert invoice_differences() == []


def test_what_nothing_explains_is_still_named_after_a_void(use: Meter, key: APIKey, acme: Workspace) -> None:
    from metering.rollups.models import DailyRollup

    use(key, "08-10T00:00", "08-11T00:00", usage=usd(150))
    (a,) = finalized(AUGUST)
    void(a.pk, "wrong address", OPS, NOW)
    again = reissue(a.pk, OPS, NOW)
    assert again is not None
    finalize(again.pk, OPS, NOW)
    DailyRollup.objects.filter(workspace=acme, day=at("08-11T00:00")).delete()
    (found,) = invoice_differences()
    assert (found["check"], found["expected"], found["found"]) == (
        "billed_tokens_were_used",
        "at most 100000000",
        "200000000",
    )
    use(key, "09-10T00:00", usage=usd(600))
    (held,) = closed(SEPTEMBER)
    assert held.holds == ["unexplained"]
