"""Invoices: to look at, and what may be done with them. Nothing else about them can be changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.views import ChangeList

from metering.components import component_named
from metering.console import figures
from metering.console.money import close_month as close_acts
from metering.console.money import invoice_actions
from metering.console.money.receivables import ListWithSum, ReceivableFilter
from metering.invoicing.allowed import allowed_acts
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.documents.annex import annex_csv, document_name
from metering.invoicing.documents.invoice import invoice_document
from metering.invoicing.documents.issued import issued_invoice
from metering.invoicing.documents.pdf import pdf_response
from metering.invoicing.models import Invoice, InvoiceLine
from metering.payments.exports.export import EXPORTS, export
from metering.periods import Period, month_of, parse_month, previous_month
from workspaces import audit
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline, actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.downloads import console_download

STATUS_LABELS = {
    "draft": "",
    "draft, held": "warning",
    "open": "info",
    "paid": "success",
    "void": "warning",
    "uncollectible": "danger",
}
MONTHS_OFFERED = 18
LINES_LISTED = 50


class ExportForm(forms.Form):
    kind = fields.choice("what", [(kind, kind) for kind in EXPORTS])
    first = fields.text("from month", "YYYY-MM, included.", max_length=7)
    last = fields.text("to month", "YYYY-MM, included.", max_length=7)

    def clean_first(self) -> Period:
        return self._month("first")

    def clean_last(self) -> Period:
        return self._month("last")

    def clean(self) -> dict[str, Any]:
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last and last.end <= first.start:
            raise forms.ValidationError("The last month is before the first.")
        return self.cleaned_data

    def _month(self, name: str) -> Period:
        try:
            return parse_month(self.cleaned_data[name])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class MonthFilter(DropdownFilter):
    title = "month"
    parameter_name = "month"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        month, offered = month_of(timezone.now()), []
        for _ in range(MONTHS_OFFERED):
            offered.append((f"{month.start:%Y-%m}", f"{month.start:%B %Y}"))
            month = previous_month(month)
        return offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> QuerySet[Invoice]:
        try:
            return queryset.filter(period_start=parse_month(self.value()).start) if self.value() else queryset
        except ValueError:
            return queryset.none()


class LinesOfAnInvoice(ReadOnlyInline):
    model = InvoiceLine
    fields = ("position", "what", "kind", "service_tier", "component", "tokens", "rate", "exact", "amount_of_row")
    readonly_fields = fields
    ordering = ("position",)
    per_page = LINES_LISTED
    verbose_name_plural = "lines"

    @display(description="description")
    def what(self, line: InvoiceLine) -> str:
        return line.description

    @display(description="quantity")
    def tokens(self, line: InvoiceLine) -> SafeString | str:
        return figures.quantity_html(line.quantity, component_named(line.component)) if line.component else ""

    @display(description="rate $/M")
    def rate(self, line: InvoiceLine) -> SafeString | str:
        if not line.component:
            return ""
        return figures.component_rate_html(line.rate_per_million, component_named(line.component))

    @display(description="exact")
    def exact(self, line: InvoiceLine) -> SafeString:
        return figures.exact_money(line.amount_exact)

    @display(description="amount")
    def amount_of_row(self, line: InvoiceLine) -> SafeString:
        return figures.money(line.amount)


class CreditNotesOfAnInvoice(ReadOnlyInline):
    model = CreditNote
    fields = ("number", "issued_at", "amount_of_row", "reason", "page")
    readonly_fields = fields
    ordering = ("pk",)
    verbose_name_plural = "credit notes"

    @display(description="total")
    def amount_of_row(self, note: CreditNote) -> SafeString:
        return figures.money(note.total)


class InvoiceAdmin(OperatorAdmin):
    when_empty = "Drafts appear automatically after a month has ended, for every workspace that used something."
    list_display = (
        "name",
        "workspace",
        "month",
        "status_label",
        "total_text",
        "due_text",
        "due_on",
        "paid_on",
    )
    list_filter = (ReceivableFilter, ("status", ChoicesDropdownFilter), MonthFilter, ("workspace", AutocompleteSelectFilter))
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact", "number__exact", "workspace__name__icontains")
    search_help_text = "An invoice's number or id, or a part of the workspace's name"
    ordering = ("-period_start", "-id")
    sortable_by = ()
    list_before_template = "console/money/due.html"
    fields = (
        ("name", "status_label"),
        ("workspace", "month"),
        ("subtotal_exact_text", "subtotal_text"),
        ("tax_text", "total_text"),
        ("promotional_text", "credits_text"),
        ("paid_text", "credited_text"),
        ("charged_back_text", "due_text"),
        "status_reason",
        ("created_at", "finalized_at"),
        ("due_at", "paid_at"),
        ("voided_at", "hold_reason_text"),
        "warnings_text",
        ("public_id", "payment_reference"),
        "next_step",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_list = ("close_month", "export")
    actions_detail = (
        "finalize",
        "accept",
        "mark_paid",
        "reissue",
        # As many as leave the invoice's number its place in the heading.
        {"title": "Take back", "items": ["credit", "void", "uncollectible", "collectible"]},
        {"title": "Print", "items": ["printable", "pdf", "lines_csv"]},
    )

    @action(description="PDF", url_path="pdf", icon="picture_as_pdf")
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        invoice = get_object_or_404(Invoice.objects.select_related("workspace"), pk=object_id)
        return console_download(request, lambda: pdf_response(issued_invoice(invoice), document_name(invoice)))

    @action(description="Lines as CSV", url_path="lines", icon="table")
    def lines_csv(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        invoice = get_object_or_404(Invoice, pk=object_id)
        return console_download(request, lambda: annex_csv(invoice, for_people=True))

    @action(description="Close a month", url_path="close-month", icon="event_available")
    def close_month(self, request: HttpRequest) -> HttpResponse:
        return close_acts.close_page(request, self)

    @action(description="Export for bookkeeping", url_path="export", icon="download")
    def export(self, request: HttpRequest) -> HttpResponse:
        def act(asked: dict[str, Any]) -> Any:
            months = f"{asked['first'].start:%Y-%m} to {asked['last'].start:%Y-%m}"
            audit.record(actor_of(request), "export.downloaded", asked["kind"], now=timezone.now(), months=months)
            period = Period(asked["first"].start, asked["last"].end)
            return console_download(request, lambda: export(asked["kind"], period, for_people=True))

        back = reverse("admin:metering_invoice_changelist")
        intro = "By the day on which each was issued, received or moved. Credit notes and refunds have amounts below zero."
        page = FormPage("Export for bookkeeping", act, back, ExportForm, intro, "Download the file", once=False)
        return page.respond(request, self)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ListWithSum

    def get_inlines(self, request: HttpRequest, obj: Invoice | None) -> list[Any]:
        noted = obj is not None and obj.credit_notes.exists()
        return [LinesOfAnInvoice, CreditNotesOfAnInvoice] if noted else [LinesOfAnInvoice]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what this invoice's status allows, and no end before the month's."""
        invoice = Invoice.objects.filter(pk=object_id).first()
        offered = {"printable", "pdf", "lines"} | (allowed_acts(invoice, timezone.now()) if invoice else set())
        return [each for each in super().get_actions_detail(request, object_id) if each.path in offered]

    @display(description="invoice")
    def name(self, invoice: Invoice) -> str:
        return invoice.number or "draft"

    @display(description="waits for review")
    def hold_reason_text(self, invoice: Invoice) -> str:
        return f"{invoice.held} {invoice_actions.how_to_continue(invoice, timezone.now())}" if invoice.is_on_hold else "no"

    @display(description="warnings")
    def warnings_text(self, invoice: Invoice) -> str:
        return " ".join(invoice.warnings) or "none"

    @display(description="due on")
    def due_on(self, invoice: Invoice) -> str:
        return f"{invoice.due_at:%Y-%m-%d}" if invoice.due_at else "-"

    @display(description="paid on")
    def paid_on(self, invoice: Invoice) -> str:
        return f"{invoice.paid_at:%Y-%m-%d}" if invoice.paid_at else "-"

    @display(description="month")
    def month(self, invoice: Invoice) -> str:
        return f"{invoice.period_start:%Y-%m}"

    @display(description="status", label=STATUS_LABELS)
    def status_label(self, invoice: Invoice) -> str:
        return "draft, held" if invoice.status == Invoice.Status.DRAFT and invoice.is_on_hold else invoice.status

    @display(description="next step")
    def next_step(self, invoice: Invoice) -> str:
        return invoice_actions.next_step(invoice, timezone.now())

    @display(description="subtotal, exact")
    def subtotal_exact_text(self, invoice: Invoice) -> SafeString:
        return figures.exact_money(invoice.subtotal_exact)

    @display(description="subtotal")
    def subtotal_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.subtotal)

    @display(description="tax")
    def tax_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.tax)

    @display(description="total")
    def total_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.total)

    @display(description="credits applied")
    def credits_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.credits_applied)

    @display(description="promotional credits")
    def promotional_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.promotional)

    @display(description="paid")
    def paid_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.amount_paid)

    @display(description="credited")
    def credited_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.credited)

    @display(description="taken back")
    def charged_back_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.charged_back)

    @display(description="amount due")
    def due_text(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.still_due)

    @action(description="Finalize", url_path="finalize", icon="task_alt")
    def finalize(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_actions.finalize_page(request, self, object_id)

    @action(description="Accept", url_path="accept", icon="rule")
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_actions.accept_page(request, self, object_id)

    @action(description="Record a payment", url_path="mark-paid", icon="payments")
    def mark_paid(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_actions.paid_page(request, self, object_id)

    @action(description="Issue credit note", url_path="credit", icon="undo")
    def credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_actions.credit_page(request, self, object_id)

    @action(description="Mark uncollectible", url_path="uncollectible", icon="money_off")
    def uncollectible(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_actions.uncollectible_page(request, self, object_id)

    @action(description="Make open again", url_path="collectible", icon="undo")
    def collectible(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_actions.collectible_page(request, self, object_id)

    @action(description="Void", url_path="void", icon="block")
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_actions.void_page(request, self, object_id)

    @action(description="Reissue", url_path="reissue", icon="restart_alt")
    def reissue(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_actions.reissue_page(request, self, object_id)

    @action(description="Printable page", url_path="printable", icon="print")
    def printable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invoice = get_object_or_404(Invoice.objects.select_related("workspace"), pk=object_id)
        links = [
            ("All invoices", reverse("admin:metering_invoice_changelist")),
            (f"Invoice {invoice.number}" if invoice.number else "Draft", invoice_actions.invoice_admin_url(invoice)),
            ("PDF", reverse("admin:metering_invoice_pdf", args=[invoice.pk])),
        ]
        return invoice_document(request, invoice, links)


admin.site.register(Invoice, InvoiceAdmin)
