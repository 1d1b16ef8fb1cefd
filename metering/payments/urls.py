"""Under /api/v1/."""

from django.urls import path

from metering.payments import api

urlpatterns = [
    path("balance", api.BalanceView.as_view(), name="balance"),
    path("credits", api.CreditsView.as_view(), name="credits"),
    path("credits/top-ups", api.TopUpsView.as_view(), name="top_ups"),
    path("credits/top-ups/<slug:top_up_id>", api.TopUpView.as_view(), name="top_up"),
    path("credits/<slug:credit_id>/entries", api.CreditEntriesView.as_view(), name="credit_entries"),
    path("exports/<slug:kind>", api.ExportView.as_view(), name="export_bookkeeping"),
    path("invoices/<slug:invoice_id>/pay", api.PayInvoiceView.as_view(), name="pay_invoice"),
]
