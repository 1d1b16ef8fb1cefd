"""Usage sent through the real endpoint and worker, September 2026 as the month to close; what is agreed, billed, credited."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.credit_notes.issue import issue
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing, BillingTerms, TaxRate
from metering.periods import Period, parse_month
from tests.kit.factories import GOLDEN_USAGE, NOW, an_event, make_key, send
from workspaces.models import APIKey, Gateway, Workspace

JULY, AUGUST, SEPTEMBER, OCTOBER, NOVEMBER = (parse_month(f"2026-{month:02}") for month in range(7, 12))


def at(text: str) -> datetime:
    """`10-14T09:30` in UTC, of the tests' year."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def tokens(input: int = 0, cached: int = 0, output: int = 0) -> dict[str, Any]:
    """Usage as a provider reports it; `input` includes the cached ones."""
    return {
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


class Meter:
    """Records usage of a key at instants of the year, one request each."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.sent = 0

    def __call__(
        self, key: APIKey, *occurred_at: str, usage: dict[str, Any] = GOLDEN_USAGE, now: datetime = NOW, **more: Any
    ) -> None:
        events = []
        for instant in occurred_at:
            self.sent += 1
            named = {"request_id": f"req-{self.sent}", "occurred_at": at(instant).isoformat(), "usage": usage}
            events.append(an_event(key, **(named | more)))
        batch = send(self.gateway, events, now)
        assert (batch.recorded, batch.unpriced, batch.rejected) == (len(events), 0, 0), batch.items


def closed(period: Period = SEPTEMBER, now: datetime = NOW, **more: Any) -> list[Invoice]:
    return close_workspaces(period, now, **more)


def finalized(period: Period = SEPTEMBER, now: datetime = NOW, **more: Any) -> list[Invoice]:
    return close_workspaces(period, now, finalize=True, **more)


def lines_of(invoice: Invoice) -> list[tuple[str, str, int, str, str]]:
    """An invoice's lines as (kind, description, tokens, exact amount, displayed amount)."""
    return [
        (line.kind, line.description, line.quantity, f"{line.amount_exact.normalize():f}", str(line.amount))
        for line in invoice.lines.order_by("position")
    ]


def an_invoice(workspace: Workspace, use: Meter, month: str = "09", millions: int = 100) -> Invoice:
    """An open one of the month, at 1.50 a million."""
    use(make_key(workspace), f"{month}-14T10:00", usage=tokens(input=millions * 1_000_000))
    (made,) = close_workspaces(parse_month(f"2026-{month}"), NOW, workspace=workspace, finalize=True)
    assert made.status == "open"
    return made


def agree(workspace: Workspace, rates: dict[str, str] | None = None, since: Period = SEPTEMBER, **terms: Any) -> BillingTerms:
    pricing = {name: terms.pop(name) for name in ("discount_percent", "minimum_commitment") if name in terms}
    if pricing:
        AgreedPricing.objects.create(workspace=workspace, effective_from=since.start, **pricing)
    agreed, _ = BillingTerms.objects.update_or_create(workspace=workspace, defaults=terms)
    for name, percent in (rates or {}).items():
        agreed.tax_rates.add(TaxRate.objects.create(name=name, percent=Decimal(percent)))
    return agreed


def credit(workspace: Workspace, amount: str, kind: str = "goodwill", **more: Any) -> CreditGrant:
    return ledger.grant(workspace, kind, Decimal(amount), "ops@omixa.example", at("09-01T00:00"), **more)


OPS = "ops@omixa.example"


def credited(invoice: Invoice, amounts: dict[str, str] | None = None, settlement: str = "outside", **more: Any) -> CreditNote:
    """A credit note of `amounts` by component, or of all that is left."""
    by_component = {line.component or line.kind: line.public_id for line in invoice.lines.all()}
    chosen = None if amounts is None else {by_component[name]: Decimal(amount) for name, amount in amounts.items()}
    with transaction.atomic():
        note = issue(lock_invoice(invoice.pk), chosen, more.get("reason", "goodwill"), settlement, OPS, more.get("now", NOW))
    invoice.refresh_from_db()
    return note


def pay(invoice: Invoice) -> None:
    with transaction.atomic():
        lower_amount_due(lock_invoice(invoice.pk), invoice.amount_due, "transfer 17", OPS, NOW)
    invoice.refresh_from_db()
