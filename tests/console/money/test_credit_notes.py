"""Credit notes, voiding and giving up through the console: what is offered, asked, refused and done."""

import re
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from metering.console.money.invoice_actions import invoice_admin_url
from metering.credits import ledger
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.models import Invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Payment, Refund
from tests.console.conftest import OPERATOR, World
from tests.kit.factories import NOW, an_event, send
from tests.kit.operator import act_on_invoice, acts_on, confirms, submit, token_of

ACTS = ("finalize", "mark_paid", "credit", "uncollectible", "void", "reissue")


@pytest.fixture
def invoice(world: World) -> Invoice:
    """Acme's September: 1.50 for input and 6.00 for output, and the golden event; open."""
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000}
    send(world.gateway, [an_event(world.key, request_id="large", occurred_at="2026-09-03T10:00:00Z", usage=usage)])
    made = finalize(world.invoice.pk, "tests", NOW)
    assert (made.total, made.status) == (Decimal("7.50"), "open")
    return made


def line(invoice: Invoice, component: str) -> str:
    return invoice.lines.get(component=component).public_id


def offered(console: Client, invoice: Invoice) -> set[str]:
    page = console.get(reverse("admin:metering_invoice_change", args=[invoice.pk])).content.decode()
    return {name for name in ACTS if reverse(f"admin:metering_invoice_{name}", args=[invoice.pk]) in page}


def note_page(console: Client, note: CreditNote) -> str:
    return console.get(reverse("admin:metering_creditnote_change", args=[note.pk])).content.decode()


def test_each_status_offers_what_it_allows(console: Client, world: World, invoice: Invoice) -> None:
    assert offered(console, invoice) == {"mark_paid", "credit", "uncollectible", "void"}
    act_on_invoice(console, "uncollectible", invoice, reason="insolvent")
    assert (invoice.status, invoice.status_reason) == ("uncollectible", "insolvent")
    assert offered(console, invoice) == {"mark_paid", "credit", "void"}
    act_on_invoice(console, "credit", invoice, what="lines", reason="an outage", **{line(invoice, "output"): "1.00"})
    assert offered(console, invoice) == {"mark_paid", "credit"}
    mark_paid(invoice.pk, "transfer 17", "tests", NOW)
    assert offered(console, invoice) == {"credit"}
    act_on_invoice(console, "credit", invoice, what="whole", reason="all of it", settlement="outside", reference="transfer 18")
    assert offered(console, invoice) == set()


def test_a_void_invoice_says_why_and_its_month_is_reissued(console: Client, invoice: Invoice) -> None:
    assert b"This field is required" in act_on_invoice(console, "void", invoice, reason="").content
    assert act_on_invoice(console, "void", invoice, reason="the wrong customer").status_code == 302
    assert (invoice.status, invoice.status_reason, invoice.voided_at) == ("void", "the wrong customer", NOW)
    assert offered(console, invoice) == {"reissue"}
    page = console.get(reverse("admin:metering_invoice_change", args=[invoice.pk])).content.decode()
    assert "the wrong customer" in page
    assert "reissue its month, if it is to be billed" in page
    answer = act_on_invoice(console, "reissue", invoice)
    draft = Invoice.objects.exclude(pk=invoice.pk).get(period_start=invoice.period_start)
    assert answer["Location"] == reverse("admin:metering_invoice_change", args=[draft.pk])
    assert (draft.status, draft.total, offered(console, draft)) == ("draft", Decimal("7.50"), {"finalize"})
    assert offered(console, invoice) == set()
    assert b"has an invoice" in act_on_invoice(console, "reissue", invoice).content
    assert (OPERATOR, "invoice.voided") in acts_on(invoice.public_id)


