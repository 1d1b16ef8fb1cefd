"""Under /api/v1/."""

from django.urls import path

from metering.invoicing import api
from metering.invoicing.credit_notes import api as credit_notes_api

urlpatterns = [
    path("invoices", api.InvoicesView.as_view(), name="invoices"),
    path("invoices/upcoming", api.UpcomingView.as_view(), name="upcoming_invoice"),
    path("invoices/<slug:invoice_id>/pdf", api.InvoicePdfView.as_view(), name="invoice_pdf"),
    path("invoices/<slug:invoice_id>", api.InvoiceView.as_view(), name="invoice"),
    path("invoices/<slug:invoice_id>/lines", api.InvoiceLinesView.as_view(), name="invoice_lines"),
    path("invoices/<slug:invoice_id>/lines/pdf", api.InvoiceAnnexView.as_view(), name="invoice_annex"),
    path(
        "invoices/<slug:invoice_id>/lines/<slug:line_id>/events",
        api.LineEventsView.as_view(),
        name="events_of_an_invoice_line",
    ),
    path("credit-notes", credit_notes_api.CreditNotesView.as_view(), name="credit_notes"),
    path("credit-notes/<slug:credit_note_id>/pdf", credit_notes_api.CreditNotePdfView.as_view(), name="credit_note_pdf"),
    path("credit-notes/<slug:credit_note_id>", credit_notes_api.CreditNoteView.as_view(), name="credit_note"),
]
