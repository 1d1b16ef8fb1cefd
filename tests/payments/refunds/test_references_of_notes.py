"""A credit note is found by its reference, and the same reference makes one note of an invoice, however it is sent."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from metering.errors import NothingToCredit
from metering.invoicing.credit_notes.as_json import credit_note_json
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.documents.credit_note import credit_note_facts
from metering.invoicing.models import Invoice
from metering.payments.collecting.collect import payment_page
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Refund
from metering.payments.refunds.reversals import issue_credit_note
from metering.reconcile.everything import money_differences
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import Meter, an_invoice
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"


def noted(invoice: Invoice, reference: str = "", amount: str | None = "30.00", settlement: str = "") -> CreditNote:
    amounts = None if amount is None else {invoice.lines.get().public_id: Decimal(amount)}
    return issue_credit_note(invoice.pk, amounts, "an outage", settlement, OPS, NOW, reference)


def credited(invoice: Invoice) -> list[tuple[str, str]]:
    return [(note.reference, str(note.total)) for note in CreditNote.objects.filter(invoice=invoice).order_by("pk")]


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("credit_invoice", *arguments, stdout=out)
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed


@pytest.mark.parametrize("amount", ["30.00", "20.00", "150.00", None])
def test_a_reference_given_twice_makes_one_note(invoice: Invoice, amount: str | None) -> None:
    noted(invoice, "ticket 7", amount)
    with pytest.raises(NothingToCredit, match="A credit note with the reference 'ticket 7' was recorded before") as refused:
        noted(invoice, "  ticket 7 ", amount)
    assert refused.value.param == "reference"
    assert credited(invoice) == [("ticket 7", amount or "150.00")]
    assert money_differences() == []


def test_notes_without_a_reference_are_as_many_as_are_issued(invoice: Invoice) -> None:
    noted(invoice)
    noted(invoice, "  ")
    noted(invoice, "ticket 7")
    assert credited(invoice) == [("", "30.00"), ("", "30.00"), ("ticket 7", "30.00")]


def test_another_invoice_may_have_a_note_with_the_same_reference(invoice: Invoice, use: Meter) -> None:
    theirs = an_invoice(make_workspace("Beta"), use)
    noted(invoice, "ticket 7")
    noted(theirs, "ticket 7")
    assert (credited(invoice), credited(theirs)) == ([("ticket 7", "30.00")], [("ticket 7", "30.00")])


def test_a_reference_has_at_most_200_characters(invoice: Invoice) -> None:
    with pytest.raises(InvalidParameter, match="by which the credit note can be found, of at most 200 characters"):
        noted(invoice, "x" * 201)
    assert noted(invoice, "x" * 200).reference == "x" * 200


def test_the_database_refuses_a_second_note(invoice: Invoice) -> None:
    note = noted(invoice, "ticket 7")
    note.pk, note.public_id, note.number = None, "cn_2", "OMX-CN-2026-00002"
    with pytest.raises(IntegrityError, match="one_credit_note_per_invoice_and_reference"), transaction.atomic():
        note.save(force_insert=True)


def test_a_note_sent_again_closes_no_payment_page(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    noted(invoice, "ticket 7")
    payment_page(invoice, NOW)
    with pytest.raises(NothingToCredit, match="was recorded before"):
        noted(invoice, "ticket 7")
    assert [each["status"] for each in stripe.of("checkout.session")] == ["open"]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_note(invoice: Invoice) -> None:
    made = at_once(*[lambda: noted(invoice, "ticket 7")] * 4)
    refused = [each for each in made if not isinstance(each, CreditNote)]
    assert [str(each) for each in refused] == ["A credit note with the reference 'ticket 7' was recorded before."] * 3
    assert credited(invoice) == [("ticket 7", "30.00")]
    invoice.refresh_from_db()
    assert (invoice.amount_due, money_differences()) == (Decimal("120.00"), [])


def test_where_money_given_back_by_hand_is_found(invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 17", OPS, NOW)
    noted(invoice, "transfer 18", settlement="outside")
    noted(invoice, settlement="outside")
    assert list(Refund.objects.order_by("pk").values_list("reference", flat=True)) == ["transfer 18", "an outage"]
    assert credited(invoice) == [("transfer 18", "30.00"), ("", "30.00")]


def test_a_long_reason_says_where_the_transfer_is_found_as_far_as_it_fits(invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 17", OPS, NOW)
    run(invoice.public_id, "--reason", "y" * 300, "--as", "outside")
    assert Refund.objects.get().reference == "y" * 200


def test_it_is_shown_printed_and_on_the_trail(invoice: Invoice) -> None:
    note, bare = noted(invoice, "ticket 7"), noted(invoice)
    assert (credit_note_json(note)["reference"], credit_note_json(bare)["reference"]) == ("ticket 7", None)
    assert ("Reference", "ticket 7") in credit_note_facts(note)
    assert "Reference" not in dict(credit_note_facts(bare))
    entries = AuditEntry.objects.filter(action="credit_note.issued").order_by("id")
    assert [entry.detail["reference"] for entry in entries] == ["ticket 7", ""]


def test_the_command_takes_one(invoice: Invoice) -> None:
    given = [invoice.public_id, "--amount", "30.00", "--reason", "slow", "--reference", "ticket 7"]
    assert run(*given)["reference"] == "ticket 7"
    with pytest.raises(CommandError, match="was recorded before"):
        run(*given)
    assert run(*given[:-2])["reference"] is None
    assert credited(invoice) == [("ticket 7", "30.00"), ("", "30.00")]
