"""Says that what a workspace may still use may have changed: its credit, its terms, an invoice past due.

Those who change it say so inside their transaction, and need not know who listens: `payments/balance/suspension.py` decides
about the workspace's keys. It is heard once the change is committed. Where the process dies in between, the watch of
suspensions finds it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.dispatch import Signal

billing_changed = Signal()


@dataclass(frozen=True, slots=True)
class BillingChange:
    """Sends the signal, once the transaction has committed."""

    workspace_id: int
    now: datetime = field(compare=False)

    def __call__(self) -> None:
        billing_changed.send(sender=None, workspace_id=self.workspace_id, now=self.now)


def note_change(workspace_id: int, now: datetime) -> None:
    """Heard once for each transaction and workspace, however many changes it makes.

    A listener must not fail what was committed: it logs its own errors.
    """
    change = BillingChange(workspace_id, now)
    waiting = transaction.get_connection().run_on_commit
    if not any(act == change for _, act, _ in waiting):
        transaction.on_commit(change)
