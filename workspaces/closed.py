"""A closed workspace: its keys have stopped, and nothing more is bought or agreed. Its documents stay, and what is open is
still paid.
"""

from workspaces.errors import WorkspaceClosed
from workspaces.models import Workspace


def refuse_closed(workspace: Workspace) -> None:
    """Raises WorkspaceClosed. The caller holds or shares the workspace's row, so that closing comes before or after."""
    closed_at = Workspace.objects.values_list("closed_at", flat=True).get(pk=workspace.pk)
    if closed_at is not None:
        raise WorkspaceClosed(f"This workspace was closed on {closed_at:%Y-%m-%d}: only open invoices are still paid.")
