"""Under /api/v1/operator/."""

from django.urls import path

from metering.operator_api import invoices, reports, workspaces

INVOICE, WORKSPACE = "invoices/<str:invoice_id>", "workspaces/<str:workspace_id>"

urlpatterns = [
    path(f"{INVOICE}/payments", invoices.RecordPaymentView.as_view(), name="operator_payments"),
    path(f"{INVOICE}/void", invoices.VoidInvoiceView.as_view(), name="operator_void"),
    path(f"{INVOICE}/credit-notes", invoices.CreditInvoiceView.as_view(), name="operator_credit_notes"),
    path(f"{INVOICE}/write-off", invoices.WriteOffView.as_view(), name="operator_write_off"),
    path(f"{INVOICE}/write-off-reversal", invoices.WriteOffReversalView.as_view(), name="operator_write_off_reversal"),
    path("chargebacks", invoices.ChargebackView.as_view(), name="operator_chargebacks"),
    path(
        "chargebacks/<str:chargeback_id>/reversal",
        invoices.ChargebackReversalView.as_view(),
        name="operator_chargeback_reversal",
    ),
    path("credit-transfers", workspaces.TransferCreditView.as_view(), name="operator_credit_transfers"),
    path(f"{WORKSPACE}/reissue", invoices.ReissueView.as_view(), name="operator_reissue"),
    path(f"{WORKSPACE}/payouts", workspaces.PayOutView.as_view(), name="operator_payouts"),
    path(f"{WORKSPACE}/lines", workspaces.AddLineView.as_view(), name="operator_lines"),
    path(f"{WORKSPACE}/fees", workspaces.SetFeeView.as_view(), name="operator_fees"),
    path(f"{WORKSPACE}/close", workspaces.CloseWorkspaceView.as_view(), name="operator_close"),
    path(f"{WORKSPACE}/close/preview", workspaces.ClosingPreviewView.as_view(), name="operator_close_preview"),
    path("trial-balance", reports.TrialBalanceView.as_view(), name="operator_trial_balance"),
    path("journal", reports.JournalView.as_view(), name="operator_journal"),
    path("reports/ageing", reports.AgeingView.as_view(), name="operator_ageing"),
    path("reports/margins", reports.MarginsView.as_view(), name="operator_margins"),
    path("reports/owed-to-customers", reports.OwedToCustomersView.as_view(), name="operator_owed_to_customers"),
    path("reports/lost-disputes", reports.LostDisputesView.as_view(), name="operator_lost_disputes"),
    path("reports/<str:name>", reports.MonthlyReportView.as_view(), name="operator_report"),
]
