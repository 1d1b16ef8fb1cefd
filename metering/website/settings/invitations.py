"""An invitation, as the invited person sees it: accept, decline, or first make an account.

The link in the mail holds a secret. The page that it opens remembers which invitation that was, by its id, and moves on to
an address without the secret, so that no log, history or sign-in form carries it further.
"""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from omixa_billing.api.errors import Refusal
from workspaces.errors import InvitationForAnother, NoSuchInvitation
from workspaces.members.current import choose_workspace
from workspaces.members.invitations.answer import accept_invitation, check_open, decline, invitation_of, join
from workspaces.models import Invitation, User

OPENED = "invitation"


@never_cache
def invitation_link(request: HttpRequest, secret: str) -> HttpResponse:
    try:
        request.session[OPENED] = invitation_of(secret).public_id
    except NoSuchInvitation as refusal:
        return render(request, "website/settings/members/invitation_over.html", {"reason": refusal.message}, status=404)
    return redirect("pages:invitation_answer")


@never_cache
def invitation_answer(request: HttpRequest) -> HttpResponse:
    opened = request.session.get(OPENED, "")
    invitation = Invitation.objects.select_related("workspace", "invited_by").filter(public_id=opened).first()
    if invitation is None:
        reason = "Open the link in the mail of the invitation."
        return render(request, "website/settings/members/invitation_over.html", {"reason": reason}, status=404)
    try:
        check_open(invitation, timezone.now())
        return _answer(request, invitation) if request.method == "POST" else _page(request, invitation)
    except Refusal as refusal:
        if _is_member(request, invitation):
            return _enter(request, invitation)
        return render(
            request, "website/settings/members/invitation_over.html", {"reason": refusal.message}, status=refusal.status
        )


def _answer(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    now, answer = timezone.now(), request.POST.get("answer")
    if answer == "decline":
        decline(invitation, now)
        del request.session[OPENED]
        return render(request, "website/settings/members/invitation_declined.html", {"invitation": invitation})
    if answer == "accept" and isinstance(request.user, User):
        accept_invitation(invitation, request.user, now)
        messages.success(request, f"You are a member of {invitation.workspace.name} now.")
        return _enter(request, invitation)
    if answer == "join" and not request.user.is_authenticated:
        form = _password_form(invitation, request)
        if not form.is_valid():
            return _page(request, invitation, form)
        user = join(invitation, form.cleaned_data["new_password1"], now)
        login(request, user)
        messages.success(request, f"Welcome. You are a member of {invitation.workspace.name} now.")
        return _enter(request, invitation)
    return _page(request, invitation)


def _page(request: HttpRequest, invitation: Invitation, form: SetPasswordForm[User] | None = None) -> HttpResponse:
    """What there is to do: by the person who is signed in, or by whether the invited address has an account."""
    user = request.user
    if user.is_authenticated and user.get_username().lower() != invitation.email:
        raise InvitationForAnother(
            f"This invitation is for {invitation.email}, and you are signed in as {user.get_username()}. Sign out, and open "
            "the link in the mail again."
        )
    has_account = User.objects.filter(email=invitation.email).exists()
    context = {"invitation": invitation, "has_account": has_account, "form": form or _password_form(invitation)}
    return render(request, "website/settings/members/invitation.html", context)


def _password_form(invitation: Invitation, request: HttpRequest | None = None) -> SetPasswordForm[User]:
    return SetPasswordForm(User(email=invitation.email), request.POST if request else None)


def _is_member(request: HttpRequest, invitation: Invitation) -> bool:
    """Whether the invited person is signed in and belongs already: an invitation accepted twice leads in both times."""
    user = request.user
    if not isinstance(user, User) or user.email.lower() != invitation.email:
        return False
    return user.memberships.filter(workspace=invitation.workspace).exists()


def _enter(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    request.session.pop(OPENED, None)
    choose_workspace(request, invitation.workspace.public_id)
    return redirect("pages:home")
