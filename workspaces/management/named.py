"""The workspace that a command's `--workspace` names."""

from typing import overload

from workspaces.errors import UnknownWorkspace
from workspaces.models import Workspace
from workspaces.names import is_storable


@overload
def workspace_named(public_id: str) -> Workspace: ...


@overload
def workspace_named(public_id: str | None) -> Workspace | None: ...


def workspace_named(public_id: str | None) -> Workspace | None:
    """The workspace, or None where none is named. Raises UnknownWorkspace."""
    if public_id is None:
        return None
    found = Workspace.objects.filter(public_id=public_id).first() if is_storable(public_id) else None
    if found is None:
        raise UnknownWorkspace(f"There is no workspace {public_id!r}.")
    return found
