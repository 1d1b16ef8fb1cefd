"""How a workspace stands: how it pays, what was agreed, what it has left and owes, and whether its keys work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Sum
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from metering import dollars
from metering.console import figures
from metering.console.money.receivables import condition, invoices_url
from metering.console.money.workspaces.fees import fees_in_words
from metering.console.money.workspaces.terms import pricing_in_words
from metering.invoicing.composing.taxes import tax_label
from metering.invoicing.models import Invoice
from metering.invoicing.terms.in_force import days_until_due, pricing_of, tax_rates_of, terms_of
from metering.invoicing.terms.models import BillingTerms
from metering.payments.balance.balance import Balance, balance_of
from metering.payments.models import Dunning, PaymentAccount
from workspaces.models import Workspace

Fact = tuple[str, SafeString]
MOST_DUNNED = 5
PAYS = {
    BillingTerms.Mode.POSTPAID: "postpaid: invoiced every month",
    BillingTerms.Mode.PREPAID: "prepaid: from its credit, and its live keys stop when that is used up",
}


def billing_mode_label(workspace: Workspace) -> str:
    if workspace.sandbox:
        return "sandbox: metered and priced, never invoiced"
    prepaid = terms_of(workspace).mode == BillingTerms.Mode.PREPAID
    return "customer: pays from credit that it buys before" if prepaid else "customer: invoiced every month"


def money_facts(workspace: Workspace, now: datetime) -> list[Fact]:
    """(name, value) in reading order; nothing of a sandbox. A fixed number of statements but for unbilled months."""
    if workspace.sandbox:
        return []
    terms, balance = terms_of(workspace), balance_of(workspace, now)
    return [
        ("Pays", format_html("{}", PAYS[BillingTerms.Mode(terms.mode)])),
        ("Terms", _linked(terms_in_short(terms), ("change", _act("billing_terms", workspace)))),
        ("Fees", _fees(workspace)),
        ("Balance", _linked(balance_in_words(balance), ("statement", _statement(workspace)))),
        ("Credits left", _credits(workspace, balance)),
        ("Owed", _owed(workspace, now)),
        ("Dunning", _dunning(workspace)),
        ("Payment method", _method(workspace)),
        ("Live keys", _keys(workspace)),
    ]


def terms_in_short(terms: BillingTerms) -> str:
    """`10 % discount, VAT 19 %, due after 14 days`."""
    taxed = terms.tax_treatment == BillingTerms.TaxTreatment.TAXED
    taxes = [tax_label(rate.name, rate.percent) for rate in tax_rates_of(terms)] or [
        "no tax" if taxed else terms.get_tax_treatment_display().lower()
    ]
    days = days_until_due(terms)
    due = f"due after {days} day{'' if days == 1 else 's'}" if days else "due at once"
    return ", ".join([*pricing_in_short(terms), *taxes, due])


def pricing_in_short(terms: BillingTerms) -> list[str]:
    """What was ever agreed about prices, each with its beginning."""
    agreed = pricing_of(terms.workspace)
    return [pricing_in_words(agreed)] if agreed else ["list prices"]


def balance_in_words(balance: Balance) -> str:
    tax = f" and {dollars.usd_text(balance.tax)} of tax on it" if balance.tax else ""
    used = f"{dollars.usd_text(balance.unbilled)} used{tax}, not invoiced yet"
    if not balance.credits:
        return f"no credit, {used}"
    return f"{dollars.usd_text(balance.left)}: {dollars.usd_text(balance.credits)} of credit less {used}"


def _fees(workspace: Workspace) -> SafeString:
    acts = ("set a fee", _act("set_fee", workspace)), ("add a line", _act("add_line", workspace))
    return _linked(fees_in_words(workspace), *acts)


def _credits(workspace: Workspace, balance: Balance) -> SafeString:
    kinds = [f"{dollars.usd_text(amount)} {kind}" for kind, amount in balance.by_kind.items() if amount]
    return _linked(
        ", ".join(kinds) or "none",
        ("all credits", f"{reverse('admin:metering_creditgrant_changelist')}?workspace__id__exact={workspace.pk}"),
        ("grant credit", _act("grant_credit", workspace)),
    )


def _owed(workspace: Workspace, now: datetime) -> SafeString:
    overdue = condition("overdue", now)
    found = Invoice.objects.filter(condition("open", now), workspace=workspace).aggregate(
        invoices=Count("pk"), due=Sum("amount_due"), late=Sum("amount_due", filter=overdue)
    )
    if not found["invoices"]:
        invoices = f"{reverse('admin:metering_invoice_changelist')}?workspace__id__exact={workspace.pk}"
        return _linked("nothing", ("invoices", invoices))
    many = f"{found['invoices']:,} invoice{'' if found['invoices'] == 1 else 's'}"
    text, links = f"{dollars.usd_text(found['due'])} on {many}", [("open invoices", invoices_url("open", workspace))]
    if found["late"]:
        text += f", {dollars.usd_text(found['late'])} of it overdue"
        links.append(("overdue ones", invoices_url("overdue", workspace)))
    return _linked(text, *links)


def _dunning(workspace: Workspace) -> SafeString:
    """Of the oldest invoices that were not paid when they should."""
    of_open = Dunning.objects.filter(invoice__in=workspace.invoices.open())
    rows = of_open.exclude(state=Dunning.State.SETTLED).select_related("invoice")
    is_charged = PaymentAccount.objects.filter(workspace=workspace).exclude(method_id="").exists()
    steps = [
        (_page("metering_invoice_change", each.invoice_id), each.invoice, _step(each, is_charged))
        for each in rows[:MOST_DUNNED]
    ]
    if not steps:
        return format_html("{}", "none")
    return format_html_join(SafeString("<br>"), '<a class="console-link" href="{}">{}</a> {}', steps)


def _step(dunning: Dunning, is_charged: bool) -> str:
    if dunning.state == Dunning.State.PAST_DUE:
        return f"is overdue with no retry left since {figures.moment(dunning.past_due_at)} UTC"
    if dunning.next_retry_at is None:
        return "is being retried"
    next_step = "is tried again" if is_charged else "gets its next reminder"
    return f"{next_step} at {figures.moment(dunning.next_retry_at)} UTC"


def _method(workspace: Workspace) -> SafeString:
    account = PaymentAccount.objects.filter(workspace=workspace).first()
    attempts = f"{reverse('admin:metering_paymentattempt_changelist')}?workspace__id__exact={workspace.pk}"
    return _linked(method_in_words(account), ("attempts", attempts))


def method_in_words(account: PaymentAccount | None) -> str:
    if account is None or not account.method_id:
        return "none saved"
    words = f"{account.brand or account.method_kind} ending in {account.last_four}"
    if account.expires_year and account.expires_month:
        words += f", expires {account.expires_year}-{account.expires_month:02}"
    if account.top_ups_stopped_at is not None:
        return f"{words}; automatic top-ups stopped: {account.top_up_stopped}"
    if account.top_up_below is not None:
        words += (
            f"; buys {dollars.usd_text(account.top_up_amount or Decimal(0))} below {dollars.usd_text(account.top_up_below)}"
        )
    return words


def _keys(workspace: Workspace) -> SafeString:
    if workspace.suspended_at is None:
        return format_html("{}", "work")
    since = f"refused since {figures.moment(workspace.suspended_at)} UTC."
    return format_html("<strong>{}</strong> {}", since, workspace.suspended_because)


def _linked(text: str, *links: tuple[str, str]) -> SafeString:
    return format_html('{} <span class="console-acts">{}</span>', text, _links(links))


def _links(links: Iterable[tuple[str, str]]) -> SafeString:
    named = ((address, words) for words, address in links)
    return format_html_join(SafeString(" · "), '<a class="console-link console-nowrap" href="{}">{}</a>', named)


def _act(name: str, workspace: Workspace) -> str:
    return _page(f"workspaces_workspace_{name}", workspace.pk)


def _statement(workspace: Workspace) -> str:
    return f"{reverse('admin:metering_journalposting_statement')}?workspace={workspace.pk}"


def _page(name: str, pk: int) -> str:
    return reverse(f"admin:{name}", args=[pk])
