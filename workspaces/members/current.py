"""Which of a person's workspaces a request is about."""

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest

from workspaces.models import Membership, User, Workspace

SESSION_KEY = "workspace"
HEADER = "Omixa-Workspace"
PARAMETER = "workspace"


def link_for(workspace: Workspace, path: str, **query: str) -> str:
    """The full address of a page, for a mail or Stripe to lead people to: it opens in this workspace, whichever is current."""
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}?{urlencode(query | {PARAMETER: workspace.public_id})}"


def membership_of(request: HttpRequest) -> Membership | None:
    """The signed-in person's membership that this request speaks for, with its workspace; None without one. One query.

    The header `Omixa-Workspace` decides where it is sent, and nothing else stands in for a workspace it may not name;
    then the workspace chosen in the session; then the first by name.
    """
    by_id = {each.workspace.public_id: each for each in memberships_of(request)}
    if (named := request.headers.get(HEADER)) is not None:
        return by_id.get(named)
    if not by_id:
        return None  # a request that was refused early has no session either
    chosen = by_id.get(request.session.get(SESSION_KEY, ""))
    return chosen or next(iter(by_id.values()), None)


def memberships_of(request: HttpRequest) -> list[Membership]:
    """All memberships of the signed-in person, with their workspaces, by name. One query."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return []
    memberships = Membership.objects.filter(user=user).select_related("workspace", "user")
    return list(memberships.order_by("workspace__name", "workspace_id"))


def choose_workspace(request: HttpRequest, public_id: str) -> bool:
    """Remember this workspace for the session. False, and nothing remembered, when the person is not a member of it."""
    if public_id not in {each.workspace.public_id for each in memberships_of(request)}:
        return False
    request.session[SESSION_KEY] = public_id
    return True
