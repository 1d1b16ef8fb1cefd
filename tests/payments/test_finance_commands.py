"""The verbs of finance as commands: one JSON object each, the document that came of it."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from metering.invoicing.models import Invoice
from metering.payments.collecting.collect import collect_invoice
from metering.payments.mails.sending import send_waiting
from metering.payments.models import Payment
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.reconcile.everything import money_differences
from tests.kit.billing import Meter, an_invoice
from tests.kit.factories import NOW, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("journal_agrees", "stopped_clock")]


def run(name: str, *arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed


def test_a_part_that_is_recorded_again_by_a_caller_who_got_no_answer_counts_once(acme: Workspace, invoice: Invoice) -> None:
    run("record_payment", invoice.public_id, "60.00", "--reference", "wire-1")
    with pytest.raises(CommandError, match=r"60\.00 with the reference 'wire-1' are recorded for OMX-2026-00001"):
        run("record_payment", invoice.public_id, "60.00", "--reference", "wire-1")
    assert (Payment.objects.count(), str(Invoice.objects.get().amount_due)) == (1, "90.00")
    run("record_payment", invoice.public_id, "60.00", "--reference", "wire-2")
    assert str(Invoice.objects.get().amount_due) == "30.00"


def test_a_part_and_then_the_rest_and_more(acme: Workspace, invoice: Invoice) -> None:
    part = run("record_payment", invoice.public_id, "60.00", "--reference", "wire-1", "--arrived-on", "2026-10-12")
    assert (part["number"], part["status"], part["amount"], part["surplus"]) == (invoice.number, "open", "60.00", "0.00")
    assert part["invoices"][0]["amount_due"] == "90.00"
    rest = run("record_payment", str(invoice.number), "100.00", "--reference", "wire-2")
    assert (rest["status"], rest["amount"], rest["surplus"]) == ("paid", "100.00", "10.00")
    payments = Payment.objects.order_by("pk").values_list("amount", "reference", "invoice__number", "received_at")
    assert [(str(amount), *about, f"{at:%Y-%m-%d %H:%M}") for amount, *about, at in payments] == [
        ("60.00", "wire-1", invoice.number, "2026-10-12 00:00"),
        ("90.00", "wire-2", invoice.number, "2026-10-15 12:00"),
        ("10.00", "wire-2", None, "2026-10-15 12:00"),
    ]
    assert Payment.objects.surplus().get().surplus == f"More than was due on {invoice.number}."
    assert AuditEntry.objects.filter(action="payment.recorded").count() == 2
    send_waiting(NOW)
    subjects = [each.subject for each in mail.outbox]
    assert subjects.count(f"We received 60.00 USD for invoice {invoice.number}") == 1
    assert subjects.count(f"Invoice {invoice.number} is paid") == 1
    assert money_differences() == []


def test_one_transfer_pays_several_invoices_in_their_order(acme: Workspace, invoice: Invoice, use: Meter) -> None:
    second = an_invoice(acme, use, "08", 20)
    paid = run("record_payment", f"{second.number},{invoice.number}", "100.00", "--reference", "wire-3")
    assert [(each["number"], each["status"], each["amount_due"]) for each in paid["invoices"]] == [
        (second.number, "paid", "0.00"),
        (invoice.number, "open", "80.00"),
    ]
    assert sorted(Payment.objects.values_list("reference", "amount")) == [
        ("wire-3", Decimal("30.00")),
        ("wire-3", Decimal("70.00")),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["0.00", "--reference", "r"], "whole cents above zero"),
        (["1.005", "--reference", "r"], "whole cents above zero"),
        (["1.00", "--reference", " "], "Give a reference by which the payment can be found"),
        (["1.00", "--reference", "r", "--arrived-on", "2026-10-16"], "cannot have arrived on a day to come"),
        (["1.00", "--reference", "r", "--arrived-on", "soon"], "--arrived-on is a day such as"),
    ],
)
def test_what_is_no_receipt_is_refused(invoice: Invoice, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("record_payment", invoice.public_id, *arguments)
    assert Payment.objects.count() == 0


def test_nothing_is_recorded_on_an_invoice_that_is_not_owed(invoice: Invoice) -> None:
    run("void_invoice", invoice.public_id, "--reason", "mistake")
    with pytest.raises(CommandError, match="is void: only an open or uncollectible invoice can be"):
        run("record_payment", invoice.public_id, "1.00", "--reference", "r")
    with pytest.raises(CommandError, match="There is no invoice 'inv_x'"):
        run("record_payment", "inv_x", "1.00", "--reference", "r")


def test_void_and_reissue(acme: Workspace, invoice: Invoice) -> None:
    void = run("void_invoice", str(invoice.number), "--reason", "wrong address")
    assert void == {"id": invoice.public_id, "number": invoice.number, "status": "void", "amount": "150.00"}
    draft = run("reissue", acme.public_id, "2026-09")
    assert (draft["number"], draft["status"], draft["amount"]) == (None, "draft", "150.00")
    Invoice.objects.filter(status="draft").delete()
    final = run("reissue", acme.public_id, "2026-09", "--finalize")
    assert (final["number"], final["status"], final["amount"]) == ("OMX-2026-00002", "open", "150.00")
    with pytest.raises(CommandError, match="has no void invoice of 2026-08"):
        run("reissue", acme.public_id, "2026-08")
    send_waiting(NOW)
    assert [each.subject for each in mail.outbox].count(f"Invoice {invoice.number} is void") == 1


def test_write_off_and_its_reversal(invoice: Invoice) -> None:
    off = run("write_off", invoice.public_id, "--reason", "insolvent")
    assert (off["status"], off["amount"]) == ("uncollectible", "150.00")
    back = run("write_off", invoice.public_id, "--reason", "they pay", "--reverse")
    assert (back["status"], back["amount"]) == ("open", "150.00")
    with pytest.raises(CommandError, match="only an uncollectible invoice can be made open again"):
        run("write_off", invoice.public_id, "--reason", "again", "--reverse")
    trail = AuditEntry.objects.filter(target=invoice.public_id).order_by("id").values_list("action", flat=True)
    assert list(trail)[-2:] == ["invoice.uncollectible", "invoice.write_off_reversed"]


def test_credit_by_line_by_amount_and_of_all(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    line = invoice.lines.get().public_id
    first = run("credit_invoice", invoice.public_id, "--line", line, "--amount", "20.00", "--reason", "slow")
    assert (first["status"], first["amount"], first["off_due"], first["settlement"]) == ("issued", "20.00", "20.00", None)
    collect_invoice(invoice.pk, NOW)
    second = run("credit_invoice", invoice.public_id, "--amount", "30.00", "--reason", "slow")
    assert (second["amount"], second["given_back"], second["settlement"]) == ("30.00", "30.00", "refund")
    third = run("credit_invoice", str(invoice.number), "--reason", "all", "--as", "outside")
    assert (third["amount"], third["settlement"]) == ("100.00", "outside")
    with pytest.raises(CommandError, match="Nothing is left"):
        run("credit_invoice", invoice.public_id, "--reason", "more")
    payment = Payment.objects.get()
    assert (payment.amount, payment.refunded) == (Decimal("130.00"), Decimal("130.00"))
    send_waiting(NOW)
    notes = [each for each in mail.outbox if each.subject.startswith("Credit note")]
    assert [each.subject for each in notes] == [
        f"Credit note {each['number']} for invoice {invoice.number}" for each in (first, second, third)
    ]
    assert [name for name, _, _ in notes[1].attachments] == [f"{second['number']}.pdf"]
    assert "30.00 USD go back to the method that you paid with." in notes[1].body
    assert [each.subject for each in mail.outbox].count("We refunded 30.00 USD") == 1


def test_a_surplus_becomes_credit_once(acme: Workspace, invoice: Invoice) -> None:
    run("record_payment", invoice.public_id, "160.00", "--reference", "wire-2")
    surplus = Payment.objects.surplus().get()
    grant = keep_surplus_as_credit(surplus.pk, "they want it so", "ops", NOW)
    assert (grant.kind, grant.amount, Payment.objects.surplus().count()) == ("purchased", Decimal("10.00"), 0)
    with pytest.raises(Exception, match="Nothing of this payment can be kept as credit"):
        keep_surplus_as_credit(surplus.pk, "again", "ops", NOW)
    assert money_differences() == []


@pytest.mark.parametrize("amount", ["1" * 40, "9" * 13, "1e30", "NaN", "Infinity", "1_0", "٣", "0.001", "0"])
def test_an_odd_amount_is_refused_in_a_sentence(acme: Workspace, invoice: Invoice, amount: str) -> None:
    other = make_workspace("Labs", email=acme.email)
    commands: list[list[str]] = [
        ["record_payment", invoice.public_id, amount, "--reference", "t"],
        ["charge_back", invoice.public_id, amount, "--reference", "t"],
        ["pay_out", acme.public_id, amount, "--reference", "t"],
        ["transfer_credit", acme.public_id, other.public_id, amount, "--reference", "t"],
        ["credit_invoice", invoice.public_id, "--amount", amount, "--reason", "x"],
        ["add_line", acme.public_id, "2026-10", amount, "--text", "Set-up"],
        ["grant_credit", acme.public_id, amount],
    ]
    for command, *arguments in commands:
        with pytest.raises(CommandError) as refused:
            call_command(command, *arguments, stdout=StringIO())
        assert "Error" not in str(refused.value), command
    assert Payment.objects.count() == 0
