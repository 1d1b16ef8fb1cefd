"""Mails to workspaces: written with what they tell, in the same transaction, and sent afterwards."""

from datetime import datetime
from typing import Any

from metering.payments.models import Notice
from workspaces.models import Workspace


def tell(workspace: Workspace, kind: str, key: str, context: dict[str, Any], now: datetime) -> None:
    """One mail per key, whatever runs twice. `context` is what its templates print, as texts."""
    Notice.objects.bulk_create(
        [Notice(workspace=workspace, kind=kind, key=key, context=context, created_at=now)], ignore_conflicts=True
    )
