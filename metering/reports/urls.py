"""Under /api/v1/."""

from django.urls import path

from metering.reports import api

urlpatterns = [
    path("statement", api.StatementView.as_view(), name="statement"),
    path("statement/pdf", api.StatementPdfView.as_view(), name="statement_pdf"),
]
