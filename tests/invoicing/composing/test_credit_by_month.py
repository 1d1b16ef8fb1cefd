"""Credit counts by the month of the line that it pays for, between its grant and its end; two drafts never show the same."""

from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from metering.invoicing.terms.change import save_terms
from metering.invoicing.terms.models import TaxRate
from metering.payments.balance.balance import balance_of
from metering.reconcile.everything import money_differences
from tests.kit.billing import AUGUST, OCTOBER, SEPTEMBER, Meter, at, closed, finalized, tokens
from tests.kit.factories import NOW
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
HUNDRED_MILLION = tokens(input=100_000_000)
IN_NOVEMBER = at("11-05T00:00")


def credit(workspace: Workspace, amount: str, kind: str, granted: str, expires: str | None = None) -> CreditGrant:
    until = at(f"{expires}T00:00") if expires else None
    return ledger.grant(workspace, kind, Decimal(amount), OPS, at(f"{granted}T00:00"), expires_at=until)


def used_of(grant: CreditGrant) -> Decimal:
    return grant.amount - ledger.remaining_of_grant(grant)


def test_promotional_credit_never_pays_the_reissue_of_a_month_before_its_grant(
    use: Meter, key: APIKey, acme: Workspace
) -> None:
    use(key, "03-14T10:00", usage=HUNDRED_MILLION)
    (march,) = finalized(_month("03"))
    void(march.pk, "wrong address", OPS, NOW)
    gift = credit(acme, "150", "promotional", "10-05")
    draft = reissue(march.pk, OPS, NOW)
    assert draft is not None
    again = finalize(draft.pk, OPS, NOW)
    assert (again.promotional, again.amount_due, used_of(gift)) == (Decimal(0), Decimal(150), Decimal(0))
    use(key, "10-14T10:00", usage=HUNDRED_MILLION)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert (october.promotional, october.status) == (Decimal(150), "paid")


@pytest.mark.parametrize("kind", ["goodwill", "purchased"])
def test_what_was_bought_or_owed_pays_for_months_before_it_too(use: Meter, key: APIKey, acme: Workspace, kind: str) -> None:
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    credit(acme, "100", kind, "10-02")
    assert finalized()[0].credits_applied == Decimal(100)


@pytest.mark.parametrize("kind", ["promotional", "goodwill", "purchased"])
def test_credit_of_a_month_is_used_on_its_usage_that_a_later_invoice_carries(
    use: Meter, key: APIKey, acme: Workspace, settings: Any, kind: str
) -> None:
    settings.INVOICE_MINIMUM = Decimal("10.00")
    use(key, "09-14T10:00", usage=tokens(input=4_000_000))
    gift = credit(acme, "5", kind, "09-01", "10-01")
    assert finalized() == []
    use(key, "10-02T10:00", usage=HUNDRED_MILLION)
    assert upcoming(acme, NOW).amount_due == Decimal(151)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert (october.subtotal, october.amount_due, used_of(gift)) == (Decimal(156), Decimal(151), Decimal(5))
    assert money_differences() == []


def test_each_credit_pays_no_more_than_its_own_months_come_to(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "08-14T10:00", usage=HUNDRED_MILLION)
    finalized(AUGUST)
    use(key, "08-15T10:00", usage=tokens(input=20_000_000))
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    early = credit(acme, "70", "promotional", "08-01", "09-01")
    late = credit(acme, "200", "promotional", "09-20")
    (september,) = finalized()
    assert (september.subtotal, september.promotional) == (Decimal(180), Decimal(180))
    assert (used_of(early), used_of(late), september.status) == (Decimal(30), Decimal(150), "paid")


def test_promotional_credit_lowers_the_tax_of_the_months_that_it_pays_for(use: Meter, key: APIKey, acme: Workspace) -> None:
    nineteen, ten = (TaxRate.objects.create(name="VAT", percent=Decimal(percent)) for percent in (19, 10))
    save_terms(acme, {}, [nineteen], OPS, at("09-01T00:00"))
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    finalized()
    save_terms(acme, {}, [ten], OPS, at("10-01T00:00"))
    use(key, "09-20T10:00", "10-02T10:00", usage=HUNDRED_MILLION)
    credit(acme, "30", "promotional", "10-15")
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert october.taxes == [
        {"name": "VAT", "percent": "10", "taxable": "120.00", "amount": "12.00"},
        {"name": "VAT", "percent": "19", "taxable": "150.00", "amount": "28.50"},
    ]


