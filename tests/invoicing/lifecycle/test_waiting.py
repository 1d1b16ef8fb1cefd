"""What makes no sense, or leaves events out, waits for a person or says so."""

from decimal import Decimal
from typing import Any

import pytest

from metering.errors import InvoiceNotDraft, NothingToAccept
from metering.invoicing.lifecycle.accept import accept_withdrawal
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.void import void as void_invoice
from metering.invoicing.models import Invoice
from metering.rollups.models import DailyRollup
from tests.kit.billing import AUGUST, NOVEMBER, OCTOBER, Meter, at, closed, finalized, lines_of, tokens
from tests.kit.factories import NOW, an_event, make_key, make_price, make_workspace, send
from workspaces.models import APIKey, AuditEntry, Workspace

pytestmark = pytest.mark.django_db
# At 1.50 USD per million.
MILLION = tokens(input=1_000_000)
HUNDRED_MILLION = tokens(input=100_000_000)
IN_NOVEMBER = at("11-05T00:00")
IN_DECEMBER = at("12-05T00:00")


def test_an_implausible_invoice_waits_with_its_reason(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    finalized()
    use(key, "10-02T10:00", usage=tokens(input=2_100_000_000))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    reason = "The subtotal of 3150.00 USD is 21 times the mean of the last invoices, 150.00 USD."
    assert (october.status, october.holds, october.held) == ("draft", ["implausible"], reason)
    assert close_months_due(IN_NOVEMBER) == {"drafts": 0, "finalized": 0, "held": 1, "incomplete": 0, "failed": 0}
    released = finalize(october.pk, "ops@omixa.example", IN_NOVEMBER)
    assert (released.status, released.holds, released.held, released.total) == ("open", [], "", Decimal("3150.00"))


def test_a_large_invoice_of_a_steady_customer_does_not(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    finalized()
    use(key, "10-02T10:00", usage=tokens(input=2_000_000_000))
    assert finalized(OCTOBER, IN_NOVEMBER)[0].status == "open"


@pytest.fixture
def lost(use: Meter, key: APIKey, acme: Workspace) -> Invoice:
    """A draft of October that takes back 1,000,000 tokens of September, which the ledger has lost."""
    use(key, "09-14T10:00", "09-15T10:00", usage=MILLION)
    finalized()
    DailyRollup.objects.filter(workspace=acme, day=at("09-15T00:00")).delete()
    (held,) = finalized(OCTOBER, IN_NOVEMBER)
    return held


def test_what_nothing_explains_waits_and_is_taken_back_once_a_person_accepts_it(
    use: Meter, key: APIKey, acme: Workspace, lost: Invoice
) -> None:
    reason = "1,000,000 tokens are taken back (September 2026: codex-mini, input) and nothing explains it."
    assert (lost.status, lost.holds, lost.held, lost.subtotal) == ("draft", ["unexplained"], reason, Decimal("-1.50"))
    use(key, "11-02T00:00", "11-03T00:00", usage=MILLION, now=IN_NOVEMBER)
    assert accept_withdrawal(lost.pk, "a backup was restored", "ops@omixa.example", IN_NOVEMBER) is None
    close_months_due(IN_DECEMBER)
    assert lines_of(acme.invoices.get(period_start=NOVEMBER.start)) == [
        ("usage", "codex-mini, input", 2_000_000, "3", "3.00"),
        ("adjustment", "September 2026: codex-mini, input", -1_000_000, "-1.5", "-1.50"),
    ]
    assert acme.invoices.filter(status="draft").count() == 0
    with pytest.raises(Invoice.DoesNotExist):
        accept_withdrawal(lost.pk, "again", "ops@omixa.example", IN_DECEMBER)


def test_what_was_accepted_explains_nothing_that_is_lost_later(use: Meter, key: APIKey, acme: Workspace, lost: Invoice) -> None:
    use(key, "10-14T10:00", "10-15T10:00", usage=MILLION)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    accepted = accept_withdrawal(october.pk, "a backup was restored", "ops@omixa.example", IN_NOVEMBER)
    assert accepted is not None
    assert (accepted.holds, accepted.held) == ([], "")
    assert AuditEntry.objects.filter(action="invoice.accepted", target=accepted.public_id).count() == 1
    assert finalized(OCTOBER, IN_NOVEMBER)[0].status == "open"
    DailyRollup.objects.filter(workspace=acme, day=at("09-14T00:00")).delete()
    use(key, "11-02T00:00", usage=HUNDRED_MILLION, now=IN_NOVEMBER)
    (november,) = finalized(NOVEMBER, IN_DECEMBER)
    assert "1,000,000 tokens are taken back" in november.held


def test_nothing_else_is_accepted(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = closed()
    with pytest.raises(NothingToAccept):
        accept_withdrawal(draft.pk, "why not", "ops@omixa.example", NOW)
    (invoice,) = finalized()
    with pytest.raises(InvoiceNotDraft):
        accept_withdrawal(invoice.pk, "why not", "ops@omixa.example", NOW)


def test_a_month_of_nothing_but_unpriced_events_is_counted_and_waits_where_that_is_set(
    use: Meter, key: APIKey, acme: Workspace, settings: Any
) -> None:
    unpriced = an_event(key, request_id="u", model="unknown-model", occurred_at=at("09-15T00:00").isoformat())
    send(use.gateway, [unpriced], NOW)
    assert close_months_due(NOW) == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 1, "failed": 0}
    settings.INVOICE_WAITS_FOR_EVENTS = True
    assert close_months_due(NOW) == {"drafts": 0, "finalized": 0, "held": 1, "incomplete": 1, "failed": 0}
    assert acme.invoices.get().held == "1 request of September 2026 without a price yet: not billed."


@pytest.mark.parametrize(("moment", "warned"), [("2026-09-30T23:59:00Z", ["September"]), ("2026-10-01T00:00:00Z", [])])
def test_a_quarantined_event_counts_for_the_month_it_names_whenever_it_arrived(
    use: Meter, key: APIKey, moment: str, warned: list[str]
) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    bad = an_event(key, request_id="bad", occurred_at=moment, usage={"prompt_tokens": -5, "completion_tokens": 1})
    send(use.gateway, [bad], at("10-01T00:10"))
    (invoice,) = finalized()
    assert invoice.warnings == [f"1 event of {month} 2026 in the quarantine: not billed." for month in warned]


def test_a_first_invoice_above_the_ceiling_waits(use: Meter, key: APIKey, settings: Any) -> None:
    settings.INVOICE_SAFETY_CEILING = Decimal("149.99")
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    (september,) = finalized()
    reason = "The subtotal of 150.00 USD is above 149.99 USD, and the workspace has no earlier invoice to compare it with."
    assert (september.status, september.held) == ("draft", reason)
    released = finalize(september.pk, "ops@omixa.example", NOW)
    assert (released.status, released.held, released.total) == ("open", "", Decimal("150.00"))


def test_the_ceiling_is_100000_usd_and_included(use: Meter, key: APIKey) -> None:
    make_price("even", input="100", output="0")
    use(key, "09-14T10:00", usage=tokens(input=1_000_000_000), model="even")
    use(make_key(make_workspace("Rival")), "09-14T10:00", usage=tokens(input=1_000_000_100), model="even")
    assert [(each.status, each.subtotal) for each in finalized()] == [
        ("open", Decimal("100000.00")),
        ("draft", Decimal("100000.01")),
    ]


def test_the_ceiling_is_no_matter_once_there_is_an_invoice_to_compare_with(use: Meter, key: APIKey, settings: Any) -> None:
    """Below the floor and above it: a large customer's invoices go out by themselves."""
    use(key, "08-14T10:00", usage=HUNDRED_MILLION)
    finalized(AUGUST)
    settings.INVOICE_SAFETY_CEILING = Decimal("100.00")
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    use(key, "10-02T10:00", usage=tokens(input=2_000_000_000))
    assert [(each.status, each.subtotal) for each in finalized() + finalized(OCTOBER, IN_NOVEMBER)] == [
        ("open", Decimal("150.00")),
        ("open", Decimal("3000.00")),
    ]


def test_a_void_invoice_is_none_to_compare_with(use: Meter, key: APIKey, settings: Any) -> None:
    use(key, "08-14T10:00", "09-14T10:00", usage=HUNDRED_MILLION)
    (august,) = finalized(AUGUST)
    void_invoice(august.pk, "a wrong price", "ops@omixa.example", NOW)
    settings.INVOICE_SAFETY_CEILING = Decimal("149.99")
    assert finalized()[0].status == "draft"


def test_unpriced_events_are_a_warning_or_a_reason_to_wait(use: Meter, key: APIKey, settings: Any) -> None:
    use(key, "09-14T10:00", "10-02T10:00", usage=MILLION)
    send(use.gateway, [an_event(key, request_id="u", model="unknown-model", occurred_at=at("09-15T00:00").isoformat())], NOW)
    warning = "1 request of September 2026 without a price yet: not billed."
    settings.INVOICE_WAITS_FOR_EVENTS = True
    (waits,) = finalized()
    assert (waits.status, waits.holds, waits.held) == ("draft", ["events"], warning)
    settings.INVOICE_WAITS_FOR_EVENTS = False
    (invoice,) = finalized()
    assert (invoice.status, invoice.warnings) == ("open", [warning])
    assert finalized(OCTOBER, IN_NOVEMBER)[0].warnings == []