def test_amounts_of_lines_are_credited_and_lower_what_is_due(console: Client, invoice: Invoice) -> None:
    output, input = line(invoice, "output"), line(invoice, "input")
    answer = act_on_invoice(console, "credit", invoice, what="lines", reason="an outage", **{output: "2.00", input: "0.50"})
    note = CreditNote.objects.get()
    assert answer["Location"] == reverse("admin:metering_creditnote_change", args=[note.pk])
    assert (note.total, note.off_due, note.given_back, invoice.amount_due) == (
        Decimal("2.50"),
        Decimal("2.50"),
        Decimal("0.00"),
        Decimal("5.00"),
    )
    assert (note.issued_by, acts_on(note.public_id)) == (OPERATOR, [(OPERATOR, "credit_note.issued")])
    assert "OMX-CN-2026-00001" in note_page(console, note)
    form = console.get(reverse("admin:metering_invoice_credit", args=[invoice.pk])).content.decode()
    assert "at most $4.00" in form
    # What the script adds up stands beside what is left.
    assert ("console/credit_note.js" in form, "$5.00 are left." in form) == (True, True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"what": "lines", "reason": "an outage"}, "Give an amount of at least one line"),
        ({"what": "whole", "reason": "an outage", "output": "1.00"}, "You gave amounts of single lines"),
        ({"what": "whole", "reason": ""}, "This field is required"),
        ({"what": "lines", "reason": "an outage", "output": "6.01"}, "less than or equal to 6.00"),
        ({"what": "lines", "reason": "an outage", "output": "0.001"}, "no more than 2 decimal places"),
        ({"what": "lines", "reason": "an outage", "output": "-1"}, "greater than or equal to 0.01"),
    ],
)
def test_what_cannot_be_credited_is_said_on_the_form(
    console: Client, invoice: Invoice, asked: dict[str, str], said: str
) -> None:
    output = {line(invoice, "output"): asked.pop("output")} if "output" in asked else {}
    assert said in act_on_invoice(console, "credit", invoice, **asked, **output).content.decode()
    assert (CreditNote.objects.count(), invoice.amount_due) == (0, Decimal("7.50"))


def test_how_money_goes_back_is_asked_only_where_some_came(console: Client, invoice: Invoice) -> None:
    form = reverse("admin:metering_invoice_credit", args=[invoice.pk])
    assert 'name="settlement"' not in console.get(form).content.decode()
    mark_paid(invoice.pk, "transfer 17", "tests", NOW)
    asked = console.get(form).content.decode()
    assert ("kept as credit" in asked, "given back by hand" in asked, "through Stripe" in asked) == (True, True, False)
    without = act_on_invoice(console, "credit", invoice, what="whole", reason="an outage", settlement="outside", reference="")
    assert "Give a reference by which the refund can be found" in without.content.decode()
    act_on_invoice(console, "credit", invoice, what="whole", reason="an outage", settlement="balance", reference="")
    note = CreditNote.objects.get()
    assert (note.settlement, note.given_back) == ("balance", Decimal("7.50"))
    assert [str(each.left) for each in ledger.remaining_grants(invoice.workspace)] == ["7.50"]
    assert "Kept as credit" in note_page(console, note)


def test_a_reference_makes_one_note_and_is_refused_beside_its_field(console: Client, invoice: Invoice) -> None:
    asked = {"what": "lines", "reason": "an outage", line(invoice, "output"): "1.00", "reference": "ticket 7"}
    act_on_invoice(console, "credit", invoice, **asked)
    again = act_on_invoice(console, "credit", invoice, **asked).content.decode()
    assert "A credit note with the reference &#x27;ticket 7&#x27; was recorded before." in again
    note = CreditNote.objects.get()
    assert "ticket 7" in note_page(console, note)


def test_an_invoice_paid_with_credits_is_credited_without_asking(console: Client, world: World) -> None:
    ledger.grant(world.acme, "purchased", Decimal("100.00"), "tests", NOW)
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    send(world.gateway, [an_event(world.key, request_id="large", occurred_at="2026-09-03T10:00:00Z", usage=usage)])
    paid = finalize(world.invoice.pk, "tests", NOW)
    assert paid.status == "paid"
    act_on_invoice(console, "credit", paid, what="whole", reason="an outage")
    assert sum(each.left for each in ledger.remaining_grants(world.acme)) == Decimal("100.00")


