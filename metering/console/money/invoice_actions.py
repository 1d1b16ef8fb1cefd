"""What an operator does with an invoice: finalize, mark as paid or uncollectible, credit, void, bill a voided month again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from metering import dollars
from metering.checked_inputs import LONGEST_REASON, LONGEST_REFERENCE, checked_reference
from metering.errors import MonthNotEnded
from metering.invoicing.allowed import Act, allowed_acts, current_invoice_of, refusal_of
from metering.invoicing.composing.taxes import tax_label
from metering.invoicing.credit_notes.creditable import Creditable, creditable
from metering.invoicing.credit_notes.issue import checked_note_reference, plan_credit_note
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.lifecycle.accept import accept_withdrawal
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.void import mark_uncollectible, reissue
from metering.invoicing.lifecycle.write_off import reverse_write_off
from metering.invoicing.models import Invoice
from metering.payments.collecting.manual import mark_paid, record_transfer
from metering.payments.refunds.reversals import Returnable, issue_credit_note, returnable_of, void_invoice
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage, Preview

# What one form can show; more is credited in several notes.
MOST_LINES = 300
WHOLE, BY_LINE = "whole", "lines"
# The ids of lines begin so, and name their fields.
LINE = "line_"
SETTLEMENTS = {
    CreditNote.Settlement.REFUND: "refunded through Stripe",
    CreditNote.Settlement.BALANCE: "kept as credit for later invoices",
    CreditNote.Settlement.OUTSIDE: "given back by hand",
}


# What an operator does next where it is allowed: the first of these.
STEPS = {
    Act.FINALIZE: "finalize it",
    Act.REISSUE: "reissue its month, if it is to be billed",
    Act.MARK_PAID: "record the payment when the money has arrived",
}


class PaidForm(forms.Form):
    reference = fields.text("reference", "Where to find the payment, such as the bank transfer's reference.", max_length=200)
    amount = fields.amount(
        "amount (USD)",
        "Left empty: all that is due. More than is due is kept as a surplus.",
        required=False,
        min_value=Decimal("0.01"),
        decimal_places=2,
        max_digits=12,
    )
    arrived_on = fields.day_field("arrived on", "The day, in UTC, on which the money came. Left empty: today.", required=False)


class ReasonForm(forms.Form):
    reason = fields.text("reason", "Stays with the invoice and in the audit trail.", max_length=LONGEST_REASON)


class CreditNoteForm(forms.Form):
    """What a credit note takes back. `credit_form` adds the lines, and how money goes back where some was paid."""

    what = fields.choice("credit", [(BY_LINE, "the amounts given below"), (WHOLE, "all that is left")])
    reason = fields.text("reason", "Printed on the credit note.", max_length=LONGEST_REASON)
    reference = fields.text(
        "reference",
        "By which the note is found, and the transfer where money goes back by hand. One note per invoice and reference.",
        required=False,
        max_length=LONGEST_REFERENCE,
    )
    # What is left before tax, in words.
    net = ""

    class Media:
        js = ("console/credit_note.js",)

    def lines(self) -> list[forms.BoundField]:
        return [field for field in self if field.name.startswith(LINE)]

    def others(self) -> list[forms.BoundField]:
        return [field for field in self if not field.name.startswith(LINE)]

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        amounts = {name: value for name, value in asked.items() if name.startswith(LINE) and value is not None}
        if asked.get("what") == BY_LINE and not amounts and not self.errors:
            self.add_error("what", "Give an amount of at least one line, or credit all that is left.")
        if asked.get("what") == WHOLE and amounts:
            self.add_error("what", "You gave amounts of single lines. Choose those, or leave them empty.")
        return asked | {"amounts": amounts if asked.get("what") == BY_LINE else None}


def next_step(invoice: Invoice, now: datetime) -> str:
    if is_too_early(invoice, now):
        return f"can be finalized from {invoice.period_end:%Y-%m-%d %H:%M} UTC on, when the month has ended"
    if invoice.status == Invoice.Status.VOID and (current := current_invoice_of(invoice)) is not None:
        return f"none: its month has {current}"
    if invoice.is_on_hold:
        return how_to_continue(invoice, now)
    allowed = allowed_acts(invoice, now)
    return next((step for act, step in STEPS.items() if act in allowed), "none")


def how_to_continue(invoice: Invoice, now: datetime) -> str:
    """What ends the wait of a draft on hold."""
    if is_too_early(invoice, now):
        return "It waits for the end of its month first."
    allowed = allowed_acts(invoice, now)
    if Act.FINALIZE in allowed:
        return "Finalizing it releases it."
    if Act.ACCEPT in allowed:
        return "Accepting it lets the next invoice take it back."
    return "It continues automatically once these events are priced or settled."


def is_too_early(invoice: Invoice, now: datetime) -> bool:
    """Whether it is a draft that cannot be finalized only because usage of its month can still happen."""
    return isinstance(refusal_of(Act.FINALIZE, invoice, now), MonthNotEnded)


def invoice_admin_url(invoice: Invoice) -> str:
    return reverse("admin:metering_invoice_change", args=[invoice.pk])


def finalize_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    invoice = _invoice(pk)

    def act(asked: dict[str, Any]) -> HttpResponse:
        final = finalize(invoice.pk, actor_of(request), timezone.now())
        return _done(request, invoice, f"The invoice is {final.number}. It never changes again.")

    intro = (
        f"The draft of {invoice.workspace} for {invoice.period_start:%B %Y} is worked out once more, gets the next number "
        "and never changes again. Whatever arrives later is adjusted on the next invoice."
    )
    page = FormPage(
        "Finalize the invoice",
        act,
        invoice_admin_url(invoice),
        intro=intro,
        submit=f"Finalize the invoice for {invoice.period_start:%B %Y}",
    )
    return page.respond(request, admin, invoice)


def accept_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    invoice = _invoice(pk)

    def act(asked: dict[str, Any]) -> HttpResponse:
        left = accept_withdrawal(invoice.pk, asked["reason"], actor_of(request), timezone.now())
        if left is not None:
            return _done(request, left, "It is accepted.")
        messages.success(request, "It is accepted: the next invoice takes it back.")
        return redirect(reverse("admin:metering_invoice_changelist"))

    intro = f"{invoice.held} The ledger has lost what was billed: look for the cause first."
    page = FormPage(
        "Accept what is taken back",
        act,
        invoice_admin_url(invoice),
        ReasonForm,
        intro,
        "Accept what is taken back",
        danger=True,
    )
    return page.respond(request, admin, invoice)


def paid_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    invoice = _invoice(pk)

    def act(asked: dict[str, Any]) -> HttpResponse:
        actor, now, arrived_on = actor_of(request), timezone.now(), asked["arrived_on"]
        if asked["amount"] is None:
            return _done(request, invoice, f"{mark_paid(invoice.pk, asked['reference'], actor, now, arrived_on)} is paid.")
        received = record_transfer([invoice.pk], asked["amount"], asked["reference"], actor, now, arrived_on)
        return _done(request, invoice, _receipt_message(received.invoices[0], received.surplus))

    due = dollars.usd_text(invoice.amount_due)
    intro = f"Money of {invoice.workspace} arrived outside this product. {due} are due on {invoice}."
    page = FormPage("Record a payment", act, invoice_admin_url(invoice), PaidForm, intro, "Record the payment")
    return page.respond(request, admin, invoice)


def _receipt_message(invoice: Invoice, surplus: Decimal) -> str:
    due = f", and {dollars.usd_text(invoice.amount_due)} of it are still due" if invoice.amount_due else ""
    more = f" {dollars.usd_text(surplus)} more than was due are kept as a surplus." if surplus else ""
    return f"{invoice} is {invoice.get_status_display().lower()}{due}.{more}"


def collectible_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    intro = "It is open again, and collected and dunned as before."
    submit = "Make {invoice} open again"
    return _status_page(request, admin, pk, "Reverse the write-off", submit, reverse_write_off, intro)


def void_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    intro = (
        "Nothing is owed on it any more, and the credits it used are given back. Its number stays. Its month is billed again "
        "only when you reissue it. What was paid or credited in part cannot be voided: credit the rest."
    )
    return _status_page(request, admin, pk, "Void the invoice", "Void {invoice}", void_invoice, intro)


def uncollectible_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    intro = "It stays owed, but is not collected any more. Money that arrives for it still pays it."
    return _status_page(
        request, admin, pk, "Mark the invoice as uncollectible", "Mark {invoice} as uncollectible", mark_uncollectible, intro
    )


def reissue_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    invoice = _invoice(pk)

    def act(asked: dict[str, Any]) -> HttpResponse:
        draft = reissue(invoice.pk, actor_of(request), timezone.now())
        if draft is None:
            text = f"No invoice is needed for {invoice.period_start:%B %Y}: the rest of it is carried over to the next invoice."
            return _done(request, invoice, text)
        text = f"The draft for {invoice.period_start:%B %Y} is here. Finalize it, or leave it to the next run of the schedule."
        return _done(request, draft, text)

    intro = (
        f"{invoice} of {invoice.workspace} is void. A new draft bills what was used in {invoice.period_start:%B %Y}, as it is "
        "known now."
    )
    page = FormPage(
        "Reissue the month",
        act,
        invoice_admin_url(invoice),
        intro=intro,
        submit=f"Make the draft for {invoice.period_start:%B %Y}",
    )
    return page.respond(request, admin, invoice)


def credit_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    invoice = _invoice(pk)
    left, returnable = creditable(invoice), returnable_of(invoice)

    def act(asked: dict[str, Any]) -> HttpResponse:
        settlement, now = asked.get("settlement", CreditNote.Settlement.BALANCE), timezone.now()
        what = asked["amounts"], asked["reason"], settlement
        note = issue_credit_note(invoice.pk, *what, actor_of(request), now, asked["reference"])
        messages.success(request, _note_message(note))
        return redirect(reverse("admin:metering_creditnote_change", args=[note.pk]))

    due = f"first takes off the {dollars.usd_text(invoice.amount_due)} that are due; the rest goes back"
    intro = (
        f"{dollars.usd_text(left.total)} are left of {invoice}, {dollars.usd_text(left.net)} of it before tax. A credit note "
        f"{due if invoice.amount_due else 'gives back what was paid'}. It never changes again."
    )
    form = credit_form(left, returnable)
    template = "console/money/credit_form.html"
    page = FormPage(
        *("Issue a credit note", act, invoice_admin_url(invoice), form, intro, "Preview the credit note"),
        template=template,
        preview=lambda asked: preview_of(invoice, asked),
    )
    return page.respond(request, admin, invoice)


def preview_of(invoice: Invoice, asked: dict[str, Any]) -> Preview:
    """What the credit note would say. Raises what `plan_credit_note` and `checked_note_reference` raise, and InvalidParameter
    for a transfer that nothing finds.
    """
    reference = checked_note_reference(invoice, asked["reference"])
    planned = plan_credit_note(invoice, asked["amounts"])
    if planned.given_back and asked.get("settlement") == CreditNote.Settlement.OUTSIDE:
        checked_reference(reference, "refund")
    lines = [(line.description, dollars.usd_text(amount)) for line, amount in planned.lines]
    taxes = [(tax_label(tax.name, tax.percent), dollars.usd_text(tax.amount)) for tax in planned.taxes]
    ends = [("Taken off what is due", planned.off_due), ("Goes back to the customer", planned.given_back)]
    facts = [
        *lines,
        ("Before tax", dollars.usd_text(planned.subtotal)),
        *taxes,
        ("Credited in all", dollars.usd_text(planned.total)),
        *((name, dollars.usd_text(amount)) for name, amount in ends if amount),
        ("Reason", asked["reason"]),
        *([("Reference", reference)] if reference else []),
    ]
    return Preview(facts, f"Issue the credit note of {dollars.usd_text(planned.total)} for good")


def credit_form(left: Creditable, returnable: Returnable) -> type[forms.Form]:
    """The form for what is left of an invoice; it asks how money goes back only where some came."""
    extra: dict[str, Any] = {"net": dollars.usd_text(left.net)}
    if returnable.unpromised:
        ways = [way for way in SETTLEMENTS if way != CreditNote.Settlement.REFUND or returnable.refundable]
        extra["settlement"] = fields.choice(
            "what was paid is",
            [(way, SETTLEMENTS[way]) for way in ways],
            "What was paid with credits comes back as credit either way.",
        )
    largest = sorted(left.lines, key=lambda each: -each[1])[:MOST_LINES]
    for line, amount in sorted(largest, key=lambda each: each[0].position):
        extra[line.public_id] = amount_field(line.description, amount)
    return type("CreditFormOfAnInvoice", (CreditNoteForm,), extra)


def amount_field(label: str, most: Decimal) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        help_text=f"at most {dollars.usd_text(most)}",
        required=False,
        min_value=Decimal("0.01"),
        max_value=most,
        max_digits=20,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "inputmode": "decimal"}),
    )


def _status_page(
    request: HttpRequest, admin: OperatorAdmin, pk: str, title: str, submit: str, act_on: Callable[..., Invoice], intro: str
) -> HttpResponse:
    invoice = _invoice(pk)

    def act(asked: dict[str, Any]) -> HttpResponse:
        ended = act_on(invoice.pk, asked["reason"], actor_of(request), timezone.now())
        return _done(request, invoice, f"{ended} is {ended.get_status_display().lower()}.")

    about = f"{invoice} of {invoice.workspace}, {dollars.usd_text(invoice.total)}. {intro}"
    page = FormPage(title, act, invoice_admin_url(invoice), ReasonForm, about, submit.format(invoice=invoice), danger=True)
    return page.respond(request, admin, invoice)


def _note_message(note: CreditNote) -> str:
    parts = [f"{note} credits {dollars.usd_text(note.total)}."]
    if note.off_due:
        parts.append(f"{dollars.usd_text(note.off_due)} were taken off what was due.")
    if note.given_back:
        parts.append(f"{dollars.usd_text(note.given_back)} go back to the customer.")
    return " ".join(parts)


def _done(request: HttpRequest, invoice: Invoice, text: str) -> HttpResponse:
    messages.success(request, text)
    return redirect(invoice_admin_url(invoice))


def _invoice(pk: str) -> Invoice:
    return get_object_or_404(Invoice.objects.select_related("workspace"), pk=pk)
