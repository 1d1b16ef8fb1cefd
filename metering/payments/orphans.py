"""Top-ups that were written without an attempt, as was possible once: taken up, or ended where it is too late.

Whoever made one was killed before the attempt was written. Nothing was ever asked of Stripe for it.
"""

from datetime import datetime

import structlog
from django.db import transaction

from metering.invoicing.draft import hold
from metering.payments.accounts import account_of, ensure_customer
from metering.payments.attempts import KEY_LIVES, SETTLES_WITHIN, begin_for_top_up
from metering.payments.idempotency import digest_of
from metering.payments.models import IdempotencyKey, TopUp
from metering.payments.stripe_edge import StripeUnavailable
from metering.payments.top_ups import CHANNELS, PAGE, SAVED, pay

log = structlog.get_logger(__name__)
NEVER_BEGUN = "It was never begun, and nothing was charged: buy the credit again."


def take_up(now: datetime) -> dict[str, int]:
    """What a person or a program asked for today is bought; the rest fails, so that it stands in nobody's way.

    An automatic one fails as well: the next run buys if the balance is low still. Counts of outcomes.
    """
    counts = {"settled": 0, "waiting": 0, "unavailable": 0}
    orphans = TopUp.objects.filter(status=TopUp.Status.PENDING, attempts__isnull=True, created_at__lte=now - SETTLES_WITHIN)
    for top_up in orphans.select_related("workspace").order_by("pk"):
        try:
            found = _take_up(top_up, now)
        except StripeUnavailable as error:
            log.warning("top_up_waits", top_up=top_up.public_id, error=str(error))
            counts["unavailable"] += 1
        else:
            counts["waiting" if found.status == TopUp.Status.PENDING else "settled"] += 1
    return counts


def _take_up(top_up: TopUp, now: datetime) -> TopUp:
    method = _method_of(top_up)
    too_late = top_up.automatic or now - top_up.created_at > KEY_LIVES
    if too_late or (method == SAVED and not account_of(top_up.workspace).method_id):
        return _end(top_up, now)
    account = ensure_customer(top_up.workspace, now)
    with transaction.atomic():
        hold(top_up.workspace_id)
        begin_for_top_up(top_up, CHANNELS[method], account, now)
    return pay(top_up, now)


def _method_of(top_up: TopUp) -> str:
    """What its `Idempotency-Key` was used for tells how it was to be paid; a page charges nobody unasked."""
    asked = digest_of({"top_up": {"amount": top_up.amount, "method": SAVED}})
    saved = IdempotencyKey.objects.filter(workspace=top_up.workspace_id, made=top_up.public_id, asked=asked)
    return SAVED if saved.exists() else PAGE


def _end(top_up: TopUp, now: datetime) -> TopUp:
    with transaction.atomic():
        hold(top_up.workspace_id)
        orphan = TopUp.objects.filter(pk=top_up.pk, status=TopUp.Status.PENDING, attempts__isnull=True)
        if orphan.exists():
            TopUp.objects.filter(pk=top_up.pk).update(status=TopUp.Status.FAILED, message=NEVER_BEGUN, settled_at=now)
    top_up.refresh_from_db()
    return top_up
