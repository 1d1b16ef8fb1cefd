"""What a workspace calls itself and where its invoices go. Each change and its audit entry are one transaction."""

from datetime import datetime

from django.db import transaction

from workspaces import audit
from workspaces.models import Workspace
from workspaces.names import clean_email, clean_name


@transaction.atomic
def change_workspace(workspace: Workspace, name: str, email: str, actor: str, now: datetime) -> None:
    """`email` may be "": then invoices go nowhere yet. Changing nothing leaves no entry. Raises InvalidName, InvalidEmail."""
    name, email = clean_name(name), clean_email(email) if email else ""
    held = Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if (held.name, held.email) == (name, email):
        return
    Workspace.objects.filter(pk=held.pk).update(name=name, email=email)
    before = {"name": held.name, "email": held.email}
    audit.record(actor, "workspace.changed", held.public_id, held, now=now, before=before, after={"name": name, "email": email})
