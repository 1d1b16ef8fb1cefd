"""What was agreed with a workspace is what its invoices say: discounts, minimums, taxes, credits, parties and notes."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from metering.credits import ledger
from metering.errors import NothingToBill
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.models import Invoice
from metering.reconcile.invoices import invoice_differences
from tests.kit.billing import AUGUST, OCTOBER, Meter, agree, at, closed, credit, finalized, lines_of, tokens
from tests.kit.corrections import correct, void
from tests.kit.factories import NOW, make_price
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
# At 1.50 USD per million.
MILLION = tokens(input=1_000_000)
HUNDRED_MILLION = tokens(input=100_000_000)
IN_NOVEMBER = at("11-05T00:00")
IN_DECEMBER = at("12-05T00:00")


def sums(invoice: Invoice) -> tuple[str, ...]:
    amounts = (invoice.subtotal, invoice.promotional, invoice.tax, invoice.total, invoice.credits_applied, invoice.amount_due)
    return tuple(str(amount) for amount in amounts)


# --- Discounts ---------------------------------------------------------------------------------------------------


def test_a_discount_is_a_line_of_its_own(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, discount_percent=Decimal("12.50"))
    use(key, "09-14T10:00", usage=tokens(input=1_000_001))
    (invoice,) = finalized()
    assert lines_of(invoice) == [
        ("usage", "codex-mini, input", 1_000_001, "1.5000015", "1.50"),
        ("discount", "Discount of 12.5 % on list prices", 1, "-0.1875001875", "-0.19"),
    ]
    assert (invoice.subtotal_exact, invoice.total) == (Decimal("1.3125013125"), Decimal("1.31"))
    assert invoice_differences() == []


def test_usage_at_the_workspaces_own_prices_has_no_discount(use: Meter, key: APIKey, acme: Workspace) -> None:
    make_price(model="grok-3", input="3", workspace=acme)
    agree(acme, discount_percent=Decimal("10"))
    use(key, "09-14T10:00", usage=MILLION)
    use(key, "09-14T11:00", usage=MILLION, model="grok-3")
    (invoice,) = finalized()
    assert lines_of(invoice)[2:] == [("discount", "Discount of 10 % on list prices", 1, "-0.15", "-0.15")]
    assert invoice.total == Decimal("4.35")


def test_an_adjusted_month_keeps_the_discount_it_was_billed_by(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, discount_percent=Decimal("10"))
    use(key, "09-14T10:00", usage=MILLION)
    finalized()
    agree(acme, since=OCTOBER, discount_percent=Decimal("50"))
    use(key, "09-20T10:00", "10-02T00:00", usage=MILLION)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [
        ("usage", "codex-mini, input", 1_000_000, "1.5", "1.50"),
        ("discount", "Discount of 50 % on list prices", 1, "-0.75", "-0.75"),
        ("adjustment", "September 2026: codex-mini, input", 1_000_000, "1.5", "1.50"),
        ("discount", "September 2026: Discount of 10 % on list prices", 1, "-0.15", "-0.15"),
    ]
    assert invoice_differences() == []


def test_a_void_takes_its_discount_back(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, discount_percent=Decimal("10"))
    use(key, "09-14T10:00", "10-02T00:00", "10-03T00:00", usage=MILLION)
    finalized()
    correct(use.gateway, void(key, "req-1"), now=IN_NOVEMBER)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october)[2:] == [
        ("adjustment", "September 2026: codex-mini, input", -1_000_000, "-1.5", "-1.50"),
        ("discount", "September 2026: Discount of 10 % on list prices", 1, "0.15", "0.15"),
    ]
    assert october.total == Decimal("1.35")


# --- Minimum commitments -----------------------------------------------------------------------------------------


def test_a_month_below_its_minimum_is_topped_up(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, minimum_commitment=Decimal("20"), discount_percent=Decimal("10"))
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    assert lines_of(invoice)[1:] == [
        ("discount", "Discount of 10 % on list prices", 1, "-0.15", "-0.15"),
        ("minimum", "Minimum commitment of 20.00 USD", 1, "18.65", "18.65"),
    ]
    assert invoice.total == Decimal("20.00")


def test_a_month_above_its_minimum_is_not(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, minimum_commitment=Decimal("20"))
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    (invoice,) = finalized()
    assert (len(lines_of(invoice)), invoice.total) == (1, Decimal("150.00"))


def test_late_usage_of_a_month_that_was_topped_up_costs_what_exceeds_the_minimum(
    use: Meter, key: APIKey, acme: Workspace
) -> None:
    agree(acme, minimum_commitment=Decimal("2"))
    use(key, "09-14T10:00", usage=MILLION)
    finalized()
    use(key, "09-20T10:00", "10-02T00:00", "10-03T00:00", usage=MILLION)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october)[1:] == [
        ("adjustment", "September 2026: codex-mini, input", 1_000_000, "1.5", "1.50"),
        ("minimum", "September 2026: Minimum commitment of 2.00 USD", 1, "-0.5", "-0.50"),
    ]
    assert october.total == Decimal("4.00")


def test_a_workspace_without_usage_pays_its_minimum_every_month_since(key: APIKey, acme: Workspace) -> None:
    agree(acme, since=AUGUST, minimum_commitment=Decimal("20"))
    assert close_months_due(IN_NOVEMBER) == {"drafts": 0, "finalized": 3, "held": 0, "incomplete": 0, "failed": 0}
    assert close_months_due(IN_NOVEMBER) == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    assert [str(invoice.total) for invoice in acme.invoices.all()] == ["20.00"] * 3
    assert lines_of(acme.invoices.first()) == [("minimum", "Minimum commitment of 20.00 USD", 1, "20", "20.00")]
    assert invoice_differences() == []


# --- Taxes -------------------------------------------------------------------------------------------------------


def test_each_rate_is_rounded_and_the_tax_is_their_sum(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, {"GST": "5", "QST": "9.975"})
    use(key, "09-14T10:00", usage=tokens(input=67_000_000))
    (invoice,) = finalized()
    assert invoice.taxes == [
        {"name": "GST", "percent": "5", "taxable": "100.50", "amount": "5.03"},
        {"name": "QST", "percent": "9.975", "taxable": "100.50", "amount": "10.02"},
    ]
    assert sums(invoice) == ("100.50", "0.00", "15.05", "115.55", "0.00", "115.55")
    assert invoice_differences() == []


@pytest.mark.parametrize(
    ("treatment", "note", "printed"),
    [
        ("exempt", "", "Exempt from tax."),
        ("reverse_charge", "", "Reverse charge: the recipient of the service accounts for the tax."),
        ("reverse_charge", "Steuerschuldnerschaft des Leistungsempfängers", "Steuerschuldnerschaft des Leistungsempfängers"),
    ],
)
def test_without_tax_the_invoice_says_why(
    use: Meter, key: APIKey, acme: Workspace, treatment: str, note: str, printed: str
) -> None:
    agree(acme, {"VAT": "19"}, tax_treatment=treatment, tax_note=note, purchase_order="PO 4711")
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    assert (invoice.tax, invoice.taxes) == (Decimal("0.00"), [])
    assert invoice.notes == {"tax_note": printed, "purchase_order": "PO 4711"}


def test_what_is_printed_is_copied_and_later_terms_change_nothing(use: Meter, key: APIKey, acme: Workspace) -> None:
    terms = {"legal_name": "Acme GmbH", "address": "Allee 1\nBerlin", "tax_id": "DE1", "recipients": ["a@b.example"]}
    agree(acme, {"VAT": "19"}, payment_days=30, **terms)
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    agree(acme, legal_name="Other", address="", tax_id="", recipients=[], payment_days=5)
    invoice.refresh_from_db()
    assert invoice.buyer == {
        "name": "Acme GmbH",
        "email": "a@b.example",
        "address": "Allee 1\nBerlin",
        "tax_id": "DE1",
        "workspace_id": acme.public_id,
    }
    assert (invoice.due_at - NOW).days == 30
    assert sums(invoice) == ("1.50", "0.00", "0.29", "1.79", "0.00", "1.79")


# --- Credits -----------------------------------------------------------------------------------------------------


def test_promotional_credit_goes_before_tax_and_the_rest_after(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, {"VAT": "20"})
    credit(acme, "50", "promotional")
    purchased = credit(acme, "70", "purchased")
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    assert sums(closed()[0]) == ("150.00", "50.00", "20.00", "120.00", "70.00", "50.00")
    assert ledger.remaining_grants(acme)[1].left == Decimal("70.00")  # a draft uses nothing up
    (invoice,) = finalized()
    assert (invoice.status, *sums(invoice)) == ("open", "150.00", "50.00", "20.00", "120.00", "70.00", "50.00")
    assert ledger.remaining_grants(acme) == []
    assert [(entry.kind, entry.amount) for entry in purchased.entries.order_by("id")] == [("grant", 70), ("consumption", -70)]
    assert invoice_differences() == []


def test_an_invoice_that_credits_cover_is_paid_at_once(use: Meter, key: APIKey, acme: Workspace) -> None:
    credit(acme, "200")
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    (invoice,) = finalized()
    assert (invoice.status, invoice.paid_at, invoice.payment_reference) == ("paid", NOW, "credits")
    assert [(each.left) for each in ledger.remaining_grants(acme)] == [Decimal("50.00")]


def test_sooner_expiry_goes_first_and_promotional_before_what_was_bought(acme: Workspace) -> None:
    bought = credit(acme, "1", "purchased", expires_at=at("10-01T00:00"))
    never = credit(acme, "1", "promotional")
    later = credit(acme, "1", "promotional", expires_at=at("12-01T00:00"), priority=1)
    sooner = credit(acme, "1", "promotional", expires_at=at("11-01T00:00"))
    urgent = credit(acme, "1", "promotional", expires_at=at("12-01T00:00"), priority=0)
    goodwill = credit(acme, "1", "goodwill")
    assert [each.grant for each in ledger.remaining_grants(acme)] == [sooner, urgent, later, never, goodwill, bought]


def test_credit_that_expires_at_midnight_counts_for_the_month_that_ends_then(use: Meter, key: APIKey, acme: Workspace) -> None:
    credit(acme, "1", expires_at=at("09-01T00:00:00.000001"))
    use(key, "09-14T10:00", "08-14T10:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    assert august.credits_applied == Decimal("1.00")


def test_credit_that_expired_before_the_month_does_not(use: Meter, key: APIKey, acme: Workspace) -> None:
    ledger.grant(acme, "goodwill", Decimal("1"), "ops", at("07-01T00:00"), expires_at=at("09-01T00:00"))
    use(key, "09-14T10:00", usage=MILLION)
    assert finalized()[0].credits_applied == Decimal("0.00")


def test_the_preview_leaves_out_credit_that_an_ended_month_will_use(use: Meter, key: APIKey, acme: Workspace) -> None:
    credit(acme, "2")
    use(key, "09-14T10:00", usage=MILLION)
    use(key, "10-02T10:00", usage=MILLION)
    assert upcoming(acme, at("10-15T00:00")).credits_applied == Decimal("0.50")


def test_one_source_is_one_grant(acme: Workspace) -> None:
    first = credit(acme, "5", source="gift 1")
    assert credit(acme, "7", source="gift 1") == first
    assert [each.left for each in ledger.remaining_grants(acme)] == [Decimal("5.00")]


@pytest.mark.parametrize("statement", ["UPDATE metering_creditentry SET amount = 7", "DELETE FROM metering_creditentry"])
def test_the_ledger_is_only_ever_added_to(acme: Workspace, statement: str) -> None:
    credit(acme, "5")
    with pytest.raises(IntegrityError, match="only ever added to"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


# --- The minimum of an invoice -----------------------------------------------------------------------------------


def test_less_than_the_minimum_is_carried_and_said_on_the_next_invoice(
    use: Meter, key: APIKey, acme: Workspace, settings: Any
) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    use(key, "09-14T10:00", usage=tokens(input=200_000))
    (draft,) = closed()
    assert (draft.status, draft.total) == ("draft", Decimal("0.30"))
    assert finalized() == []
    assert acme.invoices.count() == 0
    use(key, "10-02T10:00", usage=tokens(input=200_000))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [
        ("usage", "codex-mini, input", 200_000, "0.3", "0.30"),
        ("adjustment", "September 2026: codex-mini, input", 200_000, "0.3", "0.30"),
    ]
    assert october.notes == {"carried": "Carried over from September 2026, without an invoice of its own."}


def test_exactly_the_minimum_is_issued(use: Meter, key: APIKey, settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal("1.50")
    use(key, "09-14T10:00", usage=MILLION)
    assert finalized()[0].total == Decimal("1.50")


def test_what_rounds_to_nothing_is_not_issued(use: Meter, key: APIKey, settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.01")
    use(key, "09-14T10:00", usage=tokens(input=1000))
    (draft,) = closed()
    with pytest.raises(NothingToBill):
        finalize(draft.pk, "ops@omixa.example", NOW)
    assert finalized() == []


def test_the_preview_carries_what_is_too_small_before_during_and_after_the_grace(
    use: Meter, key: APIKey, acme: Workspace, settings: Any
) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    use(key, "09-14T10:00", usage=tokens(input=200_000))
    use(key, "10-01T10:00", usage=MILLION)
    previews = [upcoming(acme, at("10-02T00:00"))]
    for when in (at("10-02T00:00"), at("10-05T00:00")):
        close_months_due(when)
        previews.append(upcoming(acme, when))
    assert [preview.subtotal for preview in previews] == [Decimal("1.80")] * 3
