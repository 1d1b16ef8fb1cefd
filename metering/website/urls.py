"""The customer pages, at /."""

from django.urls import path

from metering.usage.urls import RequestIdConverter
from metering.website.billing import billing, statement
from metering.website.budgets import budgets
from metering.website.invoices import credit_notes, invoices
from metering.website.public import catalogue, home
from metering.website.settings import alerts, audit, invitations, keys, members, workspace
from metering.website.usage import events, usage
from metering.website.webhooks import deliveries, webhooks

app_name = "pages"
ANY_TEXT = RequestIdConverter.__name__  # importing it registered the converter "request_id"

urlpatterns = [
    path("", home.home, name="home"),
    path("favicon.ico", home.favicon),
    path("workspace", home.switch_workspace, name="switch"),
    path("models", catalogue.model_list, name="models"),
    path("models/<path:slug>", catalogue.model_page, name="model"),
    path("usage", usage.usage_page, name="usage"),
    path("usage/events", events.event_list, name="events"),
    # Browsers shorten `/../` in a path, so pages link by the query. The path is for those who type it.
    path("usage/request", events.event_page, name="event"),
    path("usage/events/<request_id:request_id>", events.event_page, name="event_by_path"),
    path("keys", keys.key_list, name="keys"),
    path("keys/new", keys.key_new, name="key_new"),
    path("keys/<slug:key_id>", keys.key_page, name="key"),
    path("keys/<slug:key_id>/rotate", keys.key_rotate, name="key_rotate"),
    path("keys/<slug:key_id>/revoke", keys.key_revoke, name="key_revoke"),
    path("keys/<slug:key_id>/freeze", keys.key_freeze, name="key_freeze"),
    path("keys/<slug:key_id>/unfreeze", keys.key_unfreeze, name="key_unfreeze"),
    path("budgets", budgets.budget_list, name="budgets"),
    path("budgets/new", budgets.budget_new, name="budget_new"),
    path("budgets/<slug:budget_id>", budgets.budget_page, name="budget"),
    path("budgets/<slug:budget_id>/delete", budgets.budget_delete, name="budget_delete"),
    path("invoices", invoices.invoice_list, name="invoices"),
    path("invoices/upcoming", invoices.upcoming_page, name="upcoming"),
    path("invoices/<slug:invoice_id>", invoices.invoice_page, name="invoice"),
    path("invoices/<slug:invoice_id>/print", invoices.invoice_print, name="invoice_print"),
    path("invoices/<slug:invoice_id>/lines/<slug:line_id>", invoices.line_page, name="invoice_line"),
    path("invoices/<slug:invoice_id>/lines.csv", invoices.invoice_lines_csv, name="invoice_lines_csv"),
    path("invoices/<slug:invoice_id>/annex/<int:part>", invoices.invoice_annex, name="invoice_annex"),
    path("invoices/<slug:invoice_id>/pdf", billing.pdf, name="invoice_pdf"),
    path("invoices/<slug:invoice_id>/pay", billing.pay_invoice_page, name="billing_pay"),
    path("exports/<slug:kind>", billing.export_csv, name="export"),
    path("billing", billing.billing_page, name="billing"),
    path("billing/failed", billing.pay_failed, name="billing_failed"),
    path("billing/method", billing.save_method, name="billing_method"),
    path("billing/credit", billing.buy_credit_page, name="billing_buy"),
    path("billing/low-balance", billing.preferences, name="billing_preferences"),
    path("billing/profile", billing.profile, name="billing_profile"),
    path("billing/statement", statement.statement_page, name="statement"),
    path("billing/statement/csv", statement.statement_csv, name="statement_csv"),
    path("billing/statement/pdf", statement.statement_download, name="statement_pdf"),
    path("credit-notes/<slug:credit_note_id>/pdf", credit_notes.credit_note_download, name="credit_note_pdf"),
    path("credit-notes/<slug:credit_note_id>", credit_notes.credit_note_print, name="credit_note"),
    path("settings", workspace.settings_page, name="settings"),
    path("settings/alerts", alerts.alerts_page, name="alerts"),
    path("settings/audit", audit.trail_list, name="audit"),
    path("settings/members", members.member_list, name="members"),
    path("settings/members/<int:member_id>/role", members.member_role, name="member_role"),
    path("settings/members/<int:member_id>/remove", members.member_remove, name="member_remove"),
    path("settings/invitations/<slug:invitation_id>/send", members.invitation_send, name="invitation_send"),
    path("settings/invitations/<slug:invitation_id>/withdraw", members.invitation_withdraw, name="invitation_withdraw"),
    path("settings/webhooks", webhooks.webhook_list, name="webhooks"),
    path("settings/webhooks/new", webhooks.webhook_new, name="webhook_new"),
    path("settings/webhooks/<slug:webhook_id>", webhooks.webhook_page, name="webhook"),
    path("settings/webhooks/<slug:webhook_id>/change", webhooks.webhook_change, name="webhook_change"),
    path("settings/webhooks/<slug:webhook_id>/status", webhooks.webhook_status, name="webhook_status"),
    path("settings/webhooks/<slug:webhook_id>/rotate", webhooks.webhook_rotate, name="webhook_rotate"),
    path("settings/webhooks/<slug:webhook_id>/delete", webhooks.webhook_delete, name="webhook_delete"),
    path("settings/webhooks/<slug:webhook_id>/test", deliveries.webhook_test, name="webhook_test"),
    path("settings/webhooks/<slug:webhook_id>/<slug:delivery_id>", deliveries.delivery_page, name="webhook_delivery"),
    path("settings/webhooks/<slug:webhook_id>/<slug:delivery_id>/replay", deliveries.delivery_replay, name="webhook_replay"),
    path("invitations", invitations.invitation_answer, name="invitation_answer"),
    path("invitations/<str:secret>", invitations.invitation_link, name="invitation"),
]