def test_only_a_failed_refund_is_offered_to_be_sent_again(console: Client, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 17", "tests", NOW)
    act_on_invoice(console, "credit", invoice, what="whole", reason="an outage", settlement="outside", reference="transfer 18")
    note = CreditNote.objects.get()
    again = reverse("admin:metering_creditnote_retry_refund_of_note", args=[note.pk])
    assert again not in note_page(console, note)
    assert "Nothing of the credit note OMX-CN-2026-00001 is missing." in submit(console, again).content.decode()
    assert (Refund.objects.count(), Payment.objects.get().refunded) == (1, Decimal("7.50"))


def test_credit_notes_are_found_by_number_and_printed(console: Client, world: World, invoice: Invoice) -> None:
    act_on_invoice(console, "credit", invoice, what="whole", reason="an outage")
    note = CreditNote.objects.get()
    listing = reverse("admin:metering_creditnote_changelist")

    def found(**given: str) -> list[CreditNote]:
        return list(console.get(listing, given).context["cl"].result_list)

    assert found(q="OMX-CN-2026-00001") == found(q=note.public_id) == found(q=str(invoice.number)) == found(q="Acm") == [note]
    assert found(q="nobody") == []
    assert found(invoice__workspace__id__exact=str(world.acme.pk)) == [note]
    assert found(invoice__workspace__id__exact=str(world.sandbox.pk)) == []
    printed = console.get(reverse("admin:metering_creditnote_printable", args=[note.pk])).content.decode()
    assert "Credit note OMX-CN-2026-00001" in printed
    change = reverse("admin:metering_creditnote_change", args=[note.pk])
    pdf = reverse("admin:metering_creditnote_pdf", args=[note.pk])
    assert re.findall(r'<a href="([^"]+)">', printed) == [change, invoice_admin_url(invoice), pdf]
    assert pdf in note_page(console, note)
    assert console.get(pdf).content.startswith(b"%PDF-")
    assert console.post(change, {"reason": "another"}).status_code == 403


def credit_address(invoice: Invoice) -> str:
    return reverse("admin:metering_invoice_credit", args=[invoice.pk])


def test_sending_the_form_only_previews_it_with_tax_and_the_amount(console: Client, invoice: Invoice) -> None:
    url = credit_address(invoice)
    form = console.get(url)
    assert re.findall(r'<option value="(\w+)"', form.content.decode())[0] == "lines"
    asked = {"what": "lines", "reason": "an outage", line(invoice, "output"): "2.00"}
    answer = console.post(url, {"form_token": token_of(form), **asked})
    assert confirms(answer) == "Issue the credit note of $2.00 for good"
    assert "Taken off what is due" in answer.content.decode()
    assert CreditNote.objects.count() == 0
    assert invoice.credit_notes.count() == 0


def test_a_preview_that_no_longer_holds_is_shown_again(console: Client, invoice: Invoice) -> None:
    url = credit_address(invoice)
    whole = {"what": "whole", "reason": "all of it"}
    first = console.post(url, {"form_token": token_of(console.get(url)), **whole})
    act_on_invoice(console, "credit", invoice, what="lines", reason="an outage", **{line(invoice, "output"): "2.00"})
    answer = console.post(url, {"form_token": token_of(first), **whole, "confirmed": confirms(first)})
    assert confirms(answer) not in ("", confirms(first))
    assert invoice.credit_notes.count() == 1


def test_change_leads_back_to_the_form_with_what_was_typed(console: Client, invoice: Invoice) -> None:
    url = credit_address(invoice)
    asked = {"what": "lines", "reason": "an outage", line(invoice, "output"): "2.00"}
    preview = console.post(url, {"form_token": token_of(console.get(url)), **asked})
    form = console.post(url, {"form_token": token_of(preview), **asked, "change": "yes"}).content.decode()
    assert 'value="2.00"' in form
    assert 'value="an outage"' in form
    assert invoice.credit_notes.count() == 0
