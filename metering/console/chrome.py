"""What surrounds every page of the console: navigation with its warning counts, the environment's badge, the search by id."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from unfold.dataclasses import SearchResult

from metering.catalogue.imports.models import PriceImport
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.providers.models import ProviderPrice
from metering.console.backlog import open_quarantine, waiting_batches
from metering.ingest.models import Batch, QuarantinedEvent
from metering.ingest.understanding.models import UsageRule
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.journal.models import JournalEntry
from metering.limits.models import Budget
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from metering.rollups.models import Rerating
from workspaces.models import APIKey, Gateway, Workspace

SEARCH_LIMIT = 10
# Pages below a list that have their own place in the menu.
OF_THEIR_OWN = (
    "admin:metering_usageevent_unpriced",
    "admin:metering_hold_unaccounted",
    "admin:metering_journalentry_trial_balance",
    "admin:metering_priceversion_list",
)
# Which table a public id belongs to.
BY_PREFIX = {
    "ws_": Workspace,
    "key_": APIKey,
    "gw_": Gateway,
    "bat_": Batch,
    "qrn_": QuarantinedEvent,
    "price_": PriceVersion,
    "imp_": PriceImport,
    "ppr_": ProviderPrice,
    "bgt_": Budget,
    "hook_": WebhookEndpoint,
    "dlv_": WebhookDelivery,
    "inv_": Invoice,
    "rule_": UsageRule,
    "cn_": CreditNote,
    "rrt_": Rerating,
    "jrn_": JournalEntry,
}


def environment(request: HttpRequest) -> list[str]:
    """The badge beside every title: nobody should take one for the other."""
    return ["Production", "danger"] if settings.PRODUCTION else ["Development", "info"]


def stylesheet(request: HttpRequest) -> str:
    return static("console/console.css")


def colours(request: HttpRequest) -> str:
    return static("console/colours.css")


def no_colours(request: HttpRequest) -> dict[str, dict[str, str]]:
    return {}


def script(request: HttpRequest) -> str:
    return static("console/console.js")


def console_favicon(request: HttpRequest) -> str:
    return static("website/mark.svg")


def account_links(request: HttpRequest) -> list[dict[str, str]]:
    return [
        {"title": "Change password", "link": reverse("account_change_password")},
        {"title": "Two-factor authentication", "link": reverse("mfa_index")},
    ]


def waiting_badge(request: HttpRequest) -> str:
    return waiting_batches().text


def quarantine_badge(request: HttpRequest) -> str:
    return open_quarantine().text


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the navigation, in the order of the pipeline."""
    return [
        {"items": [_item("Overview", "dashboard", "index", request)]},
        _group(
            "Customers",
            [
                _item("Workspaces", "apartment", "workspaces_workspace_changelist", request),
                _item("Closed workspaces", "block", "metering_closedworkspace_changelist", request),
                _item("API keys", "key", "workspaces_apikey_changelist", request),
                _item("People", "group", "workspaces_user_changelist", request),
            ],
        ),
        _group(
            "Catalogue",
            [
                _item("Language models", "neurology", "metering_languagemodel_changelist", request),
                _item("Prices", "sell", "metering_priceversion_changelist", request),
                _item("Price list", "list_alt", "metering_priceversion_list", request),
                _item("Price imports", "upload_file", "metering_priceimport_changelist", request),
                _item("Provider costs", "storefront", "metering_providerprice_changelist", request),
                _item("Re-rating", "currency_exchange", "metering_rerating_changelist", request),
            ],
        ),
        _group(
            "Metering",
            [
                _item("Usage events", "receipt_long", "metering_usageevent_changelist", request),
                _item("Unpriced requests", "money_off", "metering_usageevent_unpriced", request),
                _item("Batches", "inbox", "metering_batch_changelist", request, badge="waiting_badge"),
                _item("Quarantine", "report", "metering_quarantinedevent_changelist", request, badge="quarantine_badge"),
                _item("Numbers not understood", "question_mark", "metering_usagerule_changelist", request),
                _item("Gateways", "router", "workspaces_gateway_changelist", request),
            ],
        ),
        _group(
            "Limits",
            [
                _item("Budgets", "speed", "metering_budget_changelist", request),
                _item("Held now", "lock_clock", "metering_hold_changelist", request),
                _item("Refused requests", "do_not_disturb_on", "metering_refusedrequests_changelist", request),
                _item("Unaccounted requests", "help", "metering_hold_unaccounted", request),
            ],
        ),
        _group(
            "Billing",
            [
                _item("Invoices", "request_quote", "metering_invoice_changelist", request),
                _item("Credit notes", "undo", "metering_creditnote_changelist", request),
                _item("Credits", "redeem", "metering_creditgrant_changelist", request),
                _item("Tax rates", "percent", "metering_taxrate_changelist", request),
                _item("Mails", "mail", "metering_notice_changelist", request),
            ],
        ),
        _group(
            "Payments",
            [
                _item("Payments", "payments", "metering_payment_changelist", request),
                _item("Payment attempts", "credit_card", "metering_paymentattempt_changelist", request),
                _item("Top-ups", "add_card", "metering_topup_changelist", request),
                _item("Owed to customers", "outbound", "metering_payout_changelist", request),
                _item("Disputes", "gavel", "metering_dispute_changelist", request),
                _item("Stripe's webhooks", "move_to_inbox", "metering_webhookevent_changelist", request),
            ],
        ),
        _group(
            "Bookkeeping",
            [
                _item("Trial balance", "balance", "metering_journalentry_trial_balance", request),
                _item("Journal", "menu_book", "metering_journalentry_changelist", request),
            ],
        ),
        _group(
            "Reports",
            [
                _item("Statements", "account_balance", "metering_journalposting_statement", request),
                _item("Ageing", "hourglass_bottom", "metering_journalposting_ageing", request),
                _item("Deferred revenue", "pending_actions", "metering_journalposting_deferred_revenue", request),
                _item("Tax", "account_balance_wallet", "metering_journalposting_tax", request),
                _item("Revenue", "monitoring", "metering_journalposting_revenue", request),
                _item("Margin", "percent", "metering_journalposting_margin", request),
            ],
        ),
        _group(
            "Operations",
            [
                _item("Audit trail", "history", "workspaces_auditentry_changelist", request),
                _item("Operators' keys", "vpn_key", "workspaces_operatorkey_changelist", request),
                _item("Webhook endpoints", "webhook", "metering_webhookendpoint_changelist", request),
                _item("Webhook deliveries", "outbox", "metering_webhookdelivery_changelist", request),
                _item("Jobs", "play_circle", "metering_jobrun_changelist", request),
                _item("Schedule", "schedule", "django_celery_beat_periodictask_changelist", request),
                _item("Second factors", "phonelink_lock", "mfa_authenticator_changelist", request),
            ],
        ),
    ]


