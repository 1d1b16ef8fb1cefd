"""Alert settings of a workspace: read with what is usual where nothing was chosen, and changed."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from metering.alerts.models import AlertSettings
from metering.money import ONE_CENT, cents_text, is_whole_cents
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.access.still_allowed import check_still_allowed
from workspaces.closed import refuse_closed
from workspaces.models import APIKey, User, Workspace

MOST_LEVELS = 10
LARGEST_AMOUNT = Decimal("1000000000.00")
LEAST_FACTOR, LARGEST_FACTOR = Decimal("1.10"), Decimal("10000.00")
CHANGEABLE = ("on_leaked_key", "balance_levels", "spike_factor", "spike_least", "spike_freezes", "price_changes")


def alert_settings_of(workspace: Workspace) -> AlertSettings:
    """A row that is not stored where the workspace has chosen nothing."""
    return AlertSettings.objects.filter(pk=workspace.pk).first() or AlertSettings(workspace=workspace)


@transaction.atomic
def change_alert_settings(
    workspace: Workspace,
    changes: Mapping[str, Any],
    actor: str,
    now: datetime,
    user: User | None = None,
    maker: APIKey | None = None,
) -> AlertSettings:
    """Applies those of CHANGEABLE that are among the changes. Who asks is `user`, a person, or `maker`, an admin key.

    Raises InvalidParameter, WorkspaceClosed, and what `check_still_allowed` raises.
    """
    check_still_allowed(workspace, user, maker)
    refuse_closed(workspace)
    AlertSettings.objects.get_or_create(workspace=workspace)
    settings = AlertSettings.objects.select_for_update().get(pk=workspace.pk)
    before = described_alerts(settings)
    for name in CHANGEABLE:
        if name in changes:
            setattr(settings, name, changes[name])
    check_alert_settings(settings)
    after = described_alerts(settings)
    if changed := {name: f"{before[name]} → {after[name]}" for name in after if after[name] != before[name]}:
        settings.save()
        audit.record(actor, "alerts.changed", workspace.public_id, workspace, now=now, **changed)
    return settings


def check_alert_settings(settings: AlertSettings) -> None:
    """Raises InvalidParameter for what no settings can be; puts the levels in order, each once."""
    if settings.on_leaked_key not in AlertSettings.OnLeak.values:
        raise InvalidParameter(f"on_leaked_key is one of {', '.join(AlertSettings.OnLeak.values)}.", param="on_leaked_key")
    levels = sorted({_amount(level, "balance_levels") for level in settings.balance_levels}, reverse=True)
    if len(levels) > MOST_LEVELS:
        raise InvalidParameter(f"At most {MOST_LEVELS} levels of the balance can have alerts.", param="balance_levels")
    settings.balance_levels = levels
    settings.spike_least = _amount(settings.spike_least, "spike_least")
    factor = settings.spike_factor
    if not is_whole_cents(factor) or not LEAST_FACTOR <= factor <= LARGEST_FACTOR:
        raise InvalidParameter(
            f"The factor of a spike is from {LEAST_FACTOR} to {LARGEST_FACTOR}, with at most two decimals.",
            param="spike_factor",
        )
    settings.spike_factor = factor.quantize(ONE_CENT)


def _amount(amount: Decimal, param: str) -> Decimal:
    if not is_whole_cents(amount) or not 0 <= amount <= LARGEST_AMOUNT:
        raise InvalidParameter(f"Amounts are from 0 to {LARGEST_AMOUNT:,} USD, in whole cents.", param=param)
    return amount.quantize(ONE_CENT)


def alert_settings_json(settings: AlertSettings) -> dict[str, Any]:
    return {
        "object": "alert_settings",
        "workspace_id": settings.workspace.public_id,
        "on_leaked_key": settings.on_leaked_key,
        "balance_levels": [cents_text(level) for level in settings.balance_levels],
        "spike_factor": cents_text(settings.spike_factor),
        "spike_least": cents_text(settings.spike_least),
        "spike_freezes": settings.spike_freezes,
        "price_changes": settings.price_changes,
    }


def described_alerts(settings: AlertSettings) -> dict[str, str]:
    """As the audit trail shows them."""
    levels = ", ".join(cents_text(level) for level in settings.balance_levels)
    return {
        "on_leaked_key": settings.on_leaked_key,
        "balance_levels": levels or "none",
        "spike_factor": cents_text(settings.spike_factor),
        "spike_least": cents_text(settings.spike_least),
        "spike_freezes": "yes" if settings.spike_freezes else "no",
        "price_changes": "yes" if settings.price_changes else "no",
    }
