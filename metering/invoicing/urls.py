"""Under /api/v1/."""

from django.urls import path

from metering.invoicing import api

urlpatterns = [
    path("invoices", api.InvoicesView.as_view(), name="invoices"),
    path("invoices/upcoming", api.UpcomingView.as_view(), name="upcoming_invoice"),
    path("invoices/<slug:invoice_id>", api.InvoiceView.as_view(), name="invoice"),
    path(
        "invoices/<slug:invoice_id>/lines/<slug:line_id>/events",
        api.LineEventsView.as_view(),
        name="events_of_an_invoice_line",
    ),
]
