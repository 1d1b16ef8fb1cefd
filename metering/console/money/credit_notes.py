"""Credit notes: to look at and to print. They are issued from their invoice and never change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display

from metering import dollars
from metering.console import figures
from metering.invoicing.credit_notes.models import CreditNote, CreditNoteLine
from metering.invoicing.documents.credit_note import credit_note_page
from metering.invoicing.documents.issued import issued_credit_note
from metering.invoicing.documents.pdf import pdf_response
from metering.invoicing.models import Invoice
from metering.payments.models import Refund
from metering.payments.refunds.reversals import missing_of, retry_refund, returned_as_credit
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline, actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.downloads import console_download

REFUND_LABELS = {"started": "info", "pending": "info", "succeeded": "success", "failed": "danger"}


class LinesOfACreditNote(ReadOnlyInline):
    model = CreditNoteLine
    fields = ("description", "amount_of_row")
    readonly_fields = fields
    ordering = ("position",)
    per_page = 50
    verbose_name_plural = "lines"

    @display(description="amount")
    def amount_of_row(self, line: CreditNoteLine) -> SafeString:
        return figures.money(line.amount)


class RefundsOfACreditNote(ReadOnlyInline):
    model = Refund
    fields = ("amount_of_row", "status_label", "message", "started_at", "settled_at", "stripe_id")
    readonly_fields = fields
    ordering = ("pk",)
    verbose_name_plural = "refunds"

    @display(description="amount")
    def amount_of_row(self, refund: Refund) -> SafeString:
        return figures.money(refund.amount)

    @display(description="status", label=REFUND_LABELS)
    def status_label(self, refund: Refund) -> str:
        return refund.status


class CreditNoteAdmin(OperatorAdmin):
    when_empty = "A credit note is issued on the page of the invoice that it lowers."
    list_display = ("number", "workspace", "invoice", "issued_at", "total_text", "off_due_text", "given_back_text", "way")
    list_filter = (("settlement", ChoicesDropdownFilter), ("invoice__workspace", AutocompleteSelectFilter))
    list_select_related = ("invoice__workspace",)
    search_fields = (
        *("public_id__exact", "number__exact", "reference__exact"),
        *("invoice__number__exact", "invoice__workspace__name__icontains"),
    )
    search_help_text = "A credit note's number, id or reference, its invoice's number, or a part of the workspace's name"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("number", "invoice_link"),
        ("workspace", "reason"),
        "reference",
        ("subtotal_text", "tax_text"),
        ("total_text", "off_due_text"),
        ("given_back_text", "way"),
        ("as_credit_text", "missing_text"),
        ("issued_at", "issued_by"),
        "public_id",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("retry_refund_of_note", "printable", "pdf")

    def get_inlines(self, request: HttpRequest, obj: CreditNote | None) -> list[Any]:
        refunded = obj is not None and obj.refunds.exists()
        return [LinesOfACreditNote, RefundsOfACreditNote] if refunded else [LinesOfACreditNote]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """A refund is sent again only where one failed."""
        note = CreditNote.objects.select_related("invoice").filter(pk=object_id).first()
        offered = {"printable", "pdf"} | ({"refund-again"} if note and missing_of(note) else set())
        return [each for each in super().get_actions_detail(request, object_id) if each.path in offered]

    @display(description="workspace")
    def workspace(self, note: CreditNote) -> str:
        return str(note.invoice.workspace)

    @display(description="invoice")
    def invoice_link(self, note: CreditNote) -> SafeString:
        return link_to(note.invoice)

    @display(description="subtotal")
    def subtotal_text(self, note: CreditNote) -> SafeString:
        return figures.money(note.subtotal)

    @display(description="tax")
    def tax_text(self, note: CreditNote) -> SafeString:
        return figures.money(note.tax)

    @display(description="total")
    def total_text(self, note: CreditNote) -> SafeString:
        return figures.money(note.total)

    @display(description="off what was due")
    def off_due_text(self, note: CreditNote) -> SafeString:
        return figures.money(note.off_due)

    @display(description="given back")
    def given_back_text(self, note: CreditNote) -> SafeString:
        return figures.money(note.given_back)

    @display(description="settlement")
    def way(self, note: CreditNote) -> str:
        return note.get_settlement_display() if note.settlement else "-"

    @display(description="of it as credit")
    def as_credit_text(self, note: CreditNote) -> SafeString:
        return figures.money(returned_as_credit(note))

    @display(description="refunds missing")
    def missing_text(self, note: CreditNote) -> SafeString:
        return figures.money(missing_of(note))

    @action(description="Refund again", url_path="refund-again", icon="replay")
    def retry_refund_of_note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        note = get_object_or_404(CreditNote.objects.select_related("invoice"), pk=object_id)
        back = reverse("admin:metering_creditnote_change", args=[note.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            amount = retry_refund(note.pk, actor_of(request), timezone.now())
            messages.success(request, f"{dollars.usd_text(amount)} are being refunded again.")
            return redirect(back)

        intro = f"Refunds of {dollars.usd_text(missing_of(note))} failed. They are requested from Stripe once more."
        page = FormPage(
            "Refund again", act, back, intro=intro, submit=f"Refund {dollars.usd_text(missing_of(note))} again", danger=True
        )
        return page.respond(request, self, note)

    @action(description="Printable page", url_path="printable", icon="print")
    def printable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        note = get_object_or_404(CreditNote.objects.select_related("invoice"), pk=object_id)
        links = [
            (str(note), reverse("admin:metering_creditnote_change", args=[note.pk])),
            (f"Invoice {note.invoice}", reverse("admin:metering_invoice_change", args=[note.invoice_id])),
            ("PDF", reverse("admin:metering_creditnote_pdf", args=[note.pk])),
        ]
        return credit_note_page(request, note, links)

    @action(description="PDF", url_path="pdf", icon="picture_as_pdf")
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        note = get_object_or_404(CreditNote.objects.select_related("invoice"), pk=object_id)
        return console_download(request, lambda: pdf_response(issued_credit_note(note), note.number))


def link_to(invoice: Invoice) -> SafeString:
    page = reverse("admin:metering_invoice_change", args=[invoice.pk])
    return format_html('<a class="console-link" href="{}">{}</a>', page, invoice)


admin.site.register(CreditNote, CreditNoteAdmin)
