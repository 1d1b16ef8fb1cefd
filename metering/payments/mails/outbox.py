"""Mails to workspaces and to operators: written with what they tell, in the same transaction, and sent afterwards."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from metering.payments.mails.models import Notice
from omixa_billing.reminders import remind_soon
from workspaces.models import Workspace

# What goes to the operators and never to the workspace that it is about.
FOR_OPERATORS = (
    *("payment_disputed", "dispute_lost", "dispute_won", "payment_surplus"),
    *("gateway_leaked", "usage_unaccounted"),
)
# What goes to the people who manage the workspace's keys, and not to where invoices go.
FOR_KEY_MANAGERS = (
    *("key_expiring", "webhook_disabled"),
    *("key_leaked", "key_spend_spike", "budget_threshold", "budget_forecast"),
)


def add_notice(workspace: Workspace | None, kind: str, key: str, context: dict[str, Any], now: datetime) -> None:
    """One mail per key, whatever runs twice. `context` is what its templates print, as texts."""
    Notice.objects.bulk_create(
        [Notice(workspace=workspace, kind=kind, key=key, context=context, created_at=now)], ignore_conflicts=True
    )


def add_operator_notices(workspace: Workspace | None, kind: str, key: str, context: dict[str, Any], now: datetime) -> None:
    """The same to OPERATOR_EMAILS, if there are any: `kind` is one of FOR_OPERATORS. It may be about no workspace."""
    if settings.OPERATOR_EMAILS:
        add_notice(workspace, kind, key, context, now)


def send_soon() -> None:
    """What was added is sent as soon as the transaction has committed, and not at the next minute."""
    transaction.on_commit(lambda: remind_soon("metering.send_notices"), robust=True)
