"""The workspace's own settings: its name, and where its invoices go."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from metering.website.forms import WorkspaceForm
from metering.website.member import member_page, show_refusal
from omixa_billing.api.errors import Refusal
from workspaces.access.authentication import Caller
from workspaces.members.profile import change_workspace


@member_page()
def settings_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    workspace = caller.workspace
    form = WorkspaceForm(request.POST or None, initial={"name": workspace.name, "email": workspace.email})
    if request.method == "POST" and caller.may_manage_billing and form.is_valid():
        asked = form.cleaned_data
        try:
            change_workspace(workspace, asked["name"], asked["email"], caller.actor, timezone.now(), caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:settings")
        messages.success(request, "The settings are saved.")
        return redirect("pages:settings")
    return render(request, "website/settings/workspace.html", {"form": form, "caller": caller})
