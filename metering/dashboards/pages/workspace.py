"""The workspace's own settings: its name, where its invoices go, and who belongs to it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from metering.dashboards.pages.forms import MemberForm, RoleForm, WorkspaceForm
from metering.dashboards.pages.member import member_page, refused
from omixa_billing.errors import Refusal
from workspaces.authentication import Caller
from workspaces.invitations import invite
from workspaces.members import add_member, change_role, remove_member
from workspaces.models import Membership
from workspaces.profile import change_workspace


@member_page()
def settings_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    workspace = caller.workspace
    form = WorkspaceForm(request.POST or None, initial={"name": workspace.name, "email": workspace.email})
    if request.method == "POST" and caller.may_manage_billing and form.is_valid():
        asked = form.cleaned_data
        try:
            change_workspace(workspace, asked["name"], asked["email"], caller.actor, timezone.now())
        except Refusal as refusal:
            return refused(request, refusal, "pages:settings")
        messages.success(request, "The settings are saved.")
        return redirect("pages:settings")
    return render(request, "workspaces/settings.html", {"form": form, "caller": caller})


@member_page()
def member_list(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = MemberForm(request.POST or None)
    if request.method == "POST" and caller.may_manage_members and form.is_valid():
        try:
            now, asked = timezone.now(), form.cleaned_data
            membership = add_member(caller.workspace, asked["email"], asked["role"], caller.actor, now)
        except Refusal as refusal:
            return refused(request, refusal, "pages:members")
        tell_the_member(request, membership, caller, added=membership.created_at == now)
        return redirect("pages:members")
    members = Membership.objects.filter(workspace=caller.workspace).select_related("user").order_by("user__email")
    context = {"members": members, "form": form, "caller": caller, "roles": Membership.Role.choices}
    return render(request, "workspaces/members.html", context)


@member_page("may_manage_members")
def member_role(request: HttpRequest, caller: Caller, member_id: int) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    membership = _member(caller, member_id)
    form = RoleForm(request.POST)
    if form.is_valid():
        try:
            change_role(membership, form.cleaned_data["role"], caller.actor, timezone.now())
        except Refusal as refusal:
            return refused(request, refusal, "pages:members")
        messages.success(request, f"{membership.user.email} has the role {form.cleaned_data['role']} now.")
    return redirect("pages:members")


@member_page("may_manage_members")
def member_remove(request: HttpRequest, caller: Caller, member_id: int) -> HttpResponse:
    membership = _member(caller, member_id)
    if request.method != "POST":
        return render(request, "workspaces/member_remove.html", {"member": membership})
    try:
        remove_member(membership, caller.actor, timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, "pages:members")
    messages.success(request, f"{membership.user.email} is no longer a member.")
    return redirect("pages:members")


def tell_the_member(request: HttpRequest, membership: Membership, caller: Caller, added: bool) -> None:
    """Mails the invitation and says what happened. Somebody who was a member before only gets it while they never signed in."""
    email, has_password = membership.user.email, membership.user.has_usable_password()
    if not added and has_password:
        messages.info(request, f"{email} is a member already.")
        return
    try:
        invite(membership, caller.actor)
    except OSError:
        messages.warning(request, f"{email} is a member, but the mail to tell them could not be sent: tell them yourself.")
        return
    how = "to sign in as before" if has_password else "with a link to set their password"
    messages.success(request, f"{email} is a member now. We sent them an invitation {how}.")


def _member(caller: Caller, member_id: int) -> Membership:
    members = Membership.objects.filter(workspace=caller.workspace).select_related("user", "workspace")
    return get_object_or_404(members, pk=member_id)
