"""Closing a workspace for good: what it used is billed now, what it agreed on ends, its keys stop, its credit goes back.

All in one transaction that holds the workspace: closing a month, a payment, a top-up and a new key come wholly before it or
wholly after it. Its documents stay, open invoices are still paid, and admin keys and members still read. Usage that arrives
late is recorded and shown to operators; no invoice bills it unless a person voids the final one and reissues its month.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from metering.alerts.models import AlertSettings
from metering.alerts.preferences import change_alert_settings
from metering.checked_inputs import checked_reason
from metering.invoicing.composing.compose import compose
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.fees.change import bring_lines_forward, end_fees
from metering.invoicing.lifecycle.last import last_invoice
from metering.invoicing.lifecycle.schedule import due_months
from metering.invoicing.models import Invoice
from metering.invoicing.terms.change import end_minimum
from metering.limits.budgets.change import delete_budget
from metering.limits.changed import note_change
from metering.limits.models import Budget
from metering.money import cents_text
from metering.offboarding.announced import announce_closing
from metering.offboarding.as_json import closed_json
from metering.offboarding.mail import mail_closing
from metering.offboarding.models import ClosedWorkspace
from metering.offboarding.rest_of_credit import RestOfCredit, end_credit
from metering.payments.collecting.attempts import cancel_attempt
from metering.payments.models import PaymentAccount, PaymentAttempt, Refund
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable
from metering.payments.refunds.payouts import owed_to
from metering.payments.refunds.refunds import sync_refund
from metering.payments.refunds.reversals import issue_credit_note
from metering.payments.top_ups.preferences import save_preferences
from metering.periods import DAY, Period, floor_day, month_of
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.keys.issue import revoke_key
from workspaces.locks import lock_workspace
from workspaces.models import Workspace

log = structlog.get_logger(__name__)


def close_for_good(workspace: Workspace, reason: str, credit: str, actor: str, now: datetime) -> ClosedWorkspace:
    """Closes the workspace; one that is closed stays as it is. `credit` says what becomes of bought credit that is left.

    Raises InvalidParameter.
    """
    with transaction.atomic():
        closed, refunds = _close(lock_workspace(workspace.pk), *_checked(reason, credit), actor, now)
        transaction.on_commit(partial(_end_what_stripe_has, closed.workspace, refunds, now))
    return closed


def what_closing_does(workspace: Workspace, reason: str, credit: str, actor: str, now: datetime) -> dict[str, Any]:
    """What closing it now would come to, as `closed_json`: it is closed, and everything is rolled back, numbers of documents
    with it. Raises as `close_for_good`.
    """
    with transaction.atomic():
        closed, _ = _close(lock_workspace(workspace.pk), *_checked(reason, credit), actor, now)
        found = closed_json(closed)
        if ClosedWorkspace.objects.filter(workspace=workspace, closed_at=now).exists():
            found["invoices"] = [each | {"id": None, "number": None} for each in found["invoices"]]
        transaction.set_rollback(True)
    return found


def late_usage(closed: ClosedWorkspace, now: datetime) -> Decimal:
    """What came after the closing and no invoice bills: in whole cents, below zero where usage was taken back."""
    return compose(closed.workspace, month_of(now)).subtotal - closed.not_billed


def _checked(reason: str, credit: str) -> tuple[str, str]:
    if credit not in ClosedWorkspace.Credit.values:
        raise InvalidParameter(f"Credit is one of {', '.join(ClosedWorkspace.Credit.values)}.", param="credit")
    return checked_reason(reason), credit


def _close(workspace: Workspace, reason: str, credit: str, actor: str, now: datetime) -> tuple[ClosedWorkspace, list[Refund]]:
    before = ClosedWorkspace.objects.select_related("workspace").filter(workspace=workspace).first()
    if before is not None:
        return before, []
    months = [period for period, _ in due_months(now, workspace)]
    keys = _end_agreements(workspace, actor, now)
    Workspace.objects.filter(pk=workspace.pk).update(closed_at=now)
    workspace.closed_at = now
    invoices: list[Invoice] = []
    rest = RestOfCredit()
    if not workspace.sandbox:
        invoices = list(_bill(workspace, [*months, month_of(now)], actor, now))
        rest = end_credit(workspace, credit == ClosedWorkspace.Credit.REFUND, actor, now)
    closed = ClosedWorkspace.objects.create(
        workspace=workspace,
        reason=reason,
        credit=credit,
        invoices=[invoice.public_id for invoice in invoices],
        keys_revoked=keys,
        refunded=rest.refunded,
        owed=rest.owed,
        expired=rest.expired,
        given_expired=rest.given_expired,
        not_billed=compose(workspace, month_of(now)).subtotal,
        closed_at=now,
        closed_by=actor,
    )
    details = {"reason": reason, "credit": credit, "invoices": closed.invoices, "keys_revoked": keys}
    amounts = {name: cents_text(getattr(closed, name)) for name in ("refunded", "owed", "expired", "not_billed")}
    audit.record(actor, "workspace.closed", workspace.public_id, workspace, now=now, **details, **amounts)
    note_change(workspace.pk, now)
    mail_closing(closed, now)
    announce_closing(closed, now)
    return closed, rest.refunds


def _end_agreements(workspace: Workspace, actor: str, now: datetime) -> int:
    """Minimum, fees, budgets, automatic top-ups and alerts end; how many keys stopped. Admin keys still read documents."""
    if not workspace.sandbox:
        end_minimum(workspace, actor, now)
        end_fees(workspace, floor_day(now) + DAY, actor, now)
        bring_lines_forward(workspace, month_of(now), actor, now)
    for budget in Budget.objects.filter(workspace=workspace).order_by("pk"):
        delete_budget(budget, actor=actor, now=now)
    account = PaymentAccount.objects.filter(workspace=workspace).first()
    if account is not None and (account.top_up_below is not None or account.low_balance is not None):
        save_preferences(workspace, None, None, None, account.top_ups_per_day, actor, now)
    if AlertSettings.objects.filter(workspace=workspace).exists():
        change_alert_settings(workspace, {"balance_levels": [], "spike_freezes": False}, actor, now)
    working = workspace.api_keys.unrevoked().for_calls()
    return sum(revoke_key(key, actor, now) for key in working.order_by("pk"))


def _bill(workspace: Workspace, months: list[Period], actor: str, now: datetime) -> Iterator[Invoice]:
    """What ended months and the running one come to, on an invoice each.

    Corrections of paid months that are more than is left to bill are given back as credit first, which then pays for it.
    """
    *ended, running = months
    for period in ended:
        if (invoice := last_invoice(workspace, period, actor, now)) is not None:
            yield invoice
    if compose(workspace, running).subtotal_exact <= 0:
        for each in owed_to(workspace).corrections:
            kept = CreditNote.Settlement.BALANCE
            issue_credit_note(each.invoice.pk, each.amounts, "Correction of usage", kept, actor, now)
    if (invoice := last_invoice(workspace, running, actor, now)) is not None:
        yield invoice


def _end_what_stripe_has(workspace: Workspace, refunds: list[Refund], now: datetime) -> None:
    """Sends the refunds, and closes pages on which credit could still be bought. What Stripe does not do yet is tried again,
    and money that comes all the same is a surplus.
    """
    pages = PaymentAttempt.objects.unsettled().filter(workspace=workspace, top_up__isnull=False)
    acts: list[Callable[[], object]] = [partial(sync_refund, refund, now) for refund in refunds]
    acts += [partial(cancel_attempt, page, now) for page in pages]
    for act in acts:
        try:
            act()
        except (ProviderUnavailable, ProviderRefused) as error:
            log.warning("closing_waits_for_stripe", workspace=workspace.public_id, error=str(error))
