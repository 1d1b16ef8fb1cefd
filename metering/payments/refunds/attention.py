"""What of the money waits for a person's decision: disputes that run, and money that came for nothing due any more."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Concat

from metering.journal.accounts import JournalAccount
from metering.journal.entries import Kind
from metering.journal.models import JournalBalance, JournalPosting
from metering.money import cents_text, from_smallest_unit
from metering.payments.booked import left_of_surplus
from metering.payments.mails.models import Notice
from metering.payments.mails.outbox import add_operator_notices
from metering.payments.models import Dispute, Payment

OF_DISPUTES = (Kind.DISPUTE_LOST, Kind.DISPUTE_WON)


def unplaced_disputes() -> QuerySet[Dispute]:
    """Lost ones of which a part is owed by nobody: no invoice, credit or surplus could bear it (`unplaced_amounts`)."""
    return Dispute.objects.filter(stripe_id__in=_borne_by_us().values("entry__document"))


def unplaced_amounts() -> dict[str, Decimal]:
    """What we bear of lost disputes, by their ids."""
    rows = _borne_by_us().values_list("entry__document", "currency", "borne")
    return {dispute: from_smallest_unit(units, currency) for dispute, currency, units in rows}


def _borne_by_us() -> QuerySet[Any, Any]:
    of_disputes = JournalPosting.objects.filter(account=JournalAccount.CHARGEBACKS, entry__kind__in=OF_DISPUTES).order_by()
    return of_disputes.values("entry__document", "currency").annotate(borne=Sum("amount")).filter(borne__gt=0)


def surpluses() -> QuerySet[Payment]:
    """Payments of which something settles nothing and did not go back."""
    kept = JournalBalance.objects.filter(account=JournalAccount.SURPLUS, balance__lt=0).exclude(part="")
    return Payment.objects.filter(public_id__in=kept.values("part"))


def notify_of_surpluses(now: datetime) -> None:
    """A mail to the operators each time that something of a payment settles nothing: found by search, so that none can be
    missed.
    """
    came = JournalPosting.objects.filter(account=JournalAccount.SURPLUS, part=OuterRef("public_id"), amount__lt=0)
    last = came.filter(workspace=OuterRef("workspace")).order_by("-pk").values("entry__public_id")[:1]
    found = surpluses().annotate(key=Concat(Value("payment_surplus:"), "public_id", Value(":"), Subquery(last)))
    announced = Notice.objects.filter(key=OuterRef("key"))
    for payment in found.exclude(Exists(announced)).select_related("workspace").order_by("pk"):
        context: dict[str, Any] = payment_context(payment) | {
            "amount": cents_text(left_of_surplus(payment)),
            "why": payment.surplus,
            "can_be_kept": can_be_kept(payment),
        }
        add_operator_notices(payment.workspace, "payment_surplus", payment.key, context, now)


def can_be_kept(payment: Payment) -> bool:
    """Whether a surplus of it may become credit: it paid nothing, and credit is in its currency."""
    in_currency = payment.currency == payment.workspace.currency
    return payment.invoice_id is None and payment.grant_id is None and in_currency


def notify_of_dispute(dispute: Dispute, now: datetime) -> None:
    """A mail to the operators, in the transaction that keeps the dispute."""
    payment = dispute.payment
    context = payment_context(payment) | {
        "amount": cents_text(dispute.amount),
        "reason": dispute.reason,
        "status": dispute.status,
    }
    add_operator_notices(payment.workspace, "payment_disputed", f"payment_disputed:{dispute.stripe_id}", context, now)


def notify_of_dispute_end(dispute: Dispute, now: datetime) -> None:
    """A mail to the operators when it was won or lost."""
    payment = dispute.payment
    context = payment_context(payment) | {
        "amount": cents_text(dispute.charged_back if dispute.is_booked else dispute.amount),
        "fee": cents_text(dispute.fee),
        "reason": dispute.reason,
    }
    kind = "dispute_lost" if dispute.is_booked else "dispute_won"
    add_operator_notices(payment.workspace, kind, f"{kind}:{dispute.stripe_id}", context, now)


def payment_context(payment: Payment) -> dict[str, str]:
    return {
        "payment_id": payment.public_id,
        "payment_key": str(payment.pk),
        "workspace": payment.workspace.name,
        "currency": payment.currency,
    }