def _group(title: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": items}


def _item(title: str, icon: str, page: str, request: HttpRequest, badge: str | None = None) -> dict[str, Any]:
    link = reverse(f"admin:{page}")
    within = request.path.startswith(link) and page != "index" and request.path not in map(reverse, OF_THEIR_OWN)
    here = request.path == link or within
    item: dict[str, Any] = {"title": title, "icon": icon, "link": link, "active": here}
    # A count of nothing is no warning: the badge appears with the first.
    if badge and (text := globals()[badge](request)) != "0":
        item |= {"badge": text, "badge_variant": "warning"}
    return item


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Anything by its id, or a few workspaces, models and invoices by name. The console lower-cases what was typed."""
    for prefix, model in BY_PREFIX.items():
        if term.startswith(prefix):
            # Ids differ by case, so the typed one is compared as it was typed.
            typed = request.GET.get("s", "").strip()
            return [_found(row) for row in model._default_manager.filter(public_id=typed).only("pk", "public_id")]
    found: list[Any] = [*Workspace.objects.filter(Q(name__icontains=term) | Q(email__icontains=term))[:SEARCH_LIMIT]]
    found += LanguageModel.objects.filter(slug__icontains=term)[:SEARCH_LIMIT]
    found += Invoice.objects.filter(number=term.upper())
    found += CreditNote.objects.filter(number=term.upper())
    return [_found(row) for row in found]


def _found(row: Any) -> SearchResult:
    options = row._meta
    link = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])
    title = getattr(row, "number", None) or getattr(row, "name", None) or str(getattr(row, "public_id", row))
    return SearchResult(title=title, description=str(options.verbose_name).capitalize(), link=link, icon="data_object")
