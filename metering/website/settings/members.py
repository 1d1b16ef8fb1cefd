"""Who belongs to the workspace, and who is invited to it. Owners decide."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from metering.website.forms import KeysOfAPersonForm, MemberForm, RoleForm
from metering.website.member import member_page, show_refusal
from omixa_billing.api.errors import Refusal
from workspaces.access.authentication import Caller
from workspaces.keys.makers import keys_of_person
from workspaces.members.invitations.invite import invite, resend_invitation, withdraw_invitation
from workspaces.members.invitations.mail import deliver
from workspaces.members.members import change_role, loses_keys, remove_member
from workspaces.models import Invitation, Membership


@member_page()
def member_list(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = MemberForm(request.POST or None)
    if request.method == "POST" and caller.may_manage_members and form.is_valid():
        asked = form.cleaned_data
        try:
            made = invite(caller.workspace, asked["email"], asked["role"], caller.user, caller.actor, timezone.now())
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:members")
        return _delivered(request, *made)
    members = Membership.objects.filter(workspace=caller.workspace).select_related("user").order_by("user__email")
    context = {"members": members, "form": form, "caller": caller, "roles": Membership.Role.choices}
    if caller.may_manage_members:
        pending = caller.workspace.invitations.filter(state=Invitation.State.PENDING).select_related("invited_by")
        context |= {"invitations": pending, "now": timezone.now()}
    return render(request, "website/settings/members/members.html", context)


@member_page("may_manage_members")
def invitation_send(request: HttpRequest, caller: Caller, invitation_id: str) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    assert caller.user is not None  # noqa: S101 - pages are for people
    try:
        made = resend_invitation(_invitation(caller, invitation_id), caller.user, caller.actor, timezone.now())
    except Refusal as refusal:
        return show_refusal(request, refusal, "pages:members")
    return _delivered(request, *made)


@member_page("may_manage_members")
def invitation_withdraw(request: HttpRequest, caller: Caller, invitation_id: str) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    invitation = _invitation(caller, invitation_id)
    try:
        withdraw_invitation(invitation, caller.actor, timezone.now(), caller.user)
    except Refusal as refusal:
        return show_refusal(request, refusal, "pages:members")
    messages.success(request, f"The invitation of {invitation.email} is withdrawn.")
    return redirect("pages:members")


@member_page("may_manage_members")
def member_role(request: HttpRequest, caller: Caller, member_id: int) -> HttpResponse:
    """A role that may manage keys no more is confirmed on a page of its own when the person has keys."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    membership, now = _member(caller, member_id), timezone.now()
    form = RoleForm(request.POST)
    if not form.is_valid():
        return redirect("pages:members")
    role = form.cleaned_data["role"]
    keys = keys_of_person(caller.workspace, membership.user, now) if loses_keys(membership, role) else []
    choice = KeysOfAPersonForm(keys, request.POST)
    if keys and "confirmed" not in request.POST:
        context = {"member": membership, "role": role, "role_name": Membership.Role(role).label}
        return render(request, "website/settings/members/member_demote.html", context | {"form": KeysOfAPersonForm(keys)})
    if choice.is_valid():
        try:
            change_role(membership, role, caller.actor, now, choice.choice, caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:members")
        messages.success(request, f"{membership.user.email} has the role {role} now.")
    return redirect("pages:members")


@member_page("may_manage_members")
def member_remove(request: HttpRequest, caller: Caller, member_id: int) -> HttpResponse:
    membership, now = _member(caller, member_id), timezone.now()
    keys = keys_of_person(caller.workspace, membership.user, now)
    form = KeysOfAPersonForm(keys, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "website/settings/members/member_remove.html", {"member": membership, "form": form})
    try:
        remove_member(membership, caller.actor, now, form.choice, caller.user)
    except Refusal as refusal:
        return show_refusal(request, refusal, "pages:members")
    messages.success(request, f"{membership.user.email} is no longer a member.")
    return redirect("pages:members")


def _delivered(request: HttpRequest, invitation: Invitation, secret: str | None) -> HttpResponse:
    """Sends the mail and says what happened, in the same words for everybody who is invited."""
    email = invitation.email
    try:
        deliver(invitation, secret)
    except OSError:
        messages.warning(request, f"{email} is invited, but the mail to tell them could not be sent: send it again later.")
    else:
        messages.success(request, f"We sent an invitation to {email}. They are a member once they accept it.")
    return redirect("pages:members")


def _member(caller: Caller, member_id: int) -> Membership:
    members = Membership.objects.filter(workspace=caller.workspace).select_related("user", "workspace")
    return get_object_or_404(members, pk=member_id)


def _invitation(caller: Caller, invitation_id: str) -> Invitation:
    invitations = caller.workspace.invitations.select_related("workspace", "invited_by")
    return get_object_or_404(invitations, public_id=invitation_id)
