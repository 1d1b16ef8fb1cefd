"""Invoices: to look at, finalize, and mark as paid. Nothing else about them can be changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display

from metering.dashboards.console import figures
from metering.invoicing.document import invoice_page
from metering.invoicing.finalize import finalize
from metering.invoicing.models import Invoice, InvoiceLine
from metering.payments.by_hand import mark_paid
from metering.periods import month_of, parse_month, previous_month
from workspaces.console import fields
from workspaces.console.base import OperatorAdmin, ReadOnlyInline, actor_of
from workspaces.console.pages import FormPage

STATUS_LABELS = {"draft": "", "open": "info", "paid": "success", "void": "warning", "uncollectible": "danger"}
MONTHS_OFFERED = 18
LINES_SHOWN = 50


class PaidForm(forms.Form):
    reference = fields.text("reference", "Where the money is found, such as the bank transfer's.", max_length=200)


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
    fields = ("position", "what", "kind", "service_tier", "component", "tokens", "rate", "exact", "shown")
    readonly_fields = fields
    ordering = ("position",)
    per_page = LINES_SHOWN
    verbose_name_plural = "lines"

    @display(description="description")
    def what(self, line: InvoiceLine) -> str:
        return line.description

    @display(description="tokens")
    def tokens(self, line: InvoiceLine) -> SafeString:
        return figures.count(line.quantity)

    @display(description="rate $/M")
    def rate(self, line: InvoiceLine) -> SafeString:
        return figures.figure(figures.rate(line.rate_per_million))

    @display(description="exact")
    def exact(self, line: InvoiceLine) -> SafeString:
        return figures.exact_money(line.amount_exact)

    @display(description="amount")
    def shown(self, line: InvoiceLine) -> SafeString:
        return figures.money(line.amount)


class InvoiceAdmin(OperatorAdmin):
    list_display = (
        "name",
        "workspace",
        "month",
        "status_label",
        "total_shown",
        "due_shown",
        "finalized_at",
        "due_at",
        "paid_at",
    )
    list_filter = (("status", ChoicesDropdownFilter), MonthFilter, ("workspace", AutocompleteSelectFilter))
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact", "number__exact", "workspace__name__icontains")
    search_help_text = "An invoice's number or id, or a part of the workspace's name"
    ordering = ("-period_start", "-id")
    sortable_by = ()
    fields = (
        ("name", "status_label"),
        ("workspace", "month"),
        ("subtotal_exact_shown", "subtotal_shown"),
        ("tax_shown", "total_shown"),
        ("credits_shown", "due_shown"),
        ("created_at", "finalized_at"),
        ("due_at", "paid_at"),
        ("public_id", "payment_reference"),
        "next_step",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    inlines = (LinesOfAnInvoice,)
    actions_detail = ("finalize", "mark_paid", "printable")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what this invoice's status allows, and no end before the month's."""
        invoice = Invoice.objects.filter(pk=object_id).only("status", "period_end").first()
        offered = {"printable"}
        if invoice and invoice.status == Invoice.Status.OPEN:
            offered.add("mark-paid")
        if invoice and invoice.status == Invoice.Status.DRAFT and not is_running(invoice):
            offered.add("finalize")
        return [each for each in super().get_actions_detail(request, object_id) if each.path in offered]

    @display(description="invoice")
    def name(self, invoice: Invoice) -> str:
        return invoice.number or "draft"

    @display(description="month")
    def month(self, invoice: Invoice) -> str:
        return f"{invoice.period_start:%Y-%m}"

    @display(description="status", label=STATUS_LABELS)
    def status_label(self, invoice: Invoice) -> str:
        return invoice.status

    @display(description="next step")
    def next_step(self, invoice: Invoice) -> str:
        if invoice.status == Invoice.Status.DRAFT and is_running(invoice):
            return f"can be finalized from {invoice.period_end:%Y-%m-%d %H:%M} UTC on, when the month has ended"
        return {"draft": "finalize it", "open": "mark it as paid when the money has arrived"}.get(invoice.status, "none")

    @display(description="subtotal, exact")
    def subtotal_exact_shown(self, invoice: Invoice) -> SafeString:
        return figures.exact_money(invoice.subtotal_exact)

    @display(description="subtotal")
    def subtotal_shown(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.subtotal)

    @display(description="tax")
    def tax_shown(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.tax)

    @display(description="total")
    def total_shown(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.total)

    @display(description="credits applied")
    def credits_shown(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.credits_applied)

    @display(description="amount due")
    def due_shown(self, invoice: Invoice) -> SafeString:
        return figures.money(invoice.amount_due)

    @action(description="Finalize", url_path="finalize", icon="task_alt")
    def finalize(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invoice = get_object_or_404(Invoice.objects.select_related("workspace"), pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            final = finalize(invoice.pk, actor_of(request), timezone.now())
            messages.success(request, f"The invoice is {final.number}. It never changes again.")
            return redirect(self._page_of(invoice))

        intro = (
            f"The draft of {invoice.workspace} for {invoice.period_start:%B %Y} is worked out once more, gets the next number "
            "and never changes again. Whatever arrives later is adjusted on the next invoice."
        )
        page = FormPage("Finalize the invoice", act, self._page_of(invoice), intro=intro, submit="Finalize")
        return page.respond(request, self, invoice)

    @action(description="Mark as paid", url_path="mark-paid", icon="payments")
    def mark_paid(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invoice = get_object_or_404(Invoice.objects.select_related("workspace"), pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            mark_paid(invoice.pk, asked["reference"], actor_of(request), timezone.now())
            messages.success(request, f"{invoice} is paid.")
            return redirect(self._page_of(invoice))

        intro = f"{figures.usd(invoice.amount_due)} of {invoice.workspace} arrived outside this product, in full."
        page = FormPage("Mark the invoice as paid", act, self._page_of(invoice), PaidForm, intro, "Mark as paid")
        return page.respond(request, self, invoice)

    @action(description="Printable page", url_path="printable", icon="print")
    def printable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return invoice_page(request, get_object_or_404(Invoice.objects.select_related("workspace"), pk=object_id))

    def _page_of(self, invoice: Invoice) -> str:
        return reverse("admin:metering_invoice_change", args=[invoice.pk])


def is_running(invoice: Invoice) -> bool:
    """Whether usage of the invoice's month can still happen, so that it cannot be finalized yet."""
    return timezone.now() < invoice.period_end


admin.site.register(Invoice, InvoiceAdmin)
