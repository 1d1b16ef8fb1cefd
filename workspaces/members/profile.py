"""What a workspace calls itself and where its invoices go. Each change and its audit entry are one transaction."""

from datetime import datetime

from django.db import transaction

from workspaces import audit
from workspaces.access.authentication import INVOICE_READERS
from workspaces.access.still_allowed import check_still_allowed
from workspaces.locks import lock_workspace
from workspaces.models import User, Workspace
from workspaces.names import clean_email, clean_name


@transaction.atomic
def change_workspace(workspace: Workspace, name: str, email: str, actor: str, now: datetime, user: User | None = None) -> None:
    """`email` may be "": then invoices go nowhere yet. Changing nothing leaves no entry.

    `user` is the person who asks for it. Raises InvalidName, InvalidEmail, NotAllowed.
    """
    name, email = clean_name(name), clean_email(email) if email else ""
    held = lock_workspace(workspace.pk)
    check_still_allowed(workspace, user, roles=INVOICE_READERS)
    if (held.name, held.email) == (name, email):
        return
    Workspace.objects.filter(pk=held.pk).update(name=name, email=email)
    before = {"name": held.name, "email": held.email}
    audit.record(actor, "workspace.changed", held.public_id, held, now=now, before=before, after={"name": name, "email": email})
