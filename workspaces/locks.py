"""What acts about a workspace and its members wait for each other on, in this order: the workspace's row, then an address.

Both end with the transaction. What is locked after the workspace, in which order, is in docs/architecture.md.
"""

from collections.abc import Iterable

from omixa_billing.advisory_locks import LockClass, lock_text
from workspaces.models import Workspace


def lock_workspace(workspace_id: int) -> Workspace:
    """As it is under the lock: one act about its members, terms, credits, invoices or payments at a time.

    A NO KEY lock, so that rows which point to it, such as usage, can still be inserted. What a person or a key asks for, such
    as a new key, waits: `check_still_allowed` shares the row.
    """
    return Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)


def lock_workspaces(workspace_ids: Iterable[int]) -> list[Workspace]:
    """The same of many, in the order of their keys, so that two transactions that do so never wait in a circle."""
    return list(Workspace.objects.select_for_update(no_key=True).filter(pk__in=workspace_ids).order_by("pk"))


def lock_address(email: str) -> None:
    """Of people and of invitations alike, whether the address has an account or not."""
    lock_text(LockClass.ADDRESS, email)
