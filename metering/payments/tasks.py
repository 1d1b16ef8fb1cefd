"""Money on a schedule. Each task makes one call, and may run twice, and twice at once."""

from collections import Counter
from typing import Any

import structlog
from django.utils import timezone

from metering.jobs.declare import job
from metering.jobs.run import Run
from metering.payments.accounts import methods
from metering.payments.balance.expiry import expire_due_credits as write_off_credits
from metering.payments.balance.suspension import update_suspensions
from metering.payments.collecting import attempts, collect, dunning
from metering.payments.mails import sending
from metering.payments.mails.expiring_keys import tell_of_expiring_keys
from metering.payments.refunds import refunds
from metering.payments.top_ups import automatic
from metering.payments.webhooks import inbox

log = structlog.get_logger(__name__)


@job("metering.collect_invoices")
def collect_invoices(run: Run) -> dict[str, Any]:
    """Charges saved methods with what was finalized and not tried yet."""
    return collect.collect_due(timezone.now, run.progress)


@job("metering.dun_invoices")
def dun_invoices(run: Run) -> dict[str, Any]:
    """Retries declined invoices when their days have come, reminds, and says what is past due."""
    return dunning.dun(timezone.now, collect.collect_invoice, run.progress)


@job("metering.recover_payments")
def recover_payments(run: Run) -> dict[str, Any]:
    """Takes up attempts and refunds whose outcome is not known."""
    counts: Counter[str] = Counter(settled=0, waiting=0, unavailable=0, failed=0)
    for recover in (attempts.recover_attempts, refunds.recover_refunds):
        try:
            counts.update(recover(timezone.now))
        except Exception:  # the other is not held up
            log.exception("recovery_failed", of=recover.__module__)
            counts["failed"] += 1
    return dict(counts)


@job("metering.handle_webhooks")
def handle_webhooks(run: Run) -> dict[str, Any]:
    """Handles what waits in the webhook inbox, and tries again what failed."""
    return inbox.handle_waiting(timezone.now, run.progress)


@job("metering.expire_credits")
def expire_credits(run: Run) -> dict[str, Any]:
    """Writes off expired credits once their last month is invoiced."""
    return write_off_credits(timezone.now())


@job("metering.top_up_balances")
def top_up_balances(run: Run) -> dict[str, Any]:
    """Tops up low balances and tells of them; refuses live keys while nothing is left, or lets them work again."""
    found, suspended = automatic.top_up_low(timezone.now, run.progress), update_suspensions(timezone.now)
    return found | suspended | {"failed": found["failed"] + suspended["failed"]}


@job("metering.send_notices")
def send_notices(run: Run) -> dict[str, Any]:
    """Sends the mails that wait."""
    return sending.send_waiting(timezone.now, run.progress)


@job("metering.tell_expiring_cards")
def tell_expiring_cards(run: Run) -> dict[str, Any]:
    """Tells workspaces of saved cards that expire within a month."""
    return {"cards": methods.notify_expiring_cards(timezone.now())}


@job("metering.tell_expiring_keys")
def tell_expiring_keys(run: Run) -> dict[str, Any]:
    """Tells owners and admins of keys that expire within two weeks."""
    return {"keys": tell_of_expiring_keys(timezone.now())}
