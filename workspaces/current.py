"""Which of a person's workspaces a request is about."""

from django.http import HttpRequest

from workspaces.models import Membership, User

SESSION_KEY = "workspace"
HEADER = "Omixa-Workspace"


def membership_of(request: HttpRequest) -> Membership | None:
    """The signed-in person's membership that this request speaks for, with its workspace; None without one. One query.

    The header `Omixa-Workspace` decides where it is sent, and nothing else stands in for a workspace it may not name;
    then the workspace chosen in the session; then the first by name.
    """
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return None
    memberships = Membership.objects.filter(user=user).select_related("workspace", "user")
    by_id = {each.workspace.public_id: each for each in memberships.order_by("workspace__name", "workspace_id")}
    if (named := request.headers.get(HEADER)) is not None:
        return by_id.get(named)
    chosen = by_id.get(request.session.get(SESSION_KEY, ""))
    return chosen or next(iter(by_id.values()), None)


def choose_workspace(request: HttpRequest, public_id: str) -> bool:
    """Remember this workspace for the session. False, and nothing remembered, when the person is not a member of it."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.memberships.filter(workspace__public_id=public_id).exists():
        return False
    request.session[SESSION_KEY] = public_id
    return True
