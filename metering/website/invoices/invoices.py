"""Invoices: the list with what the running month will come to, one invoice, and the way down to the requests it bills."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from metering.catalogue.models import PriceVersion
from metering.components import component_named
from metering.invoicing.api import annex_response, line_events_csv
from metering.invoicing.documents.annex import annex_csv
from metering.invoicing.documents.invoice import invoice_document as printed_page
from metering.invoicing.explaining.explain import events_under
from metering.invoicing.lifecycle.upcoming import carried_over, upcoming
from metering.invoicing.models import Invoice, InvoiceLine
from metering.payments.collecting.status_label import invoices_with_status, status_label_of
from metering.templatetags.omixa import places
from metering.usage.events.cursors import event_cursor, event_position
from metering.website.invoices.parts import invoice_page_context, lines_of
from metering.website.member import member_page
from metering.website.more import more_of
from metering.website.usage.events import displayed_event
from metering.website.usage.usage import key_names
from workspaces.access.authentication import Caller
from workspaces.downloads import limited_download


@member_page("may_see_invoices")
def invoice_list(request: HttpRequest, caller: Caller) -> HttpResponse:
    workspace, now = caller.workspace, timezone.now()
    invoices = [(invoice, status_label_of(invoice, now)) for invoice in invoices_with_status(workspace)]
    context = {
        "invoices": invoices,
        "upcoming": None if workspace.sandbox else upcoming(workspace, now),
        "carried": None if invoices else carried_over(workspace, now),
        "least": settings.INVOICE_MINIMUM,
        "workspace": workspace,
    }
    return render(request, "website/invoices/invoices.html", context)


@member_page("may_see_invoices")
def upcoming_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    preview = upcoming(caller.workspace, timezone.now())
    return render(request, "website/invoices/upcoming.html", lines_of(preview, request.GET))


@member_page("may_see_invoices")
def invoice_page(request: HttpRequest, caller: Caller, invoice_id: str) -> HttpResponse:
    invoice = _invoice(caller, invoice_id)
    return render(request, "website/invoices/invoice.html", invoice_page_context(invoice, request.GET, timezone.now()))


@member_page("may_see_invoices")
def invoice_print(request: HttpRequest, caller: Caller, invoice_id: str) -> HttpResponse:
    """The document alone, as it prints."""
    invoice = _invoice(caller, invoice_id)
    return printed_page(request, invoice, state=status_label_of(invoice, timezone.now()).word)


@member_page("may_see_invoices")
def invoice_lines_csv(request: HttpRequest, caller: Caller, invoice_id: str) -> HttpResponseBase:
    invoice = _invoice(caller, invoice_id)
    return limited_download(request, caller, lambda: annex_csv(invoice, for_people=True))


@member_page("may_see_invoices")
def invoice_annex(request: HttpRequest, caller: Caller, invoice_id: str, part: int) -> HttpResponseBase:
    """A part of the annex as PDF."""
    invoice = _invoice(caller, invoice_id)
    return limited_download(request, caller, lambda: annex_response(invoice, part))


@member_page("may_see_invoices")
def line_page(request: HttpRequest, caller: Caller, invoice_id: str, line_id: str) -> HttpResponseBase:
    lines = InvoiceLine.objects.select_related("invoice__workspace").filter(invoice__workspace=caller.workspace)
    line = get_object_or_404(lines, invoice__public_id=invoice_id, public_id=line_id)
    if request.GET.get("format") == "csv":
        return limited_download(request, caller, lambda: line_events_csv(line, for_people=True))
    more = more_of(request.GET, event_position)
    billed, last = events_under(line, more.count, more.after)
    names = key_names(caller.workspace)
    context = {
        "line": line,
        "unit": component_named(line.component) if line.component else None,
        "invoice": line.invoice,
        "factor": price.in_words if (price := PriceVersion.objects.filter(public_id=line.price).first()) else "",
        "billed": [(each, displayed_event(each.event, names)) for each in billed],
        "more": last and more.links("", event_cursor(last)),
        "aligned": places(billed, "amount_exact"),
    }
    return render(request, "website/invoices/invoice_line.html", context)


def _invoice(caller: Caller, invoice_id: str) -> Invoice:
    return get_object_or_404(invoices_with_status(caller.workspace).select_related("workspace"), public_id=invoice_id)