# --- Drafts --------------------------------------------------------------------------------------------------------


def drafts(workspace: Workspace) -> list[tuple[int, str, str]]:
    found = workspace.invoices.filter(status="draft").order_by("period_start")
    return [(each.period_start.month, str(each.promotional), str(each.credits_applied)) for each in found]


@pytest.mark.parametrize(("kind", "shown"), [("promotional", ["100.00", "0.00"]), ("purchased", ["0.00", "100.00"])])
def test_two_drafts_never_show_the_same_credit(use: Meter, key: APIKey, acme: Workspace, kind: str, shown: list[str]) -> None:
    use(key, "09-14T10:00", "10-14T10:00", usage=HUNDRED_MILLION)
    credit(acme, "100", kind, "09-01")
    closed(SEPTEMBER, IN_NOVEMBER)
    closed(OCTOBER, IN_NOVEMBER)
    assert drafts(acme) == [(9, *shown), (10, "0.00", "0.00")]
    credit(acme, "80", "goodwill", "09-02")
    closed(SEPTEMBER, IN_NOVEMBER)
    left = {"promotional": ("50.00", "30.00"), "purchased": ("150.00", "30.00")}[kind]
    assert [each[2] for each in drafts(acme)] == list(left)
    close_months_due(at("11-06T00:00"))
    assert money_differences() == []
    assert acme.invoices.get(period_start=SEPTEMBER.start).credits_applied == Decimal(left[0])
    assert acme.invoices.get(period_start=OCTOBER.start).credits_applied == Decimal(left[1])


def test_the_draft_of_a_reissue_takes_its_credit_from_that_of_a_later_month(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", "10-14T10:00", usage=HUNDRED_MILLION)
    (september,) = finalized()
    void(september.pk, "wrong address", OPS, NOW)
    credit(acme, "100", "purchased", "10-16")
    closed(OCTOBER, IN_NOVEMBER)
    assert drafts(acme) == [(10, "0.00", "100.00")]
    reissue(september.pk, OPS, IN_NOVEMBER)
    assert drafts(acme) == [(9, "0.00", "100.00"), (10, "0.00", "0.00")]


# --- Balance of void months ----------------------------------------------------------------------------------------


def test_the_usage_of_a_void_month_still_counts_against_the_balance(use: Meter, key: APIKey, acme: Workspace) -> None:
    save_terms(acme, {"mode": "prepaid"}, None, OPS, at("09-01T00:00"))
    credit(acme, "150", "purchased", "09-01")
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    (september,) = finalized()
    assert (september.status, balance_of(acme, NOW).left) == ("paid", Decimal(0))
    # Paid by credit, it is credited; one that is owed is voided.
    use(key, "08-14T10:00", usage=HUNDRED_MILLION)
    (august,) = finalized(AUGUST)
    assert balance_of(acme, NOW).left == Decimal(0)
    void(august.pk, "wrong address", OPS, NOW)
    assert (balance_of(acme, NOW).left, balance_of(acme, NOW).unbilled) == (Decimal(-150), Decimal(150))


def test_credit_that_a_void_gave_back_is_not_free(use: Meter, key: APIKey, acme: Workspace) -> None:
    save_terms(acme, {"mode": "prepaid"}, None, OPS, at("09-01T00:00"))
    credit(acme, "149.50", "purchased", "09-01")
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    (september,) = finalized()
    assert (september.amount_due, balance_of(acme, NOW).left) == (Decimal("0.50"), Decimal(0))
    void(september.pk, "wrong address", OPS, NOW)
    balance = balance_of(acme, NOW)
    assert (balance.credits, balance.unbilled, balance.left) == (Decimal("149.50"), Decimal(150), Decimal("-0.50"))
    draft = reissue(september.pk, OPS, NOW)
    assert draft is not None
    assert balance_of(acme, NOW).left == Decimal("-0.50")
    finalize(draft.pk, OPS, NOW)
    assert balance_of(acme, NOW).left == Decimal(0)


def _month(month: str) -> Any:
    from metering.periods import parse_month

    return parse_month(f"2026-{month}")


def test_an_invoice_with_nothing_due_is_paid_at_once(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=tokens(input=1000))
    (tiny,) = finalized()
    assert (tiny.total, tiny.status, tiny.paid_at, tiny.payment_reference) == (Decimal(0), "paid", NOW, "")
    assert Invoice.objects.owed().count() == 0
