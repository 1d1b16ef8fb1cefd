"""Signals about a workspace's balance, to which later stages listen (`payments/balance/`).

`billing_changed`: what a workspace may still use may have changed: its credit, its terms, an invoice past due, usage that used
its balance up. It is sent inside the transaction that changes it, and heard once that is committed; where the process dies in
between, the watch of suspensions finds it.

`balance_wanted`: a decision needs the balance, and what is kept of it is too old.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.dispatch import Signal

billing_changed = Signal()
balance_wanted = Signal()


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


def want_balance(workspace_id: int, now: datetime) -> None:
    """Returns when it was worked out."""
    balance_wanted.send(sender=None, workspace_id=workspace_id, now=now)
