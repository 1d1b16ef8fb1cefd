"""CSV for bookkeepers: every document, line, payment and credit movement of the period, one's own only."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from metering.credits import ledger
from metering.invoicing.lifecycle.void import void
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import BillingTerms
from metering.payments.collecting.manual import mark_paid
from metering.payments.exports.export import export as export_csv
from metering.payments.models import Payment
from metering.payments.refunds import refunds
from metering.payments.refunds.reversals import issue_credit_note
from metering.periods import Period
from tests.kit.billing import Meter, an_invoice
from tests.kit.factories import NOW, make_workspace
from tests.kit.tenants import client_of
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
OCTOBER = {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}


def export(workspace: Workspace, kind: str, **asked: str) -> list[dict[str, str]]:
    with time_machine.travel(NOW, tick=False):
        answer: Any = client_of(workspace).get(f"/api/v1/exports/{kind}", OCTOBER | asked)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Disposition"].endswith('.csv"')
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_invoices_with_their_sums(acme: Workspace, use: Meter) -> None:
    BillingTerms.objects.create(workspace=acme, legal_name="=HYPERLINK(1)", tax_id="DE1")
    ledger.grant(acme, "goodwill", Decimal("7.00"), "ops", NOW)
    invoice = an_invoice(acme, use)
    (row,) = export(acme, "invoices")
    assert (row["document"], row["number"], row["status"], row["month"]) == ("invoice", invoice.number, "open", "2026-09")
    assert (row["customer"], row["tax_id"]) == ("'=HYPERLINK(1)", "DE1")
    sums = (row["subtotal"], row["total"], row["credits_applied"], row["amount_due"])
    assert sums == ("150.00", "150.00", "7.00", "143.00")


def test_credit_notes_and_refunds_are_below_zero(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 1", "ops", NOW)
    issue_credit_note(invoice.pk, None, "all wrong", "outside", "ops", NOW, reference="transfer 2")
    documents = [(row["document"], row["total"]) for row in export(acme, "invoices")]
    assert documents == [("invoice", "150.00"), ("credit_note", "-150.00")]
    money = [(row["document"], row["for"], row["reference"], row["amount"]) for row in export(acme, "payments")]
    assert money == [
        ("payment", invoice.number, "transfer 1", "150.00"),
        ("refund", invoice.number, "transfer 2", "-150.00"),
    ]
    assert refunds.refundable_amount(Payment.objects.get()) == Decimal("0.00")


def test_a_files_name_says_its_first_and_last_day() -> None:
    october = Period(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    named = export_csv("lines", october)["Content-Disposition"]
    assert named == 'attachment; filename="lines-2026-10-01-to-2026-10-31.csv"'


def test_lines_add_up_to_their_invoices(acme: Workspace, invoice: Invoice) -> None:
    (row,) = export(acme, "lines")
    assert (row["number"], row["kind"], row["model"], row["component"]) == (invoice.number, "usage", "codex-mini", "input")
    assert (row["quantity"], row["rate_per_million"], row["amount_exact"], row["amount"]) == (
        "100000000",
        "1.500000",
        "150.000000000000",
        "150.00",
    )


def test_lines_of_a_void_invoice_come_to_nothing_and_an_exported_month_stays(
    acme: Workspace, use: Meter, invoice: Invoice
) -> None:
    october = {"end": "2026-11-01T00:00:00Z"}
    november = {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
    other = an_invoice(acme, use, month="08")
    void(other.pk, "wrong address", "ops", NOW)
    before = export(acme, "lines", **october)
    assert [(row["number"], row["amount"]) for row in before] == [(invoice.number, "150.00")]
    void(invoice.pk, "wrong address", "ops", datetime(2026, 11, 3, tzinfo=UTC))
    assert export(acme, "lines", **october) == before
    (row,) = export(acme, "lines", **november)
    assert (row["number"], row["line_id"], row["description"]) == (
        invoice.number,
        before[0]["line_id"],
        "Voided: codex-mini, input",
    )
    assert (row["quantity"], row["amount_exact"], row["amount"]) == ("-100000000", "-150.000000000000", "-150.00")
    assert export(acme, "lines", start=OCTOBER["start"], end=november["end"]) == []


def test_every_movement_of_credits(acme: Workspace, use: Meter) -> None:
    ledger.grant(acme, "goodwill", Decimal("7.00"), "ops", NOW, note="Sorry")
    invoice = an_invoice(acme, use)
    rows = [(row["movement"], row["invoice"], row["note"], row["amount"]) for row in export(acme, "credits")]
    assert rows == [("grant", "", "Sorry", "7.00"), ("consumption", invoice.number, "Sorry", "-7.00")]


def test_the_period_is_half_open_and_a_stranger_has_nothing(acme: Workspace, invoice: Invoice) -> None:
    assert export(acme, "invoices", start="2026-10-15T12:00:00Z", end="2026-10-15T12:00:01Z") != []
    assert export(acme, "invoices", end="2026-10-15T12:00:00Z") == []
    for kind in ("invoices", "lines", "payments", "credits"):
        assert export(make_workspace(f"Beta {kind}"), kind) == []
    assert client_of(acme).get("/api/v1/exports/nothing", OCTOBER).status_code == 404


def test_the_events_under_a_line_as_csv(acme: Workspace, use: Meter, monkeypatch: Any) -> None:
    from metering.invoicing import api
    from metering.invoicing.lifecycle.close import close_workspaces
    from metering.periods import parse_month
    from tests.kit.billing import tokens
    from tests.kit.factories import make_key

    monkeypatch.setattr(api, "EVENTS_AT_ONCE", 2)
    use(make_key(acme), *[f"09-14T10:00:0{second}" for second in range(5)], usage=tokens(input=1_000_000))
    (invoice,) = close_workspaces(parse_month("2026-09"), NOW)
    line = invoice.lines.get()
    with time_machine.travel(NOW, tick=False):
        url = f"/api/v1/invoices/{invoice.public_id}/lines/{line.public_id}/events"
        answer: Any = client_of(acme).get(url, {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["request_id"] for row in rows] == [f"req-{number}" for number in (5, 4, 3, 2, 1)]
    assert {(row["quantity"], row["amount_exact"]) for row in rows} == {("1000000", "1.500000000000")}
