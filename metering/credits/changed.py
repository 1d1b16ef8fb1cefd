"""Says that what a workspace may still use may have changed: its credit, its terms, an invoice past due.

Those who change it say so inside their transaction, and need not know who listens: `payments/balance/suspension.py` decides
about the workspace's keys. It is heard once the change is committed. Where the process dies in between, the watch of
suspensions finds it.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.dispatch import Signal

billing_changed = Signal()


def note_change(workspace_id: int, now: datetime) -> None:
    """A listener must not fail what was committed: it logs its own errors."""

    def send() -> Any:
        billing_changed.send(sender=None, workspace_id=workspace_id, now=now)

    transaction.on_commit(send)
